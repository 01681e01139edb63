//! Build targets.

use std::collections::BTreeSet;

use common::koji::KojiTarget;

use super::{
    Hub, HubError,
    answers::{Event, Tag, Target},
};
use crate::xmlrpc::Arguments;

/// A target and what only the hub's other calls need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTarget {
    /// The target.
    pub target: KojiTarget,
    /// Number of its build tag.
    pub build_tag_id: u64,
}

impl Hub {
    /// Looks up a target, and the architectures of its build tag with inherited
    /// ones, both as of the same moment.
    ///
    /// # Errors
    /// There is no such target, or the hub cannot answer.
    pub async fn target(&self, name: &str) -> Result<FoundTarget, HubError> {
        let event: Event = self.read("getLastEvent", Arguments::none()).await?;
        let at_event = |arguments: Arguments| arguments.named("event", event.id);
        let asked = at_event(Arguments::none().with(name));
        let target: Option<Target> = self.read("getBuildTarget", asked).await?;
        let target = target.ok_or_else(|| HubError::NotFound {
            method: "getBuildTarget",
            code: "koji.no_target",
            message: format!("the hub has no build target '{name}'"),
        })?;
        let asked = at_event(Arguments::none().with(i64::from(target.build_tag)));
        let tag: Tag = self.read("getBuildConfig", asked).await?;
        Ok(FoundTarget {
            target: KojiTarget {
                name: name.to_owned(),
                build_tag: target.build_tag_name,
                destination_tag: target.dest_tag_name.unwrap_or_default(),
                platforms: platforms(tag.arches.as_deref().unwrap_or_default()),
            },
            build_tag_id: target.build_tag.into(),
        })
    }
}

/// Architectures in the tag's order, each once.
fn platforms(arches: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    arches.split_whitespace().filter(|arch| seen.insert(*arch)).map(str::to_owned).collect()
}

#[cfg(test)]
mod unit_tests {
    #[test]
    fn platforms_keep_their_order() {
        for (arches, platforms) in [
            ("", vec![]),
            ("x86_64", vec!["x86_64"]),
            (" s390x x86_64\taarch64 x86_64 ", vec!["s390x", "x86_64", "aarch64"]),
        ] {
            assert_eq!(super::platforms(arches), platforms, "{arches}");
        }
    }
}
