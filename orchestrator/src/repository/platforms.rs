//! Which platforms a build has: what was asked for, what the Koji target's build
//! tag has, what the repository allows and what the site can build, with the
//! arithmetic in words.
//!
//! Nobody is overruled in silence. A platform that was asked for by name and
//! cannot be had is an error; one that merely would have been possible is left
//! out with a line that says so. No architecture is preferred: a build without
//! `x86_64` is a build like any other.

use common::{
    failure::{Failure, FailureClass},
    platform::Platform,
};

use super::container_yaml::PlatformLimits;

/// All who have a say.
#[derive(Debug, Clone, Copy)]
pub struct Voices<'a> {
    /// The platforms that the user asked for; empty leaves it to the others.
    pub asked: &'a [Platform],
    /// Architectures of the Koji target's build tag; `None` without a target. A
    /// tag that has none says nothing.
    pub target: Option<&'a [String]>,
    /// Whether the user may ask for what the target does not have: scratch and
    /// isolated builds do not become the target's next release.
    pub beyond_target: bool,
    /// What the repository allows.
    pub limits: &'a PlatformLimits,
    /// The platforms that the site has a name for.
    pub known: &'a [Platform],
    /// Those of them that it builds.
    pub enabled: &'a [Platform],
    /// The site's, for when nobody else says anything.
    pub defaults: &'a [Platform],
}

/// The platforms of a build and how they came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The platforms, each once. Never empty.
    pub platforms: Vec<Platform>,
    /// One line for each thing that had a say.
    pub arithmetic: Vec<String>,
}

/// Why there are no platforms, or not those that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformProblem {
    /// None is left.
    #[error("no platform is left to build on: {}", .0.join("; "))]
    NoneLeft(Vec<String>),
    /// The target does not have it.
    #[error("the platform '{platform}' was asked for, but the target's build tag has only {has}")]
    NotInTarget {
        /// What was asked for.
        platform: Platform,
        /// What there is.
        has: String,
    },
    /// The site has it switched off.
    #[error("the platform '{platform}' was asked for, but the site does not build it now; it builds {has}")]
    Disabled {
        /// What was asked for.
        platform: Platform,
        /// What there is.
        has: String,
    },
    /// Nobody here has heard of it.
    #[error("the platform '{platform}' was asked for, but the site knows only {has}")]
    Unknown {
        /// What was asked for.
        platform: Platform,
        /// What there is.
        has: String,
    },
}

impl From<PlatformProblem> for Failure {
    fn from(problem: PlatformProblem) -> Self {
        let (code, advice) = match &problem {
            PlatformProblem::NoneLeft(_) => {
                ("plan.no_platforms", "ask for other platforms, or change 'platforms' in container.yaml")
            }
            PlatformProblem::NotInTarget { .. } => (
                "plan.platform_not_in_target",
                "choose a target with this architecture, or make it a scratch or isolated build",
            ),
            PlatformProblem::Disabled { .. } => {
                ("plan.platform_disabled", "leave the platform out, or ask the site to enable it")
            }
            PlatformProblem::Unknown { .. } => ("plan.unknown_platform", "use one of the site's names"),
        };
        Failure::from_error(FailureClass::User, code, &problem).with_advice(advice)
    }
}

