//! What became of every step of the former system: of the orchestrator's list and
//! of the worker's, in their order (arrangement 6, April 2018).

use std::fmt::Write as _;

use super::{Answer, entry};

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A step of ours does it. Example: `pin_parents`.
    Step(&'static str),
    /// One or several steps of ours do it among other things.
    Within(&'static [&'static str], &'static str),
    /// Nothing does it, because.
    Retired(&'static str),
}

use Fate::{Retired, Step, Within};

/// The orchestrator's steps in the order of its list.
pub const OF_ORCHESTRATOR: &[(&str, Fate)] = &[
    ("reactor_config", Step("freeze_settings")),
    ("check_and_set_rebuild", Step("note_rebuild")),
    ("check_and_set_platforms", Step("select_platforms")),
    ("resolve_module_compose", Step("resolve_modules")),
    ("flatpak_create_dockerfile", Step("write_flatpak_dockerfile")),
    ("add_filesystem", Step("start_filesystem")),
    ("inject_parent_image", Step("inject_parent")),
    ("pull_base_image", Step("pin_parents")),
    ("bump_release", Step("choose_release")),
    ("add_labels_in_dockerfile", Step("settle_labels")),
    ("koji_parent", Step("find_parent_build")),
    ("resolve_composes", Step("decide_composes")),
    ("orchestrate_build", Step("build_image")),
    ("fetch_worker_metadata", Step("collect_members")),
    ("compare_components", Step("compare_members")),
    ("tag_from_config", Step("confirm_tags")),
    ("group_manifests", Step("assemble_index")),
    ("pulp_tag", Step("tag_in_pulp")),
    ("pulp_sync", Step("sync_pulp")),
    ("pulp_publish", Step("publish_pulp")),
    ("pulp_pull", Step("pull_from_pulp")),
    ("import_image", Step("update_image_stream")),
    ("delete_from_registry", Step("delete_from_registry")),
    ("koji_import", Step("record_build")),
    ("koji_tag_build", Step("tag_build")),
    ("store_metadata_in_osv3", Step("record_outcome")),
    ("remove_built_image", Step("clean_up")),
    ("remove_worker_metadata", Step("release_workers")),
    // It came before the two, whose failures then went unmentioned.
    ("sendmail", Step("notify")),
];

/// The worker's steps in the order of its list.
pub const OF_WORKER: &[(&str, Fate)] = &[
    ("reactor_config", Retired("a worker gets a work order, and no configuration of the site")),
    ("resolve_module_compose", Retired("Flatpaks are not built by this version")),
    ("flatpak_create_dockerfile", Retired("Flatpaks are not built by this version")),
    ("add_filesystem", Within(&["wait_filesystem", "fetch_filesystems"], "the orchestrator fetches them")),
    ("inject_parent_image", Within(&["inject_parent"], "once, for all platforms")),
    ("pull_base_image", Within(&["pin_parents", "build_image"], "the engine pulls by digest")),
    ("add_labels_in_dockerfile", Within(&["settle_labels"], "the final Dockerfile has them")),
    ("change_from_in_dockerfile", Step("write_dockerfiles")),
    ("add_help", Within(&["write_dockerfiles"], "the manual page is made with the Dockerfile")),
    ("add_dockerfile", Within(&["write_dockerfiles"], "the Dockerfile as it was in the repository")),
    ("distgit_fetch_artefacts", Step("fetch_sources")),
    ("fetch_maven_artifacts", Step("fetch_artifacts")),
    ("koji", Step("find_target_repository")),
    ("add_yum_repo_by_url", Step("fetch_repositories")),
    ("inject_yum_repo", Within(&["write_dockerfiles"], "the lines for repository files")),
    ("distribution_scope", Step("check_scope")),
    ("squash", Retired("layers stay as the engine makes them")),
    ("flatpak_create_oci", Retired("Flatpaks are not built by this version")),
    ("all_rpm_packages", Retired("this version makes no lists of packages")),
    ("tag_from_config", Retired("members have no tags: the index names them by digest")),
    ("tag_and_push", Step("push_image")),
    ("pulp_push", Retired("Pulp is not served any more")),
    ("compress", Within(&["build_image"], "layers are compressed as they are handed over")),
    ("koji_upload", Within(&["record_build"], "koji-bridge alone has a credential of Koji")),
    ("store_metadata_in_osv3", Within(&["record_outcome"], "one record for the whole build")),
    ("remove_built_image", Within(&["build_image"], "the worker removes what it made, whatever happens")),
];

/// Both lists as Markdown, as `docs/from-osbs.md` has them.
pub fn map() -> String {
    let mut text = String::from("| former step | where | what became of it |\n| --- | --- | --- |\n");
    let lists = [("orchestrator", OF_ORCHESTRATOR), ("worker", OF_WORKER)];
    for (role, (name, fate)) in
        lists.into_iter().flat_map(|(role, list)| list.iter().map(move |row| (role, row)))
    {
        let fate = match fate {
            Step(step) => match never(step) {
                Some(why) => format!("retired: {why}"),
                None => format!("`{step}`: {}", entry(step).map_or("", |entry| entry.does)),
            },
            Within(steps, how) => {
                let steps: Vec<String> = steps.iter().map(|step| format!("`{step}`")).collect();
                format!("part of {}: {how}", steps.join(" and "))
            }
            Retired(why) => format!("retired: {why}"),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "| `{name}` | {role} | {fate} |");
    }
    text
}

/// Why a step of ours never runs, whatever is asked for.
fn never(step: &str) -> Option<String> {
    let entry = entry(step)?;
    if entry.does != super::entries::NOTHING {
        return None;
    }
    let settings = crate::config::Settings::default();
    let request = common::request::BuildRequest::new("", None);
    let facts = crate::plan::Facts {
        settings: &settings,
        request: &request,
        repository: None,
        assumed_parent: None,
        koji: &crate::plan::KojiReach::NotConfigured,
    };
    match (entry.applies)(&facts) {
        Answer::Skipped(reason) if reason.code == "step.retired" => Some(reason.sentence),
        _ => Some("Flatpaks and modules are not built by this version, and a plan says so".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::catalogue::{CATALOGUE, Former};

    fn lists() -> impl Iterator<Item = Former> {
        CATALOGUE.iter().filter_map(|entry| entry.former)
    }

    #[test]
    fn the_page_has_the_table() {
        let page = include_str!("../../../../docs/from-osbs.md");
        let (_, rest) = page.split_once("<!-- steps: begin -->").unwrap();
        let (section, _) = rest.split_once("<!-- steps: end -->").unwrap();
        assert!(section.trim() == map().trim(), "put this into docs/from-osbs.md:\n{}", map());
    }

    #[test]
    fn the_table_and_the_catalogue_say_the_same() {
        for former in lists() {
            let list = match former {
                Former::Orchestrator(_) => OF_ORCHESTRATOR,
                Former::Worker(_) => OF_WORKER,
            };
            let fate = list.iter().find(|(name, _)| *name == former.name());
            let ours = CATALOGUE.iter().find(|entry| entry.former == Some(former)).unwrap();
            assert_eq!(fate, Some(&(former.name(), Step(ours.name))));
        }
        for (name, fate) in OF_ORCHESTRATOR.iter().chain(OF_WORKER) {
            match fate {
                Step(step) => {
                    let former = entry(step).and_then(|entry| entry.former).map(Former::name);
                    assert_eq!(former, Some(*name));
                }
                Within(steps, _) => steps.iter().for_each(|step| assert!(entry(step).is_some(), "{step}")),
                Retired(_) => {}
            }
        }
        // The catalogue has the orchestrator's steps in the orchestrator's order.
        let ours: Vec<&str> = lists()
            .filter_map(|former| match former {
                Former::Orchestrator(name) => Some(name),
                Former::Worker(_) => None,
            })
            .collect();
        let theirs: Vec<&str> = OF_ORCHESTRATOR.iter().map(|(name, _)| *name).collect();
        assert_eq!(ours, theirs);
        assert_eq!((OF_ORCHESTRATOR.len(), OF_WORKER.len()), (29, 26));
    }
}
