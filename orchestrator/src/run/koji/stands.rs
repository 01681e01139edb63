//! What stays in Koji when a build fails or is cancelled after its import.
//!
//! Nobody takes an import back. Who reads why the build has no result has to read
//! as well that Koji has it, with which tag, and which tags of the image are
//! missing at which destination.

use common::{
    failure::{Failure, FailureClass},
    flow::{
        Flow,
        event::{BuildResult, KojiRecord},
    },
};

use super::{RecordBuild, TagBuild};
use crate::{
    plan::CheckDestinations,
    run::{Failures, NoteTags, PushTags, publish::destination_flows},
    services::BuildServices,
};

/// The outcome of a build, with what Koji has of it where it did not succeed. The
/// record tells, so that it is the same in every process. A record that cannot be
/// read is a later failure.
pub async fn as_it_stands(
    flow: &Flow<'_, BuildServices>,
    outcome: Result<BuildResult, Failures>,
) -> Result<BuildResult, Failures> {
    let mut failures = match outcome {
        Ok(result) => return Ok(result),
        Err(failures) => failures,
    };
    match in_koji(flow).await {
        Ok(Some((record, missing))) => {
            failures.primary = after_import(failures.primary, &record, &missing);
            failures.koji = Some(Box::new(record));
        }
        Ok(None) => {}
        Err(failure) => failures.later.push(failure),
    }
    Err(failures)
}

/// What Koji has of a build, and the destinations whose tags were not all set.
async fn in_koji(flow: &Flow<'_, BuildServices>) -> Result<Option<(KojiRecord, Vec<String>)>, Failure> {
    let Some(recorded) = flow.recorded::<RecordBuild<'_>>().await? else { return Ok(None) };
    let tag = flow.recorded::<TagBuild<'_>>().await?.and_then(|task| task.tag);
    let targets = flow.over(&flow.services().planning).recorded::<CheckDestinations<'_>>().await?;
    let targets = targets.unwrap_or_default();
    let mut missing = Vec::new();
    for (flow, target) in destination_flows(flow, &targets).iter().zip(&targets) {
        if flow.recorded::<PushTags<'_>>().await?.is_some() {
            continue;
        }
        let noted = flow.recorded::<NoteTags<'_>>().await?.unwrap_or_default();
        let tags: Vec<String> = noted.fixed.iter().map(ToString::to_string).collect();
        missing.push(match tags.as_slice() {
            [] => format!("{target} has none of its tags"),
            _ => format!("{target} may lack the tags {}", tags.join(", ")),
        });
    }
    Ok(Some((recorded.record(tag), missing)))
}

fn after_import(failure: Failure, record: &KojiRecord, missing: &[String]) -> Failure {
    let KojiRecord { build, nvr, tag, .. } = record;
    let tagged = tag.as_ref().map_or_else(|| "not tagged there".to_owned(), |tag| format!("tagged {tag}"));
    let stays = match failure.class {
        FailureClass::Cancelled => "cancelling came too late to take that back",
        _ => "which stays there",
    };
    let missing: String = missing.iter().map(|place| format!("; {place}")).collect();
    let message = format!(
        "{} (imported into Koji as build {build}, {nvr}, {tagged}; {stays}{missing})",
        failure.message
    );
    Failure { message, ..failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_after_the_import_says_what_stays() {
        let record = |tag: Option<&str>| KojiRecord {
            build: 7,
            nvr: "hello-1.0-3".parse().unwrap(),
            tag: tag.map(str::to_owned),
            web_url: None,
        };
        let failed = || Failure::new(FailureClass::Infrastructure, "registry.unauthorized", "no");
        let missing = vec!["docker://r/a may lack the tags 1.0-3".to_owned()];
        for (failure, tag, missing, expected) in [
            (
                Failure::cancelled("wrong branch"),
                Some("f44"),
                &[][..],
                "cancelled: wrong branch (imported into Koji as build 7, hello-1.0-3, tagged f44; \
                 cancelling came too late to take that back)",
            ),
            (
                failed(),
                None,
                missing.as_slice(),
                "no (imported into Koji as build 7, hello-1.0-3, not tagged there; which stays there; \
                 docker://r/a may lack the tags 1.0-3)",
            ),
        ] {
            let class = failure.class;
            let told = after_import(failure, &record(tag), missing);
            assert_eq!((told.message.as_str(), told.class), (expected, class));
        }
    }
}
