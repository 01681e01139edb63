//! Which platforms a build has: what was asked for, what the site has, and what
//! the repository allows, with the arithmetic in words.

use common::{
    failure::{Failure, FailureClass},
    platform::Platform,
};

use super::container_yaml::PlatformLimits;

/// The platforms of a build and how they came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The platforms, each once, in the order in which they were asked for, or
    /// else in the site's. Never empty.
    pub platforms: Vec<Platform>,
    /// One line for each thing that had a say.
    pub arithmetic: Vec<String>,
}

/// No platform is left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no platform is left to build on: {}", arithmetic.join("; "))]
pub struct NoPlatforms {
    /// One line for each thing that had a say.
    pub arithmetic: Vec<String>,
}

impl From<NoPlatforms> for Failure {
    fn from(error: NoPlatforms) -> Self {
        Failure::from_error(FailureClass::User, "plan.no_platforms", &error)
            .with_advice("ask for other platforms, or change 'platforms' in container.yaml")
    }
}

/// See [`super::container_yaml::ContainerYaml::select`].
pub fn select(
    asked: &[Platform],
    site: &[Platform],
    limits: &PlatformLimits,
) -> Result<Selection, NoPlatforms> {
    let mut arithmetic = Vec::new();
    let mut left: Vec<Platform> = Vec::new();
    for platform in if asked.is_empty() { site } else { asked } {
        if !left.contains(platform) {
            left.push(platform.clone());
        }
    }
    if asked.is_empty() {
        arithmetic.push(format!("none asked for, so all of the site: {}", names(&left)));
    } else {
        arithmetic.push(format!("asked for: {}", names(&left)));
        if !site.is_empty() {
            left.retain(|platform| site.contains(platform));
            arithmetic.push(format!("the site has {}, which leaves {}", names(site), names(&left)));
        }
    }
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
    if left.is_empty() {
        Err(NoPlatforms { arithmetic })
    } else {
        Ok(Selection { platforms: left, arithmetic })
    }
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
mod tests {
    use super::*;

    fn platforms(text: &str) -> Vec<Platform> {
        text.split_whitespace().map(|name| name.parse().unwrap()).collect()
    }

    fn limits(only: &str, not: &str) -> PlatformLimits {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        PlatformLimits { only: list(only), not: list(not) }
    }

    #[test]
    fn only_intersects_and_not_subtracts() {
        // asked, site, only, not, left
        let cases = [
            ("", "x86_64 aarch64", "", "", "x86_64 aarch64"),
            ("aarch64 x86_64", "x86_64 aarch64 s390x", "", "", "aarch64 x86_64"),
            ("aarch64 aarch64", "", "", "", "aarch64"),
            ("x86_64 s390x", "x86_64 aarch64", "", "", "x86_64"),
            ("x86_64 spam bacon toast ppc64le", "", "", "spam bacon eggs toast", "x86_64 ppc64le"),
            ("x86_64 bacon toast", "", "x86_64 ppc64le", "toast", "x86_64"),
            ("", "x86_64 ppc64le", "ppc64le", "", "ppc64le"),
            ("", "x86_64 ppc64le", "", "spam", "x86_64 ppc64le"),
            ("", "x86_64 ppc64le", "x86_64 spam", "ppc64le", "x86_64"),
        ];
        for (asked, site, only, not, expected) in cases {
            let selection = select(&platforms(asked), &platforms(site), &limits(only, not)).unwrap();
            assert_eq!(selection.platforms, platforms(expected), "{asked}|{site}|{only}|{not}");
        }
    }

    #[test]
    fn nothing_left_is_explained() {
        for (asked, site, only, not) in [
            ("", "", "", ""),
            ("s390x", "x86_64", "", ""),
            ("", "x86_64 ppc64le", "x86_64", "x86_64"),
            ("", "x86_64", "spam", ""),
        ] {
            let error = select(&platforms(asked), &platforms(site), &limits(only, not)).unwrap_err();
            assert!(error.to_string().contains("nothing"), "{error}");
        }
        let error =
            select(&platforms("x86_64 s390x"), &platforms("x86_64 aarch64"), &limits("aarch64", "s390x"))
                .unwrap_err();
        let failure = Failure::from(error);
        assert_eq!(failure.code, "plan.no_platforms");
        assert_eq!(
            failure.message,
            "no platform is left to build on: asked for: x86_64, s390x; the site has x86_64, aarch64, which \
             leaves x86_64; container.yaml allows only aarch64, which leaves nothing; container.yaml excludes \
             s390x, which leaves nothing"
        );
    }
}
