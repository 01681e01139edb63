//! What follows every work order, and what a killed worker left behind.

use common::{failure::Failure, work::WorkOutcome};

use crate::{
    engine::{
        DockerEngine, Endpoint, EngineError,
        images::CreatedImages,
        sweep::{BuildMarker, Proof},
    },
    scratch::Leftover,
};

/// Proves that no container of a build is left, and removes its images. With
/// `keep_cache` only the image itself goes; the steps before it are the cache.
pub(super) async fn clean_up(
    engine: Option<&DockerEngine>,
    marker: &BuildMarker,
    images: &CreatedImages,
    proof: Proof,
    keep_cache: bool,
) -> Result<(), EngineError> {
    // Without an engine nothing was begun.
    let Some(engine) = engine else { return Ok(()) };
    let swept = engine.sweep(marker, proof).await;
    if let Ok(removed @ 1..) = swept {
        tracing::info!(removed, "removed containers of a build that was cut off");
    }
    let ids = images.ids();
    let last = ids.len().saturating_sub(1);
    engine.remove_images(if keep_cache { &ids[last..] } else { &ids }, keep_cache).await;
    swept.map(|_| ())
}

/// The outcome of a work order whose containers could not be removed. A
/// finished image stays one; a failure says so.
pub(super) fn with_survivors(outcome: WorkOutcome, error: &EngineError) -> WorkOutcome {
    tracing::error!(%error, "the clean-up after a work order failed");
    match outcome {
        Ok(image) => Ok(image),
        Err(first) if matches!(error, EngineError::BuildSurvived { .. }) => {
            let mut failure = error.failure();
            failure.causes.insert(0, first.to_string());
            Err(failure)
        }
        Err(mut first) => {
            let Failure { message, .. } = error.failure();
            first.causes.push(format!("cleaning up: {message}"));
            Err(first)
        }
    }
}

/// Removes what workers that died were building. What cannot be removed now is
/// left for the next start.
pub(crate) async fn sweep_leftovers(endpoint: &Endpoint, leftovers: Vec<Leftover>) {
    for leftover in leftovers {
        if let Err(error) = sweep_leftover(endpoint, &leftover).await {
            tracing::warn!(%error, "cannot remove yet what an earlier worker was building");
            continue;
        }
        if let Err(error) = tokio::task::spawn_blocking(move || leftover.wipe()).await.unwrap_or(Ok(())) {
            tracing::warn!(%error, "cannot remove the scratch directory of an earlier worker");
        }
    }
}

async fn sweep_leftover(endpoint: &Endpoint, leftover: &Leftover) -> Result<(), EngineError> {
    if leftover.builds.is_empty() {
        return Ok(());
    }
    let engine = DockerEngine::connect(endpoint).await?;
    for (marker, images) in &leftover.builds {
        let removed = engine.sweep(marker, Proof::AfterCut).await?;
        tracing::info!(removed, images = images.len(), "swept a build that an earlier worker left");
        engine.remove_images(images, false).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn survivors_of_a_cancelled_build_are_the_failure() {
        let survived =
            EngineError::BuildSurvived { containers: vec!["c1".into()], waited: Duration::from_secs(10) };
        let failure = with_survivors(Err(Failure::cancelled("enough")), &survived).unwrap_err();
        assert_eq!(failure.code, "engine.build_survived");
        assert!(failure.message.contains("c1") && failure.causes[0].contains("enough"));
    }

    #[test]
    fn an_engine_that_is_gone_hides_no_earlier_failure() {
        let gone = EngineError::Silent { doing: "listing containers".into() };
        let failure = with_survivors(Err(Failure::cancelled("enough")), &gone).unwrap_err();
        assert_eq!(failure.code, "cancelled");
        assert!(failure.causes[0].contains("listing containers"));
    }
}
