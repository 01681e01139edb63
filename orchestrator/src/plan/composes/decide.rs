//! Which composes a build needs, and what they mean for its signing intent.
//! Nothing here asks anybody.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    failure::{Failure, FailureClass},
    platform::Platform,
    request::BuildRequest,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::intents::{Intent, Intents};
use crate::{
    config::Composes,
    outside::{Compose, ComposeKind, ComposeRequest, ComposeState},
    plan::repositories::ByPlatform,
    repository::inputs::ComposeWish,
};

/// A compose that goes away within this time is renewed: builds take a while.
const MINIMUM_LIFE: SignedDuration = SignedDuration::from_secs(7200);

/// What the decision is made from.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ComposeInputs<'a> {
    /// `compose` of `container.yaml`.
    pub wish: Option<&'a ComposeWish>,
    /// `content_sets.yml`: content sets by platform.
    pub content_sets: &'a BTreeMap<Platform, Vec<String>>,
    /// Composes that the request names.
    pub composes: &'a [u64],
    /// The intent that the request names.
    pub signing_intent: Option<&'a str>,
    /// Whether nobody asked for this build. Then what a request names is left
    /// aside: it was meant for another build.
    pub rebuild: bool,
    /// The Koji target, whose build tag packages come from.
    pub target: Option<&'a str>,
    /// Platforms of the build.
    pub platforms: &'a [Platform],
    /// Signing intent of the parent image's build (`extra.image.odcs.signing_intent`).
    pub parent_intent: Option<&'a str>,
}

/// What is to be done about composes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComposeDecision {
    /// Composes that are there already, in the order of the request.
    pub existing: Vec<u64>,
    /// Composes to be made.
    pub requests: Vec<ComposeRequest>,
    /// The intent that `container.yaml` or the site wants.
    pub original_intent: String,
    /// The intent that composes are made with.
    pub intent: String,
    /// What the user should know: a code and a sentence each.
    pub notes: Vec<(String, String)>,
}

/// Whether composes have anything to do with a build; if not, a code and a
/// sentence that say why.
///
/// # Errors
/// They have not.
pub fn applies(
    site: &Composes,
    request: &BuildRequest,
    wish: Option<&ComposeWish>,
) -> Result<(), (&'static str, String)> {
    if site.api_url.is_none() {
        let reason = "the site names no compose service (composes.api_url)";
        return Err(("composes.not_configured", reason.to_owned()));
    }
    if !request.repository_urls.is_empty() {
        let reason = "the request names repositories itself, which replaces composes";
        return Err(("composes.repositories_given", reason.to_owned()));
    }
    if wish.is_none() && (request.composes.is_empty() || request.rebuild) {
        let reason = "container.yaml has no 'compose', and the request names no composes";
        return Err(("composes.not_asked_for", reason.to_owned()));
    }
    Ok(())
}

/// Decides which composes to make. `build_tag` is that of the target.
///
/// # Errors
/// The inputs contradict each other, ask for nothing, or name unknown intents.
pub fn decide(
    site: &Composes,
    inputs: &ComposeInputs<'_>,
    build_tag: Option<&str>,
) -> Result<ComposeDecision, Failure> {
    let intents = Intents::of_site(site);
    let mut notes = Vec::new();
    let (composes, asked) = if inputs.rebuild {
        if !inputs.composes.is_empty() {
            let text = "a rebuild does not use the composes that the request names";
            notes.push(("compose.ids_ignored".to_owned(), text.to_owned()));
        }
        if let Some(name) = inputs.signing_intent {
            let text = format!("a rebuild does not use the signing intent '{name}' that the request names");
            notes.push(("compose.intent_ignored".to_owned(), text));
        }
        (&[][..], None)
    } else {
        (inputs.composes, inputs.signing_intent)
    };
    if !composes.is_empty() && asked.is_some() {
        return Err(Failure::new(
            FailureClass::User,
            "request.intent_and_composes",
            "signing_intent and composes cannot be used at the same time",
        )
        .with_advice("composes that exist have their signatures already: leave out one of the two"));
    }

    let mut problems = Vec::new();
    let intent = match choose_intent(intents, inputs, asked) {
        Ok(chosen) => Some(chosen),
        Err(failures) => {
            problems.extend(failures);
            None
        }
    };
    let mut requests = Vec::new();
    if composes.is_empty() {
        let keys = intent.map(|(_, intent)| intent.keys.to_vec()).unwrap_or_default();
        match wanted(inputs, build_tag, &keys, &mut notes) {
            Ok(found) => requests = found,
            Err(failure) => problems.push(failure),
        }
    }
    match (intent, Failure::all(problems)) {
        (Some((original, intent)), None) => Ok(ComposeDecision {
            existing: composes.to_vec(),
            requests,
            original_intent: original.name.to_owned(),
            intent: intent.name.to_owned(),
            notes,
        }),
        (_, Some(failure)) => Err(failure),
        (None, None) => {
            Err(Failure::new(FailureClass::Internal, "internal.no_intent", "no intent was chosen"))
        }
    }
}

