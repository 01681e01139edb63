//! Whether there is a Koji to plan with.

use serde::{Deserialize, Serialize};

use super::{KojiBridge, KojiCapability};

/// Whether there is a Koji to plan with, and what it can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KojiReach {
    /// The site has none.
    NotConfigured,
    /// The site has one, and this planning asks nobody.
    NotAsked,
    /// It answers.
    Serving {
        /// What the bridge says of itself.
        bridge: KojiBridge,
    },
    /// The site has one that does not answer, or has no hub.
    Unavailable {
        /// Why.
        reason: String,
    },
}

impl KojiReach {
    /// Whether it answers and can do this.
    pub fn offers(&self, capability: KojiCapability) -> bool {
        matches!(self, Self::Serving { bridge } if bridge.capabilities.contains(&capability))
    }

    /// Why a step that needs this is left out: a stable code and a sentence.
    /// `None` when it need not be.
    pub fn lacks(&self, capability: KojiCapability) -> Option<(&'static str, String)> {
        match self {
            Self::NotConfigured => {
                Some(("no_koji", "the site has no Koji (koji.bridge is not set)".to_owned()))
            }
            Self::NotAsked => Some(("offline", "this plan asks nobody, so Koji was not asked".to_owned())),
            Self::Unavailable { reason } => {
                Some(("koji_unavailable", format!("Koji cannot be asked: {reason}")))
            }
            Self::Serving { bridge } if !bridge.capabilities.contains(&capability) => {
                let text = format!("koji-bridge {} does not offer {capability}", bridge.version);
                Some(("koji_not_offered", text))
            }
            Self::Serving { .. } => None,
        }
    }
}
