//! Faults by order: what goes wrong, at which call, how often.

use std::time::{Duration, Instant};

use koji_bridge::xmlrpc::Call;
use serde::Deserialize;

use super::methods;

/// What happens instead of the right answer, or besides it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// The call is carried out and stored, its answer is lost.
    DropAnswer,
    /// The call is carried out and not stored, its answer is lost.
    DropBeforeCommit,
    /// The connection is cut at once; the call is carried out and stored so many
    /// milliseconds later. Further calls of the session wait for it.
    Outlive(u64),
    /// The answer is this HTTP status and nothing is carried out.
    Status(u16),
    /// The answer is a proxy's 502 with a page of HTML and nothing is carried out.
    BadGateway,
    /// The answer comes so many milliseconds later.
    Delay(u64),
    /// The connection is cut when so many bytes of an upload have been written.
    CutUpload(u64),
    /// The answer to an upload has a wrong checksum.
    WrongChecksum,
    /// The answer has an escape character, which no reader of XML takes.
    PoisonedAnswer,
    /// This fault is the answer and nothing is carried out.
    Raise(i64, String),
    /// The hub says that it is offline, fault 1014.
    Offline,
    /// The caller's session has expired just before.
    ExpireSession,
    /// Another session has taken the caller's exclusive lock by force just before.
    LoseLock,
    /// The process dies before the call is stored. Strikes calls that write only.
    DieBeforeCommit,
    /// The process dies when the call has been stored, before the answer. Strikes
    /// calls that write only.
    DieAfterCommit,
}

/// An order for a fault.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultOrder {
    /// The method that it strikes, `rawUpload` for uploads; `*` for every one.
    pub method: String,
    /// How many matching calls are spared first.
    #[serde(default)]
    pub skip: usize,
    /// How many calls it strikes.
    #[serde(default = "once")]
    pub times: usize,
    /// What happens.
    pub effect: Effect,
}

fn once() -> usize {
    1
}

/// What has been ordered and has not struck yet.
#[derive(Debug, Default)]
pub(super) struct Orders(Vec<FaultOrder>);

impl Orders {
    pub(super) fn add(&mut self, order: FaultOrder) {
        if order.times > 0 {
            self.0.push(order);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What strikes this call. Of several orders that match, the first one does.
    pub(super) fn strike(&mut self, call: &Call) -> Option<Effect> {
        let writes = methods::writes(call);
        let at = self.0.iter_mut().position(|order| {
            let deadly = matches!(order.effect, Effect::DieBeforeCommit | Effect::DieAfterCommit);
            if (order.method != "*" && order.method != call.method) || (deadly && !writes) {
                return false;
            }
            if order.skip > 0 {
                order.skip -= 1;
                return false;
            }
            true
        })?;
        let order = self.0.get_mut(at)?;
        order.times -= 1;
        let effect = order.effect.clone();
        if order.times == 0 {
            self.0.remove(at);
        }
        Some(effect)
    }
}

/// Whether the hub is offline.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Offline {
    #[default]
    No,
    UntilTold,
    Until(Instant),
}

impl Offline {
    /// Offline for so long, or until told.
    pub(super) fn after(time: Option<Duration>) -> Self {
        time.and_then(|time| Instant::now().checked_add(time)).map_or(Self::UntilTold, Self::Until)
    }

    pub(super) fn now(self) -> bool {
        match self {
            Self::No => false,
            Self::UntilTold => true,
            Self::Until(end) => Instant::now() < end,
        }
    }
}

#[cfg(test)]
mod tests {
    use koji_bridge::xmlrpc::Arguments;

    use super::*;

    #[test]
    fn an_order_spares_some_calls_and_strikes_the_next_ones() {
        let mut orders = Orders::default();
        orders.add(FaultOrder { method: "getTag".to_owned(), skip: 1, times: 2, effect: Effect::DropAnswer });
        let mut strike = |method: &str| orders.strike(&Call::new(method, Arguments::none())).is_some();
        let struck: Vec<bool> =
            ["getTag", "echo", "getTag", "getTag", "getTag"].into_iter().map(&mut strike).collect();
        assert_eq!(struck, [false, false, true, true, false]);
    }

    #[test]
    fn orders_are_read_from_json() {
        let order: FaultOrder =
            serde_json::from_str(r#"{"method": "CGImport", "times": 2, "effect": {"raise": [1000, "no"]}}"#)
                .unwrap();
        assert_eq!((order.skip, order.times), (0, 2));
        assert_eq!(order.effect, Effect::Raise(1000, "no".to_owned()));
        let order: FaultOrder = serde_json::from_str(r#"{"method": "*", "effect": "drop_answer"}"#).unwrap();
        assert_eq!(order.effect, Effect::DropAnswer);
    }
}
