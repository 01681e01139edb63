//! What a member's image configuration says to those who run it.

use std::collections::BTreeMap;

use common::failure::{Failure, FailureClass};
use registry_client::Layout;
use serde::Deserialize;

use super::{BuiltMember, members::read};

/// The `config` object of an image configuration (OCI image specification).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ImageConfig {
    labels: Option<BTreeMap<String, String>>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    user: Option<String>,
    working_dir: Option<String>,
}

impl ImageConfig {
    /// Reads that of a member.
    ///
    /// # Errors
    /// It is not in the staging layout, or no configuration.
    pub(super) async fn of(member: &BuiltMember, staging: &Layout) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        struct Whole {
            config: Option<ImageConfig>,
        }
        let bytes = read(staging, &member.config).await?;
        let whole: Whole = serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("the configuration {} cannot be read: {error}", member.config.digest);
            Failure::new(FailureClass::Infrastructure, "member.unreadable_config", message)
                .on_platform(&member.platform)
        })?;
        Ok(whole.config.unwrap_or_default())
    }

    /// A label; `None` if the image does not have it.
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.labels.as_ref()?.get(name).map(String::as_str)
    }

    /// All labels.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().flatten().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What else is noticed by those who run the image, by name: `env PATH`,
    /// `entrypoint`, `cmd`, `user`, `working directory`.
    pub(super) fn behaviour(&self) -> BTreeMap<String, String> {
        let words = |words: &Option<Vec<String>>| {
            words.as_ref().filter(|words| !words.is_empty()).map(|words| format!("{words:?}"))
        };
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let others = [
            ("entrypoint", words(&self.entrypoint)),
            ("cmd", words(&self.cmd)),
            ("user", text(&self.user)),
            ("working directory", text(&self.working_dir)),
        ];
        let env = self.env.iter().flatten().map(|variable| match variable.split_once('=') {
            Some((name, value)) => (format!("env {name}"), value.to_owned()),
            None => (format!("env {variable}"), String::new()),
        });
        env.chain(others.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)))).collect()
    }
}
