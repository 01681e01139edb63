//! The request, field by field, by the names that the contract has for them.

use std::collections::BTreeMap;

use common::request::{BuildMode, BuildRequest};

use super::Explained;

/// Every field of a request; those with names below them one by one.
pub(super) fn leaves(request: &BuildRequest, origins: &BTreeMap<String, String>) -> Vec<Explained> {
    let mut leaves = Leaves { origins, list: Vec::new() };
    let isolated = match &request.mode {
        BuildMode::Isolated { release } => Some(release.clone()),
        BuildMode::Normal | BuildMode::Scratch => None,
    };
    let mode = match &request.mode {
        BuildMode::Normal => None,
        BuildMode::Scratch => Some("scratch".to_owned()),
        BuildMode::Isolated { .. } => Some("isolated".to_owned()),
    };
    let yes = |asked: bool| asked.then(|| "true".to_owned());
    let policy = request.failure_policy.map(|policy| policy.as_str().to_owned());
    leaves.add("source.uri", Some(request.source.uri.clone()), "", "The git repository.");
    leaves.add(
        "source.ref",
        request.source.reference.clone(),
        "the remote's default branch",
        "Branch, tag or commit.",
    );
    leaves.add("platforms", list(&request.platforms), "none", "Platforms to build for.");
    leaves.add("destinations", list(&request.destinations), "none", "Where the image goes.");
    leaves.add("component", text(request.component.as_ref()), "not set", "Under which name it is built.");
    leaves.add("target", request.target.clone(), "not set", "Koji target.");
    leaves.add("mode", mode, "normal", "Kind of build.");
    leaves.add("release", request.release.clone().or(isolated), "not set", "Release of the image.");
    leaves.add(
        "user",
        Some(request.user.clone()).filter(|user| !user.is_empty()),
        "not set",
        "On whose behalf.",
    );
    leaves.add(
        "allow_local_parents",
        yes(request.allow_local_parents),
        "false",
        "Accept parents that only the worker's engine has.",
    );
    leaves.map("build_args", &request.build_args, "Values for ARG instructions.");
    leaves.map("labels", &request.labels, "Labels to set on the image.");
    leaves.add(
        "limits.memory_bytes",
        text(request.limits.memory_bytes.as_ref()),
        "not set",
        "Memory of each build container in bytes.",
    );
    leaves.add(
        "limits.time",
        request.limits.time.map(|time| format!("{}s", time.as_secs())),
        "not set",
        "Longest time of one platform's build.",
    );
    leaves.add("failure_policy", policy, "not set", "What a failed platform does to the others.");
    leaves.add("koji_task", text(request.koji_task.as_ref()), "not set", "The Koji task that asked.");
    leaves.add("branch", request.branch.clone(), "not set", "The branch that the commit is on.");
    leaves.add("repository_urls", list(&request.repository_urls), "none", "Repository files by URL.");
    leaves.add("composes", list(&request.composes), "none", "Composes that exist already.");
    leaves.add(
        "signing_intent",
        request.signing_intent.clone(),
        "not set",
        "Which signatures packages must have.",
    );
    leaves.add("parent_build", request.parent_build.clone(), "not set", "The Koji build to build upon.");
    leaves.add(
        "filesystem_task",
        text(request.filesystem_task.as_ref()),
        "not set",
        "A Koji image task whose file systems to build upon.",
    );
    leaves.add("flatpak", yes(request.flatpak), "false", "Build a Flatpak.");
    leaves.add("rebuild", yes(request.rebuild), "false", "Something that the image contains has changed.");
    leaves.add(
        "triggered_by",
        text(request.triggered_by.as_ref()),
        "not set",
        "The image whose change caused the rebuild.",
    );
    leaves.add("image_stream", request.image_stream.clone(), "not set", "OpenShift image stream.");
    let keys = request.user_data.as_ref().map(|data| format!("{} keys", data.len()));
    leaves.add("user_data", keys, "not set", "Data of the caller's own, which Koji keeps.");
    leaves.list
}

fn text<T: ToString>(value: Option<&T>) -> Option<String> {
    value.map(T::to_string)
}

fn list<T: ToString>(values: &[T]) -> Option<String> {
    let texts: Vec<String> = values.iter().map(T::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

struct Leaves<'a> {
    origins: &'a BTreeMap<String, String>,
    list: Vec<Explained>,
}

impl Leaves<'_> {
    fn add(&mut self, field: &str, given: Option<String>, otherwise: &str, meaning: &str) {
        let origin = match &given {
            Some(_) => self.origin(field).unwrap_or_else(|| "the request".to_owned()),
            // A field can be said to be what it is anyway.
            None => self.origins.get(field).cloned().unwrap_or_else(|| "not given".to_owned()),
        };
        let value = given.unwrap_or_else(|| otherwise.to_owned());
        self.list.push(Explained::new(format!("request.{field}"), value, origin).meaning(meaning));
    }

    fn map(&mut self, field: &str, entries: &BTreeMap<String, String>, meaning: &str) {
        if entries.is_empty() {
            self.add(field, None, "none", meaning);
        }
        for (name, value) in entries {
            self.add(&format!("{field}.{name}"), Some(value.clone()), "", meaning);
        }
    }

    /// Who set a field: by its own name, else by that of what it is a part of.
    fn origin(&self, field: &str) -> Option<String> {
        let part = field.split('.').next().unwrap_or(field);
        self.origins.get(field).or_else(|| self.origins.get(part)).cloned()
    }
}
