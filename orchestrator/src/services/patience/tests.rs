//! Waiting, against calls that fail as often as they are told to; nobody really
//! waits.

use std::sync::atomic::{AtomicUsize, Ordering};

use common::flow::{Policy, Stage, Step};
use serde::Serialize;

use super::*;
use crate::{plan::koji_fixture::Planning, services::Reach};

/// Asks once more than it fails.
#[derive(Serialize)]
struct Ask<'a> {
    #[serde(skip)]
    calls: &'a AtomicUsize,
    failures: usize,
    code: &'static str,
    class: FailureClass,
}

impl Step<PlanServices> for Ask<'_> {
    const NAME: &'static str = "ask";
    const STAGE: Stage = Stage::Prepare;
    type Output = ();

    fn policy(&self) -> Policy {
        let long = KojiPatience::STEP_LIMIT;
        Policy { attempts: 3, timeout: long, grace: long, ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<(), Failure> {
        patiently(cx, "ask", || async {
            if self.calls.fetch_add(1, Ordering::SeqCst) < self.failures {
                return Err(Failure::new(self.class, self.code, "it is down"));
            }
            Ok(())
        })
        .await
    }
}

#[tokio::test]
async fn a_hub_that_is_down_is_waited_for_and_other_trouble_for_less_long() {
    const HOUR: u64 = 3600;
    use FailureClass::{Infrastructure, Policy as Refusal};
    // code, class, failures, outcome, told, whether it takes an hour or more
    let rows = [
        ("koji.offline", Infrastructure, 130, Ok(()), true, true),
        ("koji.unreachable", Infrastructure, 130, Ok(()), true, true),
        ("koji.offline", Infrastructure, usize::MAX, Err("koji.gave_up_waiting"), true, true),
        ("koji.unavailable", Infrastructure, 1, Ok(()), false, false),
        ("koji.unavailable", Infrastructure, 10, Ok(()), true, false),
        ("koji.unavailable", Infrastructure, usize::MAX, Err("koji.gave_up_waiting"), true, false),
        ("koji.refused", Refusal, usize::MAX, Err("koji.refused"), false, false),
    ];
    for (code, class, failures, outcome, told, long) in rows {
        let case = format!("{code} {failures}");
        let planning = Planning::start().await;
        tokio::time::pause();
        let (began, calls) = (Instant::now(), AtomicUsize::new(0));
        let ended = planning.run(Ask { calls: &calls, failures, code, class }).await;
        let took = began.elapsed().as_secs();
        tokio::time::resume();
        assert_eq!(ended.as_ref().map_err(|failure| failure.code.as_str()).copied(), outcome, "{case}");
        assert_eq!(planning.warnings(), vec!["koji.waiting"; usize::from(told)], "{case}");
        assert_eq!(planning.said().contains("it is down"), told, "{case}");
        assert_eq!(took >= HOUR, long, "{case}: {took} s");
        if let Err(failure) = ended.as_ref()
            && failure.code != code
        {
            assert_eq!(failure.class, FailureClass::Timeout, "{case}: another attempt would wait again");
        }
    }
}

#[tokio::test]
async fn a_dry_run_asks_once() {
    let planning = Planning::start().await.reaching(Reach::Questions);
    let calls = AtomicUsize::new(0);
    let (failures, code, class) = (usize::MAX, "koji.refused", FailureClass::Policy);
    let step = Ask { calls: &calls, failures, code, class };
    assert_eq!(planning.run(step).await.unwrap_err().code, code);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let planning = planning.reaching(Reach::Questions);
    let (calls, class) = (AtomicUsize::new(0), FailureClass::Infrastructure);
    let step = Ask { calls: &calls, failures, code: "koji.offline", class };
    // Only the policy of this step asks for more than one attempt.
    assert_eq!(planning.run(step).await.unwrap_err().code, "koji.offline");
    assert_eq!((calls.load(Ordering::SeqCst), planning.warnings().len()), (3, 0));
}

#[tokio::test]
async fn a_wait_ends_with_its_build() {
    let planning = Planning::start().await;
    tokio::time::pause();
    let calls = AtomicUsize::new(0);
    let class = FailureClass::Infrastructure;
    let step = Ask { calls: &calls, failures: usize::MAX, code: "koji.offline", class };
    let began = Instant::now();
    let cancel = async {
        sleep(Duration::from_secs(600)).await;
        planning.cancel.cancel();
    };
    let (ended, ()) = tokio::join!(planning.run(step), cancel);
    assert_eq!(ended.unwrap_err().class, FailureClass::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(660), "the grace was waited for");
}