/// The intent of `container.yaml` or the site, and the one that the request and
/// the parent make of it.
fn choose_intent<'a>(
    intents: Intents<'a>,
    inputs: &ComposeInputs<'_>,
    asked: Option<&str>,
) -> Result<(Intent<'a>, Intent<'a>), Vec<Failure>> {
    let original = match inputs.wish.and_then(|wish| wish.signing_intent.as_deref()) {
        Some(name) => intents.by_name(name, "container.yaml, compose.signing_intent"),
        None => intents.default(),
    };
    let asked = asked.map(|name| intents.by_name(name, "the request")).transpose();
    let parent = parent(intents, inputs.parent_intent);
    match (original, asked, parent) {
        (Ok(original), Ok(asked), Ok(parent)) => {
            let intent = asked.unwrap_or(original);
            Ok((original, parent.map_or(intent, |parent| intent.or_less(parent))))
        }
        (original, asked, parent) => {
            Err([original.err(), asked.err(), parent.err()].into_iter().flatten().collect())
        }
    }
}

fn parent<'a>(intents: Intents<'a>, name: Option<&str>) -> Result<Option<Intent<'a>>, Failure> {
    name.map(|name| intents.by_name(name, "the Koji build of the parent image")).transpose()
}

/// The composes that `container.yaml` asks for.
fn wanted(
    inputs: &ComposeInputs<'_>,
    build_tag: Option<&str>,
    keys: &[String],
    notes: &mut Vec<(String, String)>,
) -> Result<Vec<ComposeRequest>, Failure> {
    let wrong = |code: &str, text: &str, advice: &str| {
        Failure::new(FailureClass::Source, code, format!("container.yaml, compose: {text}"))
            .with_advice(advice)
    };
    let none = ComposeWish::default();
    let wish = inputs.wish.unwrap_or(&none);
    // Composes for platforms that are not built would only cost time.
    let sets: Vec<(&Platform, &Vec<String>)> = match wish.pulp_repos {
        true => inputs.content_sets.iter().filter(|(_, sets)| !sets.is_empty()).collect(),
        false => Vec::new(),
    };
    if wish.packages.is_empty() && wish.modules.is_empty() && sets.is_empty() {
        return Err(wrong(
            "compose.nothing",
            "nothing to compose: it names no packages, no modules, and content_sets.yml no content sets",
            "say what is needed, or remove 'compose'",
        ));
    }
    if !wish.packages.is_empty() && !wish.modules.is_empty() {
        return Err(wrong(
            "compose.packages_and_modules",
            "it cannot contain both packages and modules",
            "leave out one of the two",
        ));
    }
    let mut requests = Vec::new();
    if !wish.packages.is_empty() {
        let Some(tag) = build_tag else {
            return Err(wrong(
                "compose.no_target",
                "packages come from the build tag of a Koji target, and the build has no target",
                "submit the build with a target",
            ));
        };
        requests.push(ComposeRequest {
            kind: ComposeKind::Tag,
            source: tag.to_owned(),
            packages: wish.packages.clone(),
            sigkeys: Some(keys.to_vec()),
            arches: (!inputs.platforms.is_empty()).then(|| inputs.platforms.to_vec()),
        });
    } else if !wish.modules.is_empty() {
        requests.push(ComposeRequest {
            kind: ComposeKind::Module,
            source: wish.modules.join(" "),
            packages: Vec::new(),
            sigkeys: Some(keys.to_vec()),
            arches: None,
        });
    }
    let mut left_out = Vec::new();
    for (platform, sets) in sets {
        if !inputs.platforms.contains(platform) {
            left_out.push(platform.as_str());
            continue;
        }
        requests.push(ComposeRequest {
            kind: ComposeKind::Pulp,
            source: sets.join(" "),
            packages: Vec::new(),
            sigkeys: Some(Vec::new()),
            arches: Some(vec![platform.clone()]),
        });
    }
    if !left_out.is_empty() {
        let text =
            format!("content_sets.yml also names {}, which this build is not for", left_out.join(", "));
        notes.push(("compose.platform_not_built".to_owned(), text));
    }
    Ok(requests)
}