/// Decides on the platforms.
///
/// # Errors
/// Every platform that was asked for and cannot be had; or that none is left.
pub fn select(voices: &Voices<'_>) -> Result<Outcome, Vec<PlatformProblem>> {
    let mut arithmetic = Vec::new();
    let target = voices.target.map(|names| tag_platforms(names, &mut arithmetic)).filter(|t| !t.is_empty());
    let problems = refused(voices, target.as_deref());
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut left = candidates(voices, target.as_deref(), &mut arithmetic);
    let limits = voices.limits;
    if !limits.only.is_empty() {
        left.retain(|platform| named(&limits.only, platform));
        let only = limits.only.join(", ");
        arithmetic.push(format!("container.yaml allows only {only}, which leaves {}", names(&left)));
    }
    if !limits.not.is_empty() {
        left.retain(|platform| !named(&limits.not, platform));
        let not = limits.not.join(", ");
        arithmetic.push(format!("container.yaml excludes {not}, which leaves {}", names(&left)));
    }
    let missing: Vec<_> = left.iter().filter(|p| !voices.enabled.contains(p)).cloned().collect();
    if !missing.is_empty() {
        left.retain(|platform| voices.enabled.contains(platform));
        let missing = names(&missing);
        arithmetic.push(format!("the site does not build {missing}, which leaves {}", names(&left)));
    }
    if left.is_empty() {
        Err(vec![PlatformProblem::NoneLeft(arithmetic)])
    } else {
        Ok(Outcome { platforms: left, arithmetic })
    }
}

/// The architectures of a tag that can be platforms at all.
fn tag_platforms(written: &[String], arithmetic: &mut Vec<String>) -> Vec<Platform> {
    let (found, odd): (Vec<_>, Vec<_>) = written.iter().partition(|name| name.parse::<Platform>().is_ok());
    if !odd.is_empty() {
        let odd = odd.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        arithmetic.push(format!("the target's build tag has {odd}, which is no platform and left out"));
    }
    if found.is_empty() {
        arithmetic.push("the target's build tag has no architectures, so it does not limit them".to_owned());
    }
    found.into_iter().filter_map(|name| name.parse().ok()).collect()
}

/// What was asked for and cannot be had.
fn refused(voices: &Voices<'_>, target: Option<&[Platform]>) -> Vec<PlatformProblem> {
    let problem = |platform: &Platform| {
        let platform = platform.clone();
        if !voices.known.contains(&platform) {
            return Some(PlatformProblem::Unknown { platform, has: names(voices.known) });
        }
        if !voices.enabled.contains(&platform) {
            return Some(PlatformProblem::Disabled { platform, has: names(voices.enabled) });
        }
        let target = target.filter(|target| !voices.beyond_target && !target.contains(&platform))?;
        Some(PlatformProblem::NotInTarget { platform, has: names(target) })
    };
    voices.asked.iter().filter_map(problem).collect()
}

/// Where the arithmetic begins.
fn candidates(
    voices: &Voices<'_>,
    target: Option<&[Platform]>,
    arithmetic: &mut Vec<String>,
) -> Vec<Platform> {
    let (all, why) = match target {
        _ if !voices.asked.is_empty() => (voices.asked, "asked for"),
        Some(target) => (target, "none asked for, so all of the target's build tag"),
        // Without a target, a repository that names platforms chooses from
        // everything that the site has, not only from its defaults.
        None if !voices.limits.only.is_empty() => (voices.enabled, "none asked for, so all of the site"),
        None => (voices.defaults, "none asked for, so the site's default"),
    };
    let mut left: Vec<Platform> = Vec::new();
    for platform in all {
        if !left.contains(platform) {
            left.push(platform.clone());
        }
    }
    arithmetic.push(format!("{why}: {}", names(&left)));
    if let Some(target) = target.filter(|_| !voices.asked.is_empty()) {
        let beyond: Vec<_> = left.iter().filter(|platform| !target.contains(platform)).cloned().collect();
        let has = names(target);
        arithmetic.push(if beyond.is_empty() {
            format!("the target's build tag has {has}, and so all of them")
        } else {
            let beyond = names(&beyond);
            format!(
                "the target's build tag has only {has}; {beyond} is built nevertheless, for it was asked for"
            )
        });
    }
    left
}

fn named(names: &[String], platform: &Platform) -> bool {
    names.iter().any(|name| name.trim() == platform.as_str())
}

fn names(platforms: &[Platform]) -> String {
    if platforms.is_empty() {
        return "nothing".to_owned();
    }
    platforms.iter().map(Platform::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "platforms_tests.rs"]
mod tests;
