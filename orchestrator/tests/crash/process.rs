//! One life of the orchestrator's process over a world: services of its own, the
//! workers that attach to it, and two ways to carry a build: step by step under
//! the eyes of a test, or by the real supervisor.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use common::{
    failure::FailureClass,
    flow::{
        Flow, Journal,
        event::{BuildResult, Event},
        state::{Command, History},
        step::JOURNAL_FAILED,
    },
    names::BuildId,
    service::Shutdown,
};
use orchestrator::{
    launch::Launcher,
    outside::{Http, Koji, Outside},
    plan,
    pool::{Pool, PoolSettings, TicketMaker},
    repository::GitAccess,
    run::{self, Failures, RecordPlan},
    services::{BuildServices, BuildStamp, LayoutRoot, Services},
    store::{
        MOST_EVENTS, Store, StoreError,
        logs::{LogError, LogLimits, LogStore},
    },
    supervisor::Supervisor,
};
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{world::World, world::work_directory};

/// How long a test waits for what should happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens store and logs. A program that another test starts at this moment has
/// this one's locks too, until it runs its own code.
async fn open(state: &Path) -> Result<(Store, LogStore)> {
    let store = loop {
        match Store::open(state).await {
            Err(StoreError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            opened => break opened?,
        }
    };
    loop {
        match LogStore::open(state, LogLimits::default()) {
            Err(LogError::Directory(StoreError::InUse { .. })) => {
                tokio::time::sleep(Duration::from_millis(5)).await
            }
            opened => return Ok((store, opened?)),
        }
    }
}

/// A process.
pub(crate) struct Process {
    pub(crate) services: Arc<Services>,
    pub(crate) shutdown: Shutdown,
    connections: JoinSet<()>,
}

/// How a build that was carried by hand ended.
pub(crate) struct Driven {
    pub(crate) outcome: Result<BuildResult, Failures>,
    /// What failed while finishing; `None` when it did not come to that.
    pub(crate) after: Option<Vec<common::failure::Failure>>,
}

impl Driven {
    /// Whether the journal failed, so that everything stopped at once.
    pub(crate) fn lost_its_journal(&self) -> bool {
        let failed = |failure: &common::failure::Failure| failure.code == JOURNAL_FAILED;
        self.outcome.as_ref().is_err_and(|failures| failed(&failures.primary))
            || self.after.iter().flatten().any(failed)
    }
}

impl Process {
    /// Starts a process; the world's workers attach to it.
    pub(crate) async fn start(world: &World) -> Result<Self> {
        let state = world.state();
        std::fs::create_dir_all(work_directory(&state))?;
        let shutdown = Shutdown::new();
        let pool = Pool::new(PoolSettings { reattach_window: world.reattach_window });
        let opened = timeout(PATIENCE, open(&state)).await;
        let (store, logs) = opened.context("the state directory stays locked")??;
        let services = Arc::new(Services {
            site: Arc::new(world.site()?),
            store,
            logs,
            pool: pool.clone(),
            launcher: Launcher::default(),
            outside: Outside {
                registries: world.client.clone(),
                git: GitAccess::default(),
                koji: world.koji_address().map(Koji::new),
                http: Http::new()?,
            },
            tickets: TicketMaker::open(&state.join("ticket.key"))?,
            work_directory: work_directory(&state),
            layout_root: LayoutRoot::Free(world.directory.path().to_owned()),
            shutdown: shutdown.token.clone(),
        });
        shutdown.tracker.spawn(pool.look_after(shutdown.token.clone()));
        let mut connections = JoinSet::new();
        for worker in &world.workers {
            let attachment = worker.attach(&services);
            connections.spawn(worker.clone().serve(attachment, services.clone()));
        }
        Ok(Self { services, shutdown, connections })
    }

    /// Accepts the world's request.
    pub(crate) async fn accept(&self, world: &World) -> Result<BuildId> {
        Ok(self.services.store.create(&world.request, None).await?.id)
    }

    /// The services of a build.
    pub(crate) async fn of_build(&self, build: &BuildId) -> Result<BuildServices> {
        let history = self.services.store.history(build).await?.context("no such build")?;
        let stamp = BuildStamp { build: build.clone(), created_at: history.created_at };
        Ok(BuildServices::new(self.services.clone(), stamp))
    }

    /// Plans, runs and finishes a build as the supervisor does, in a journal of
    /// the test's own.
    pub(crate) async fn drive(
        &self,
        world: &World,
        build: &BuildId,
        journal: &dyn Journal,
        token: &CancellationToken,
    ) -> Result<Driven> {
        let services = self.of_build(build).await?;
        let flow = Flow::new(&services, journal, token.clone());
        let outcome = match plan::decide(&flow.over(&services.planning), &world.request).await {
            Ok((draft, plan)) => match flow.run(RecordPlan::of(&draft)?).await {
                Ok(_) => Box::pin(run::run(&flow, &plan)).await,
                Err(failure) => Err(failure.into()),
            },
            Err(failures) => Err(failures),
        };
        if let Err(failures) = &outcome {
            let left =
                failures.primary.class == FailureClass::Cancelled && self.shutdown.token.is_cancelled();
            if failures.primary.code == JOURNAL_FAILED || left {
                return Ok(Driven { outcome, after: None });
            }
        }
        let finishing = Flow::new(&services, journal, CancellationToken::new());
        let after = Box::pin(run::finish(&finishing, &outcome)).await;
        Ok(Driven { outcome, after: Some(after) })
    }

    /// Claims the build and drives it until it ends or `killed` fires; `None`
    /// when that was first.
    pub(crate) async fn drive_until(
        &self,
        world: &World,
        build: &BuildId,
        journal: &dyn Journal,
        killed: &CancellationToken,
    ) -> Result<Option<Driven>> {
        self.services.store.command(build, Command::Claim).await?;
        let token = self.services.shutdown.child_token();
        let driven = Box::pin(self.drive(world, build, journal, &token));
        tokio::select! {
            biased;
            () = killed.cancelled() => Ok(None),
            driven = timeout(PATIENCE, driven) => driven.context("the build hangs")?.map(Some),
        }
    }

    /// Leaves the build to the real supervisor until it has ended.
    pub(crate) async fn supervise(&self, build: &BuildId) -> Result<History> {
        let supervisor = Supervisor::new(self.services.clone(), self.shutdown.clone());
        self.shutdown.tracker.spawn(async move {
            let _ended = supervisor.run().await;
        });
        let mut sequence = self.services.store.subscribe(build).await?;
        let ended = async { while sequence.changed().await.is_ok() {} };
        if timeout(PATIENCE, ended).await.is_err() {
            anyhow::bail!("the build has not ended: {:#?}", self.events(build).await?.last());
        }
        self.services.store.history(build).await?.context("no such build")
    }

    /// The build's history.
    pub(crate) async fn events(&self, build: &BuildId) -> Result<Vec<Event>> {
        Ok(self.services.store.events(build, 0, MOST_EVENTS).await?)
    }

    /// Waits until the workers were told that nobody needs their results.
    pub(crate) async fn check_workers_are_free(&self, world: &World) -> Result<()> {
        let free = async {
            while world.workers.iter().any(|worker| worker.held() > 0) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, free).await.context("a worker still holds an order")
    }

    /// The end, sudden or not: connections break, the store is closed.
    pub(crate) async fn end(mut self) -> Result<()> {
        self.shutdown.token.cancel();
        self.connections.shutdown().await;
        anyhow::ensure!(self.shutdown.wait(PATIENCE).await, "tasks are still running");
        self.services.logs.close().await;
        self.services.store.close().await;
        Ok(())
    }
}
