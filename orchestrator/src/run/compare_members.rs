//! Step: looks whether all platforms are the same image.
//!
//! Labels of the image itself must be equal, because the tags and records made of
//! one are those of all. Labels that only the parent image has, and what programs
//! see (environment, command, user), may have reasons to differ, so that is only
//! pointed out. Packages must be the same in version, release and signature, but
//! for those that the site excepts. What one platform has and another lacks is a
//! difference like any other.

mod packages;
mod table;

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Stage, Step},
    platform::Platform,
};
use serde::{Deserialize, Serialize};

pub(super) use self::packages::inventory;
use self::table::Table;
use super::{BuiltMember, image_config::ImageConfig};
use crate::services::BuildServices;

/// Labels that are about one platform or one moment, and so may differ.
const MAY_DIFFER: [&str; 6] = [
    "architecture",
    "Architecture",
    "com.redhat.build-host",
    "Build_Host",
    "build-date",
    "org.opencontainers.image.created",
];
/// Compares the members.
#[derive(Serialize)]
pub struct CompareMembers<'a> {
    /// The members.
    pub members: &'a [BuiltMember],
    /// Labels that may differ beside those that always may. Example: `url`, where
    /// the site makes it of the architecture.
    pub may_differ: &'a [String],
    /// Labels that the plan sets or the Dockerfile has. All others come from the
    /// parent images.
    pub own: &'a [String],
    /// Packages that may differ, with * and ?.
    pub packages_may_differ: &'a [String],
}

/// What was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// How many members.
    pub members: usize,
    /// How many things differ that may.
    pub differences: usize,
}

impl Step<BuildServices> for CompareMembers<'_> {
    const NAME: &'static str = "compare_members";
    const STAGE: Stage = Stage::Publish;
    type Output = Compared;

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<Compared, Failure> {
        let members = self.members.len();
        if let [only] = self.members {
            let text = format!("{} is the only platform: there is nothing to compare", only.platform);
            cx.services.say(cx.name, &text).await;
            return Ok(Compared { members, differences: 0 });
        }
        let staging = cx.services.staging().await?;
        let mut configs = Vec::with_capacity(members);
        for member in self.members {
            configs.push((&member.platform, ImageConfig::of(member, &staging).await?));
        }
        let may_differ =
            |label: &str| MAY_DIFFER.contains(&label) || self.may_differ.iter().any(|l| l == label);
        let is_own = |label: &str| self.own.iter().any(|own| own == label);
        let comparison = compare(&configs, may_differ, is_own);
        if !comparison.behaviour.is_empty() {
            let text = format!("the platforms differ:\n{}", comparison.behaviour.rows().join("\n"));
            cx.warn("member.behaviour_differs", text).await?;
        }
        let mut problems = Vec::new();
        if !comparison.labels.is_empty() {
            problems.push(labels_differ(&comparison.labels));
        }
        let inventories = packages::read_all(self.members, &staging).await?;
        let packages = packages::compare(&inventories, self.packages_may_differ);
        let packages = packages.map_err(|problem| problems.push(problem)).unwrap_or_default();
        if let Some(failure) = Failure::all(problems) {
            return Err(failure);
        }
        let text = format!("the own labels and {} packages of {members} platforms are equal", packages.equal);
        cx.services.say(cx.name, &text).await;
        if !packages.excepted.is_empty() {
            let text = format!("packages differ that may:\n{}", packages.excepted.rows().join("\n"));
            cx.services.say(cx.name, &text).await;
        }
        Ok(Compared { members, differences: comparison.behaviour.len() + packages.excepted.len() })
    }
}

/// What differs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Comparison {
    /// Labels that must not.
    labels: Table,
    /// Environment, command, user, labels of the parents.
    behaviour: Table,
}

