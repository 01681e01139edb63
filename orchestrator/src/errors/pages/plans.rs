//! Platforms, components and policy of a plan. What is decided from request,
//! repository and site together.

use super::page;
use crate::errors::Page;

pub(super) const PAGES: &[Page] = &[
    page(
        "plan.unknown_platform",
        "user",
        "A platform was asked for that the site does not know.",
        "The message names those that it knows.",
        "Use one of these names; they are Koji's, such as x86_64 and aarch64.",
        "--platform vax",
    ),
    page(
        "plan.platform_disabled",
        "user, policy",
        "A platform was asked for that the site does not build now.",
        "It is switched off in the site's configuration.",
        "Leave the platform out, or ask the operators to enable it.",
        "",
    ),
    page(
        "plan.platform_not_in_target",
        "user",
        "A platform was asked for that the Koji target does not have.",
        "A build that is recorded has the architectures of its build tag only.",
        "Choose a target with this architecture, or make it a scratch or isolated build.",
        "",
    ),
    page(
        "plan.no_platforms",
        "user",
        "No platform is left to build for.",
        "Request, target, container.yaml and site were combined as the message tells, and nothing remained.",
        "Ask for other platforms, or change 'platforms' in container.yaml.",
        "platforms: {not: x86_64}",
    ),
    page(
        "plan.invalid_component",
        "source",
        "The name of the component cannot be one.",
        "It comes from the label com.redhat.component, or else from the last part of the address.",
        "Set the label, or name the component in the request.",
        "LABEL com.redhat.component=\"two words\"",
    ),
    page(
        "plan.layout_outside_root",
        "policy",
        "A layout would be outside the directory that the site allows.",
        "Requests come over the network, so they cannot name any directory of the machine.",
        "Name a directory relative to publication.layout_root.",
        "oci:/etc/layout",
    ),
    page(
        "plan.incomplete",
        "internal",
        "The plan lacks something, and nothing says why.",
        "This is a defect of reactor; the build does not go on with a guess.",
        "Report it with the build's id.",
        "",
    ),
    page(
        "plan.unknown_step",
        "internal",
        "A step is not in the catalogue of steps.",
        "This is a defect of reactor.",
        "Report it with the build's id.",
        "",
    ),
    page(
        "plan.unserializable",
        "internal",
        "The plan cannot be written as JSON.",
        "This is a defect of reactor.",
        "Report it with the build's id.",
        "",
    ),
];
