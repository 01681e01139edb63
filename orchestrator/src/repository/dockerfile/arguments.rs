//! The values that a build gives to a Dockerfile's variables.

use std::collections::BTreeMap;

use common::platform::Architecture;

/// Values for ARG instructions and the variables that the engine defines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    pub(super) build_args: BTreeMap<String, String>,
    pub(super) platform: BTreeMap<String, String>,
    pub(super) parent_env: BTreeMap<String, String>,
}

impl Arguments {
    /// With the build arguments of a request, for no platform in particular.
    pub fn new(build_args: &BTreeMap<String, String>) -> Self {
        Self { build_args: build_args.clone(), ..Self::default() }
    }

    /// The same for one platform: `TARGETPLATFORM`, `TARGETOS`, `TARGETARCH` and
    /// `TARGETVARIANT` (Dockerfile reference, "Automatic platform ARGs in the
    /// global scope"). The `BUILD…` ones say the same: every platform is built by
    /// a worker of its own, never across.
    #[must_use]
    pub fn for_platform(mut self, architecture: &Architecture) -> Self {
        let variant = architecture.variant.clone().unwrap_or_default();
        for side in ["TARGET", "BUILD"] {
            let values = [
                ("PLATFORM", architecture.engine_platform()),
                ("OS", "linux".to_owned()),
                ("ARCH", architecture.architecture.clone()),
                ("VARIANT", variant.clone()),
            ];
            self.platform.extend(values.map(|(name, value)| (format!("{side}{name}"), value)));
        }
        self
    }

    /// The same with the environment of the image under the final stage, where it
    /// is known. Labels may refer to it.
    #[must_use]
    pub fn with_parent_env(mut self, env: BTreeMap<String, String>) -> Self {
        self.parent_env = env;
        self
    }
}

/// The environment of an image from the entries of its configuration
/// (`config.Env`, `NAME=value`), and the entries that are no such thing.
pub fn read_environment(entries: &[String]) -> (BTreeMap<String, String>, Vec<&str>) {
    let mut environment = BTreeMap::new();
    let mut ignored = Vec::new();
    for entry in entries {
        match entry.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                environment.insert(name.to_owned(), value.to_owned());
            }
            _ => ignored.push(entry.as_str()),
        }
    }
    (environment, ignored)
}

#[cfg(test)]
mod tests {
    use super::{super::Dockerfile, *};

    #[test]
    fn labels_see_the_environment_of_the_parent() {
        // DFP-1.
        let entries = ["test_env=first", "test_env_first", "opts=--option=first --option=second", "=x"];
        let entries = entries.map(str::to_owned);
        let (environment, ignored) = read_environment(&entries);
        assert_eq!(ignored, ["test_env_first", "=x"]);
        let arguments = Arguments::default().with_parent_env(environment);
        let text = b"FROM a\nENV foo=bar\nLABEL foobar=\"foobar $test_env\" opts=$opts\n";
        let labels = Dockerfile::parse(text).unwrap().labels(&arguments).unwrap();
        assert_eq!(labels["foobar"], "foobar first");
        assert_eq!(labels["opts"], "--option=first --option=second");
    }
}
