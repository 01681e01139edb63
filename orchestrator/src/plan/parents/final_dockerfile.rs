//! The Dockerfile with its parents replaced by what they were pinned to.

use std::collections::BTreeMap;

use common::{failure::Failure, platform::Architecture, work::Parent};

use crate::repository::dockerfile::{Arguments, Dockerfile};

/// The final Dockerfile of one platform: computed and not recorded, since the
/// Dockerfile times the platforms would fill the journal.
///
/// # Errors
/// The Dockerfile and the parents do not belong together.
pub(in crate::plan) fn final_dockerfile(
    dockerfile: &Dockerfile,
    build_args: &BTreeMap<String, String>,
    architecture: &Architecture,
    parents: &[Parent],
) -> Result<String, Failure> {
    let pins: BTreeMap<&str, &String> = parents
        .iter()
        .filter_map(|parent| Some((parent.written_as.as_str(), parent.pinned.as_ref()?)))
        .collect();
    let uses = dockerfile.parents(&Arguments::new(build_args).for_platform(architecture))?;
    let replacements = uses
        .iter()
        .filter_map(|parent| Some((parent.key(), (*pins.get(parent.expanded.to_string().as_str())?).clone())))
        .collect();
    Ok(String::from_utf8_lossy(&dockerfile.pin(&replacements)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_platform_has_its_own_dockerfile() {
        let text = b"ARG V=1\nFROM base:$V AS a\nFROM only-here\nCOPY --from=base:1 /a /b\n";
        let dockerfile = Dockerfile::parse(text).unwrap();
        let parent = |written_as: &str, pinned: Option<&str>| Parent {
            written_as: written_as.to_owned(),
            pinned: pinned.map(str::to_owned),
        };
        let architecture = Architecture { architecture: "arm64".to_owned(), variant: None };
        let parents = [parent("base:1", Some("r.example.org/base@sha256:0")), parent("only-here", None)];
        let written: Vec<String> = dockerfile
            .parents(&Arguments::new(&BTreeMap::new()).for_platform(&architecture))
            .unwrap()
            .iter()
            .map(|parent| parent.expanded.to_string())
            .collect();
        assert_eq!(written, ["base:1", "only-here", "base:1"], "the names that pins are looked up by");
        let text = final_dockerfile(&dockerfile, &BTreeMap::new(), &architecture, &parents).unwrap();
        let pinned = "r.example.org/base@sha256:0";
        assert_eq!(
            text,
            format!("ARG V=1\nFROM {pinned} AS a\nFROM only-here\nCOPY --from={pinned} /a /b\n")
        );
    }
}