fn compare(
    configs: &[(&Platform, ImageConfig)],
    may_differ: impl Fn(&str) -> bool,
    is_own: impl Fn(&str) -> bool,
) -> Comparison {
    let labels = configs.iter().map(|(platform, config)| {
        let own = config.labels().filter(|(name, _)| !may_differ(name) && is_own(name));
        (*platform, own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    });
    let behaviour = configs.iter().map(|(platform, config)| {
        let inherited = config.labels().filter(|(name, _)| !may_differ(name) && !is_own(name));
        let mut all = config.behaviour();
        all.extend(inherited.map(|(name, value)| (format!("label {name}"), value.to_owned())));
        (*platform, all)
    });
    Comparison {
        labels: Table::of(&labels.collect::<Vec<_>>()),
        behaviour: Table::of(&behaviour.collect::<Vec<_>>()),
    }
}

fn labels_differ(labels: &Table) -> Failure {
    let message = format!("the labels of the platforms differ: {}", labels.names().join(", "));
    let mut failure = Failure::new(FailureClass::Source, "member.labels_differ", message).with_advice(
        "give the label one value for all platforms in the Dockerfile; if it comes from the parent, set it anew",
    );
    failure.causes = labels.rows();
    failure
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::{table::MAX_ROWS, *};

    fn config(text: serde_json::Value) -> ImageConfig {
        serde_json::from_value(text).unwrap()
    }

    /// What differs between two platforms: labels, then the rest.
    fn differences(one: serde_json::Value, other: serde_json::Value) -> (Vec<String>, Vec<String>) {
        let platforms: [Platform; 2] = ["x86_64", "s390x"].map(|name| name.parse().unwrap());
        let configs = [(&platforms[0], config(one)), (&platforms[1], config(other))];
        let comparison = compare(
            &configs,
            |label| MAY_DIFFER.contains(&label) || label == "url",
            |label| !label.starts_with("parent."),
        );
        (comparison.labels.rows(), comparison.behaviour.rows())
    }

    #[test]
    fn what_must_be_equal_is_told_apart_from_what_may_differ() {
        let labels = |labels: serde_json::Value| json!({ "Labels": labels });
        let none = || labels(json!({}));
        let rows = [
            ("equal", labels(json!({ "a": "1" })), labels(json!({ "a": "1" })), "", ""),
            ("nothing at all", json!({}), json!({ "Labels": null, "Cmd": null, "User": "" }), "", ""),
            (
                "D9 an absent label counts",
                labels(json!({ "a": "1" })),
                none(),
                "a: x86_64 \"1\", s390x has none",
                "",
            ),
            (
                "D9 absent on the first platform",
                none(),
                labels(json!({ "a": "1" })),
                "a: x86_64 has none, s390x \"1\"",
                "",
            ),
            (
                "another value",
                labels(json!({ "a": "1", "b": "x" })),
                labels(json!({ "a": "2", "b": "x" })),
                "a: x86_64 \"1\", s390x \"2\"",
                "",
            ),
            (
                "of the parent",
                labels(json!({ "parent.a": "1", "parent.url": "x", "a": "1" })),
                labels(json!({ "parent.a": "2", "parent.url": "x", "a": "1" })),
                "",
                "label parent.a: x86_64 \"1\", s390x \"2\"",
            ),
            (
                "about one platform",
                labels(json!({ "architecture": "x86_64", "Build_Host": "a", "build-date": "1", "url": "1" })),
                labels(json!({ "architecture": "s390x", "com.redhat.build-host": "b", "Architecture": "s" })),
                "",
                "",
            ),
            (
                "environment",
                json!({ "Env": ["A=1", "B=x"] }),
                json!({ "Env": ["B=x", "A=2=3"] }),
                "",
                "env A: x86_64 \"1\", s390x \"2=3\"",
            ),
            (
                "D9 no command on one side",
                json!({ "Cmd": ["sh", "-c"], "User": "1" }),
                json!({ "User": "1", "Entrypoint": [] }),
                "",
                "cmd: x86_64 \"[\\\"sh\\\", \\\"-c\\\"]\", s390x has none",
            ),
        ];
        for (case, one, other, labels, behaviour) in rows {
            let (found_labels, found_behaviour) = differences(one, other);
            assert_eq!(found_labels.join("; "), labels, "{case}");
            assert_eq!(found_behaviour.join("; "), behaviour, "{case}");
        }
    }

    #[test]
    fn a_long_table_is_cut() {
        let many: BTreeMap<String, String> =
            (0..100).map(|number| (format!("label-{number:03}"), "x".repeat(10_000))).collect();
        let (labels, _) = differences(json!({ "Labels": many }), json!({}));
        assert_eq!(labels.len(), MAX_ROWS + 1);
        assert!(labels.iter().all(|row| row.len() < 300), "{labels:?}");
        assert_eq!(labels[MAX_ROWS], "and 85 more");
    }
}
