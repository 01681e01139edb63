//! What planning decided: each decision with what led to it. A decision that was
//! not made has no value, and no entry.

use std::collections::{BTreeMap, BTreeSet};

use common::image::Tag;

use super::{Explained, Explanation};
use crate::plan::{
    Draft, PlannedFile, PlannedLabel, PlannedPlatform, Said, Target,
    draft::{TAGS_NOT_KNOWN, UNIQUE_TAG_GIVEN},
};

/// The decisions of a draft. `known` are the values that they were made from.
pub(super) fn leaves(draft: &Draft, known: &Explanation) -> Vec<Explained> {
    let mut leaves = names(draft, known);
    leaves.extend(platforms(draft));
    leaves.extend(labels(&draft.platforms));
    leaves.extend(parents(draft));
    leaves.extend(tags(draft, known));
    leaves.extend(destinations(draft, known));
    leaves.extend(files("repositories", &draft.repositories, "Package repository of the build."));
    leaves.extend(files("artifacts", &draft.artifacts, "File that is fetched before the build."));
    leaves.extend(execution(draft, known));
    leaves
}

/// An entry whose value the request gives, or else the site.
struct Choice<'a> {
    path: &'a str,
    value: String,
    request: &'a str,
    site: &'a str,
    meaning: &'a str,
}

impl Choice<'_> {
    fn explained(self, known: &Explanation) -> Explained {
        let named = |path: &str| known.find(path).map(|entry| (format!("{path} ({})", entry.origin), entry));
        let site = named(self.site);
        let entry = match named(self.request).filter(|(_, entry)| entry.origin != "not given") {
            Some((origin, _)) => {
                let beaten = site.map(|(from, entry)| Said { from, value: entry.value.clone() });
                Explained::new(self.path, self.value, origin).over(beaten.into_iter().collect())
            }
            None => {
                let origin = site.map_or_else(|| self.site.to_owned(), |(origin, _)| origin);
                Explained::new(self.path, self.value, origin)
            }
        };
        entry.meaning(self.meaning)
    }
}

fn names(draft: &Draft, known: &Explanation) -> Vec<Explained> {
    let mut leaves = Vec::new();
    if let Some(component) = &draft.component {
        let label = "com.redhat.component";
        let labelled = draft.platforms.iter().any(|platform| platform.labels.contains_key(label));
        let origin = match known.find("request.component") {
            Some(asked) if asked.origin != "not given" => format!("request.component ({})", asked.origin),
            _ if labelled => format!("the label {label}"),
            _ => "the last part of the git address".to_owned(),
        };
        leaves.push(
            Explained::new("plan.component", component.as_str(), origin)
                .meaning("Under which name it is built."),
        );
    }
    if let Some(nvr) = &draft.nvr {
        leaves.push(
            Explained::new("plan.nvr", nvr.to_string(), "name and version of the labels, and plan.release")
                .meaning("Name, version and release, as Koji would call it."),
        );
    }
    let decisions = [
        ("plan.release", &draft.release, "Release of the image."),
        ("plan.rebuild", &draft.rebuild, "Whether this is an automatic rebuild."),
    ];
    for (path, decision, meaning) in decisions {
        if let Some(decision) = decision {
            leaves.push(Explained::new(path, &decision.value, sentence(&decision.because)).meaning(meaning));
        }
    }
    leaves
}

fn platforms(draft: &Draft) -> Vec<Explained> {
    if draft.platforms.is_empty() {
        return Vec::new();
    }
    let names: Vec<&str> = draft.platforms.iter().map(|platform| platform.platform.as_str()).collect();
    let mut leaves = vec![
        Explained::new("plan.platforms", names.join(", "), sentence(&draft.platform_arithmetic.join("; ")))
            .meaning("Platforms to build for, in the order of the index."),
    ];
    leaves.extend(draft.platforms.iter().map(|platform| {
        let (name, architecture) = (&platform.platform, platform.architecture.engine_platform());
        Explained::new(format!("plan.platforms.{name}"), architecture, format!("site.platforms, {name}"))
            .meaning("What the engine calls the platform.")
    }));
    leaves
}

/// Labels that are the same on all platforms have one entry.
fn labels(platforms: &[PlannedPlatform]) -> Vec<Explained> {
    let names: BTreeSet<&String> = platforms.iter().flat_map(|platform| platform.labels.keys()).collect();
    let mut leaves = Vec::new();
    for name in names {
        let each: Vec<Option<&PlannedLabel>> =
            platforms.iter().map(|platform| platform.labels.get(name)).collect();
        match each.first() {
            Some(Some(label)) if each.iter().all(|other| *other == Some(*label)) => {
                leaves.push(of_label(format!("plan.labels.{name}"), label));
            }
            _ => {
                let own = platforms.iter().zip(each).filter_map(|(platform, label)| {
                    Some(of_label(format!("plan.labels.{}.{name}", platform.platform), label?))
                });
                leaves.extend(own);
            }
        }
    }
    leaves
}

fn of_label(path: String, label: &PlannedLabel) -> Explained {
    let mut chain = label.chain.iter();
    let winner = chain.next().map_or("planning", |winner| winner.from.as_str());
    Explained::new(path, &label.value, winner).over(chain.cloned().collect()).meaning("Label of the image.")
}

fn parents(draft: &Draft) -> Vec<Explained> {
    let alone = if draft.asked_registries() {
        "the worker's engine, which alone has it"
    } else {
        "the Dockerfile; registries were not asked for its digest"
    };
    let mut leaves = Vec::new();
    for platform in &draft.platforms {
        for parent in &platform.parents {
            let path = format!("plan.parents.{}.{}", platform.platform, parent.written_as);
            let entry = match &parent.pinned {
                Some(pinned) => {
                    let written = Said { from: "Dockerfile".to_owned(), value: parent.written_as.clone() };
                    Explained::new(path, pinned, "the registry, asked once for the build").over(vec![written])
                }
                None => Explained::new(path, &parent.written_as, alone),
            };
            leaves.push(entry.meaning("Parent image, pinned for this build."));
        }
    }
    leaves
}

