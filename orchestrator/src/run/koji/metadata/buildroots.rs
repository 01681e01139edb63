//! Where each platform was built.

use std::collections::BTreeSet;

use common::koji::metadata::{
    Buildroot, BuildrootExtra, Container, ContentGenerator, Host, OsbsBuildroot, Tool,
};

use super::{MemberFacts, MetadataFacts, buildroot_id};

pub(super) fn buildroots(facts: &MetadataFacts<'_>) -> Vec<Buildroot> {
    facts.members.iter().map(|member| buildroot(facts, member)).collect()
}

fn buildroot(facts: &MetadataFacts<'_>, of: &MemberFacts<'_>) -> Buildroot {
    let (environment, platform) = (&of.member.environment, of.member.platform.as_str());
    let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let arch = known(&environment.kernel_architecture).unwrap_or_else(|| platform.to_owned());
    let in_docker = environment.tools.last().is_none_or(|(name, _)| name.contains("docker"));
    // Koji takes each name once.
    let mut names = BTreeSet::new();
    let tools = environment.tools.iter().filter(|(name, _)| names.insert(name.as_str()));
    Buildroot {
        id: buildroot_id(&of.member.platform),
        host: Host { os: known(&environment.operating_system), arch: known(&environment.architecture) },
        content_generator: ContentGenerator {
            name: facts.recording.content_generator.clone(),
            version: facts.version.to_owned(),
        },
        container: Container { kind: if in_docker { "docker" } else { "none" }.to_owned(), arch },
        tools: tools.map(|(name, version)| Tool { name: name.clone(), version: version.clone() }).collect(),
        components: Vec::new(),
        extra: Some(BuildrootExtra {
            osbs: Some(OsbsBuildroot {
                build_id: facts.build.to_string(),
                builder_image_id: String::new(),
                koji: None,
            }),
        }),
    }
}
