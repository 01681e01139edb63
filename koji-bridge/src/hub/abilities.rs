//! What this hub can do, found out by asking for the names of its methods once.

use std::{
    collections::BTreeSet,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::koji::KojiCapability;
use tokio::{sync::watch, time::timeout};

use super::{Hub, HubError};
use crate::xmlrpc::Arguments;

/// Longest wait for what the hub can do, before it is told to others.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known of a hub's abilities.
#[derive(Debug, Default)]
pub(super) struct Abilities {
    methods: OnceLock<BTreeSet<String>>,
    /// Whether the hub was asked for them, be it in vain.
    asked: watch::Sender<bool>,
    loses_keys: AtomicBool,
}

impl Abilities {
    /// Whether the hub has a method. One that is not known yet is assumed.
    pub(super) fn has(&self, method: &str) -> bool {
        self.methods.get().is_none_or(|methods| methods.contains(method))
    }

    /// Whether reservations can be told apart by what the bridge writes into them.
    pub(super) fn keeps_keys(&self) -> bool {
        !self.loses_keys.load(Ordering::Relaxed)
    }

    /// Notes that the hub takes reservations without such notes only.
    pub(super) fn note_that_keys_are_lost(&self) {
        self.loses_keys.store(true, Ordering::Relaxed);
    }
}

impl Hub {
    /// Asks something that only a hub in order answers: who the bridge is, or,
    /// where nobody logs in, the version of the interface. The first time it also
    /// asks what the hub can do.
    ///
    /// # Errors
    /// The hub does not answer, or does not know the bridge.
    pub async fn probe(&self) -> Result<(), HubError> {
        if self.is_anonymous() {
            let _: i64 = self.0.probe.read("getAPIVersion", Arguments::none()).await?;
        } else if self.0.probe.user().await?.is_none() {
            let reason = "the hub takes the bridge's session for nobody's";
            return Err(HubError::unexpected("getLoggedInUser", reason));
        }
        if self.0.abilities.methods.get().is_none() {
            self.find_methods().await?;
        }
        Ok(())
    }

    async fn find_methods(&self) -> Result<(), HubError> {
        let answer = self.0.probe.read::<BTreeSet<String>>("system.listMethods", Arguments::none());
        match answer.await.map_err(HubError::from) {
            Ok(methods) => {
                // Somebody else may have been faster, with the same answer.
                let _ = self.0.abilities.methods.set(methods);
                self.0.abilities.asked.send_replace(true);
                Ok(())
            }
            // A hub that does not tell is asked when it comes to it.
            Err(HubError::Call { call, .. }) if call.fault().is_some() => {
                tracing::info!(%call, "the hub does not tell what it can do");
                self.0.abilities.asked.send_replace(true);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// What can be asked of this bridge. Waits a little until it is known; what
    /// only newer hubs have is not promised before.
    pub async fn capabilities(&self) -> Vec<KojiCapability> {
        let known = self.is_anonymous() || {
            let mut asked = self.0.abilities.asked.subscribe();
            timeout(PATIENCE, asked.wait_for(|asked| *asked)).await.is_ok()
        };
        let needed = |capability| match capability {
            KojiCapability::ImageTasks => Some("buildImageOz"),
            KojiCapability::Reserve => Some("CGInitBuild"),
            KojiCapability::Import => Some("CGImport"),
            KojiCapability::Tag => Some("tagBuild"),
            KojiCapability::Upload => Some(""),
            _ => None,
        };
        let offers = |capability: &KojiCapability| match needed(*capability) {
            None => true,
            Some(_) if self.is_anonymous() => false,
            Some("") => true,
            Some(_) if *capability == KojiCapability::Reserve && !known => false,
            Some(method) => self.0.abilities.has(method),
        };
        KojiCapability::ALL.into_iter().filter(offers).collect()
    }
}