/// Whether a compose has to be made anew before a build can rely on it.
pub(super) fn needs_renewal(compose: &Compose, now: Timestamp) -> bool {
    let leaves = compose.time_to_expire.is_some_and(|at| at.duration_since(now) <= MINIMUM_LIFE);
    compose.state == ComposeState::Removed || (compose.state == ComposeState::Done && leaves)
}

/// The intent that a build ends with: the least restrictive one of its composes
/// and its parent.
///
/// # Errors
/// Composes with keys that belong to no intent, or an unknown parent's intent.
pub(super) fn final_intent(
    site: &Composes,
    composes: &[Compose],
    started_with: &str,
    parent_intent: Option<&str>,
) -> Result<String, Failure> {
    let intents = Intents::of_site(site);
    let mut problems = Vec::new();
    let mut found = Vec::new();
    for compose in composes {
        match intents.by_keys(&compose.sigkeys) {
            Some(intent) => found.push(intent),
            None => {
                let keys = match compose.sigkeys.as_slice() {
                    [] => "is unsigned".to_owned(),
                    keys => format!("has packages signed with {}", keys.join(" ")),
                };
                let text =
                    format!("compose {} {keys}, which fits none of the site's signing intents", compose.id);
                let advice = format!("the site has {}", intents.described());
                problems.push(
                    Failure::new(FailureClass::Policy, "compose.unknown_keys", text).with_advice(advice),
                );
            }
        }
    }
    match parent(intents, parent_intent) {
        Ok(intent) => found.extend(intent),
        Err(failure) => problems.push(failure),
    }
    if let Some(failure) = Failure::all(problems) {
        return Err(failure);
    }
    let least = found.into_iter().reduce(Intent::or_less);
    Ok(least.map_or(started_with, |intent| intent.name).to_owned())
}

/// Which repository files go to which platform, in the order of the composes.
///
/// A compose that names no architectures is for all of them. Where none names
/// any, all are for everywhere.
///
/// # Errors
/// A compose without a repository file.
pub(super) fn forward(composes: &[Compose], platforms: &[Platform]) -> Result<ByPlatform<String>, Failure> {
    let mut all = ByPlatform::default();
    let mut problems = Vec::new();
    let nowhere = composes.iter().all(|compose| compose.arches.is_empty());
    for compose in composes {
        let Some(file) = &compose.result_repofile else {
            let text = format!("compose {} has no repository file", compose.id);
            let failure = Failure::new(FailureClass::Infrastructure, "compose.no_repository", text);
            problems.push(failure.with_advice("ask those who run ODCS"));
            continue;
        };
        if nowhere {
            all.everywhere.push(file.clone());
            continue;
        }
        let arches: BTreeSet<&str> = compose.arches.iter().map(String::as_str).collect();
        for platform in platforms {
            if arches.is_empty() || arches.contains(platform.as_str()) {
                all.platforms.entry(platform.clone()).or_default().push(file.clone());
            }
        }
    }
    Failure::all(problems).map_or(Ok(all), Err)
}
