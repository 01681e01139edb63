//! `koji-bridge refund`: a reservation is given back.

use common::{nvr::Nvr, secret::Secret, service::Shutdown};

use super::{CommandFailure, Exit, open, output::say};
use crate::{
    arguments::RefundArguments,
    hub::{BuildName, Hub, Refund},
};

pub(super) async fn run(arguments: &RefundArguments, shutdown: &Shutdown) -> Result<Exit, CommandFailure> {
    let token = arguments.token_file.as_deref().map(Secret::from_file).transpose()?;
    let hub = open(&arguments.common, shutdown)?;
    let ended = refund(&hub, arguments, token).await;
    hub.close().await;
    ended.map(|()| Exit::Ok)
}

async fn refund(hub: &Hub, arguments: &RefundArguments, token: Option<Secret>) -> Result<(), CommandFailure> {
    let name = match &arguments.build {
        BuildName::Number(id) => format!("build {id}"),
        BuildName::Nvr(nvr) => nvr.to_string(),
    };
    let refund = match (token, &arguments.key) {
        (Some(token), _) => {
            let id = match &arguments.build {
                BuildName::Number(id) => *id,
                name @ BuildName::Nvr(_) => hub.build(name).await?.build.id,
            };
            Refund::Build { id, token, cancelled: arguments.cancelled }
        }
        (None, Some(key)) => with_key(nvr(hub, &arguments.build).await?, key),
        (None, None) => Refund::Mine(arguments.build.clone()),
    };
    if hub.refund(refund).await? {
        say(&format!("{name}: the reservation is given back"));
    } else {
        say(&format!("{name}: there is no reservation to give back, or none any more"));
    }
    Ok(())
}

fn with_key(nvr: Nvr, key: &str) -> Refund {
    Refund::Key {
        name: nvr.name().to_owned(),
        version: nvr.version().to_owned(),
        release: Some(nvr.release().to_owned()),
        key: key.to_owned(),
    }
}

async fn nvr(hub: &Hub, build: &BuildName) -> Result<Nvr, CommandFailure> {
    Ok(match build {
        BuildName::Nvr(nvr) => nvr.clone(),
        name @ BuildName::Number(_) => hub.build(name).await?.build.nvr,
    })
}
