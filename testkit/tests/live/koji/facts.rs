//! What a hub knows of a build, as the official library reads it, and where two builds
//! differ that should be the same.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::client::OfficialClient;

const SCRIPT: &str = r#"
hub = session(login=False)
build = hub.getBuild(ARGUMENTS[0], strict=True)
archives = hub.listArchives(buildID=build["id"])
for archive in archives:
    archive["files"] = hub.listArchiveFiles(archive["id"])
answer({
    "build": build,
    "types": hub.getBuildType(ARGUMENTS[0]),
    "archives": sorted(archives, key=lambda archive: archive["filename"]),
    "images": sorted(hub.listArchives(buildID=build["id"], type="image"), key=lambda archive: archive["filename"]),
    "logs": sorted(hub.getBuildLogs(build["id"]), key=lambda log: log["path"]),
    "buildroots": [hub.listBuildroots(buildrootID=number)[0] if number else None
                   for number in sorted({archive["buildroot_id"] for archive in archives})],
    "tags": sorted(tag["name"] for tag in hub.listTags(build["id"])),
})
"#;

/// Members that differ between two imports of the same build: numbers that the hub
/// gives, and times at which it did something.
const OF_THE_IMPORT: &[&str] = &[
    "id",
    "build_id",
    "buildroot_id",
    "cg_import_id",
    "creation_event_id",
    "creation_time",
    "creation_ts",
    "completion_time",
    "completion_ts",
    "create_event",
    "create_ts",
    "task_id",
];

/// What a hub knows of a build: the build itself, its types, archives, logs, build
/// roots and tags.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts(Value);

impl Facts {
    /// Reads them.
    ///
    /// # Errors
    /// The hub has no such build, or the client cannot read its answers.
    pub(super) async fn read(client: &OfficialClient, nvr: &str) -> Result<Self> {
        client.script(SCRIPT, &[nvr]).await.map(Self).with_context(|| nvr.to_owned())
    }

    /// What is at a place. Example: `/build/state`.
    pub(super) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The names of its archives.
    pub(super) fn archives(&self) -> Vec<&str> {
        self.at("/archives").as_array().into_iter().flatten().filter_map(|a| a["filename"].as_str()).collect()
    }

    /// The tags that it has.
    pub(super) fn tags(&self) -> Vec<&str> {
        self.at("/tags").as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Where this build differs from another, one line for each place, but for what
    /// differs between any two imports. `rename` makes the other one's texts into
    /// those of this one, for instance its release.
    pub(super) fn differences(&self, other: &Self, rename: &dyn Fn(&str) -> String) -> Vec<String> {
        let mut found = Vec::new();
        compare("", &self.0, &other.0, rename, &mut found);
        found
    }
}

fn compare(at: &str, left: &Value, right: &Value, rename: &dyn Fn(&str) -> String, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(one), Value::Object(two)) => {
            // An `id` in the extra is the producer's own, such as that of an image.
            let own = at.contains("/extra") || at.contains("/typeinfo");
            let mut names: Vec<&String> = one.keys().chain(two.keys()).collect();
            names.sort();
            names.dedup();
            for name in names.into_iter().filter(|name| own || !OF_THE_IMPORT.contains(&name.as_str())) {
                let place = format!("{at}/{name}");
                match (one.get(name), two.get(name)) {
                    (Some(left), Some(right)) => compare(&place, left, right, rename, found),
                    (left, right) => found.push(format!("{place}: {left:?} and {right:?}")),
                }
            }
        }
        (Value::Array(one), Value::Array(two)) if one.len() == two.len() => {
            for (index, (left, right)) in one.iter().zip(two).enumerate() {
                compare(&format!("{at}/{index}"), left, right, rename, found);
            }
        }
        (Value::String(one), Value::String(two)) if *one == rename(two) => {}
        (one, two) if one == two => {}
        (one, two) => found.push(format!("{at}: {one} and {two}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_between_imports_may_differ() {
        let build = |release: &str, id: u64, size: u64| {
            Facts(json!({
                "build": {"id": id, "release": release, "extra": {"docker": {"id": "sha256:1"}}},
                "archives": [{"id": id + 1, "size": size}],
            }))
        };
        let rename = |text: &str| if text == "2" { "1".to_owned() } else { text.to_owned() };
        assert_eq!(build("1", 7, 10).differences(&build("2", 8, 10), &rename), Vec::<String>::new());
        assert_eq!(
            build("1", 7, 10).differences(&build("2", 8, 11), &rename),
            ["/archives/0/size: 10 and 11"]
        );
        assert_eq!(
            build("1", 7, 10).differences(&build("3", 7, 10), &rename),
            ["/build/release: \"1\" and \"3\""]
        );
        let mut other = build("1", 7, 10);
        other.0["build"]["extra"]["docker"]["id"] = json!("sha256:2");
        assert_eq!(build("1", 7, 10).differences(&other, &rename).len(), 1);
    }
}