fn tags(draft: &Draft, known: &Explanation) -> Vec<Explained> {
    let Some(tags) = &draft.tags else { return Vec::new() };
    let of = |class: &str, tags: &[Tag], origin: &str, meaning: &str| {
        let texts: Vec<&str> = tags.iter().map(Tag::as_str).collect();
        let value = if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
        Explained::new(format!("plan.tags.{class}"), value, origin).meaning(meaning)
    };
    let kind = "the kind of build (request.mode)";
    let assumed = |code: &str| draft.assumptions.iter().find(|notice| notice.code == code);
    let unique =
        assumed(UNIQUE_TAG_GIVEN).map_or("Koji target, id and time of the build", |given| &given.text);
    let unknown = assumed(TAGS_NOT_KNOWN).map(|notice| notice.text.as_str());
    let lack = unknown.unwrap_or(kind);
    let unless = |empty: bool, origin: &'static str| if empty { lack } else { origin };
    let added = |path: &str| known.find(path).map(|entry| format!("{path} ({})", entry.origin));
    let floating = match (added("repository.tags"), added("repository.additional_tags")) {
        _ if tags.floating.is_empty() => lack.to_owned(),
        _ if unknown.is_some() => format!("'latest' alone; {lack}"),
        (Some(only), _) => only,
        (None, Some(more)) => format!("the label 'version', 'latest', and {more}"),
        (None, None) => "the label 'version', and 'latest'".to_owned(),
    };
    vec![
        of("unique", &tags.unique, unique, "Tags of this very build."),
        of(
            "primary",
            &tags.primary,
            unless(tags.primary.is_empty(), "the label 'version' and plan.release"),
            "Tags of this version and release, which never move.",
        ),
        of("floating", &tags.floating, &floating, "Tags that move to the newest build."),
    ]
}

fn destinations(draft: &Draft, known: &Explanation) -> Vec<Explained> {
    if draft.destinations.is_empty() {
        return Vec::new();
    }
    let texts: Vec<String> = draft.destinations.iter().map(ToString::to_string).collect();
    // Without a wish of the request, an image goes to the site's registries, or
    // else into a layout.
    let remote = draft.destinations.iter().any(|to| matches!(to, Target::Registry { .. }));
    let site = if remote { "site.publication.registries" } else { "site.publication.layout_root" };
    let choice = Choice {
        path: "plan.destinations",
        value: texts.join(", "),
        request: "request.destinations",
        site,
        meaning: "Where the image goes.",
    };
    vec![choice.explained(known)]
}

fn files(part: &str, files: &[PlannedFile], meaning: &str) -> Vec<Explained> {
    let of_file = |file: &PlannedFile| {
        let platform = file.platform.as_ref().map(|name| format!("{name}.")).unwrap_or_default();
        let value = file.digest.as_ref().map_or_else(|| "not fetched".to_owned(), ToString::to_string);
        Explained::new(format!("plan.{part}.{platform}{}", file.path), value, sentence(&file.from))
            .meaning(meaning)
    };
    files.iter().map(of_file).collect()
}

fn execution(draft: &Draft, known: &Explanation) -> Vec<Explained> {
    let execution = &draft.execution;
    let mut choices = vec![
        Choice {
            path: "plan.execution.queue_deadline",
            value: format!("{}s", execution.queue_deadline_seconds),
            request: "request.queue_deadline",
            site: "site.builds.queue_deadline",
            meaning: "Longest wait of a platform for a free worker.",
        },
        Choice {
            path: "plan.execution.attempts",
            value: execution.attempts.to_string(),
            request: "request.attempts",
            site: "site.builds.attempts",
            meaning: "How often a platform is tried when machines fail.",
        },
        Choice {
            path: "plan.execution.failure_policy",
            value: execution.failure_policy.as_str().to_owned(),
            request: "request.failure_policy",
            site: "site.builds.failure_policy",
            meaning: "What a failed platform does to the others.",
        },
    ];
    // The limits are those of every work order.
    if let Some(order) = draft.platforms.iter().find_map(|platform| platform.work_order.as_ref()) {
        let unlimited = || "no limit".to_owned();
        choices.push(Choice {
            path: "plan.limits.memory_bytes",
            value: order.limits.memory_bytes.map_or_else(unlimited, |bytes| bytes.to_string()),
            request: "request.limits.memory_bytes",
            site: "site.builds.memory",
            meaning: "Memory of each build container in bytes.",
        });
        choices.push(Choice {
            path: "plan.limits.time",
            value: order.limits.time.map_or_else(unlimited, |time| format!("{}s", time.as_secs())),
            request: "request.limits.time",
            site: "site.builds.time",
            meaning: "Longest time of one platform's build.",
        });
    }
    choices.into_iter().map(|choice| choice.explained(known)).collect()
}

/// Who said it, for a place where somebody must have.
fn sentence(text: &str) -> String {
    if text.is_empty() { "planning".to_owned() } else { text.to_owned() }
}

/// The values of a map, one by one.
pub(super) fn each<'a>(
    path: &'a str,
    values: &'a BTreeMap<String, String>,
    origin: &'a str,
) -> impl Iterator<Item = Explained> + 'a {
    values
        .iter()
        .map(move |(name, value)| Explained::new(format!("{path}.{name}"), value, format!("{origin}.{name}")))
}
