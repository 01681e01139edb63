//! The parts of an orchestrator, each made from the site's settings.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use common::service::{MAX_MESSAGE_BYTES, Server, ServiceAddress, Shutdown, TlsFiles};
use proto::{
    DESCRIPTORS,
    v1::{
        build_service_server::BuildServiceServer, koji_bridge_service_server::KojiBridgeServiceServer,
        worker_service_server::WorkerServiceServer,
    },
};
use registry_client::{Client, HostSettings, RegistrySettings};
use tonic::service::Routes;

use super::{AppError, SERVICE_NAMES};
use crate::{
    api::{Access, BuildApi, ConnectionSettings, KojiRelay, WorkerApi},
    config::Site,
    launch::{Launcher, LocalWorkers},
    outside::{Http, HttpError, Koji, KojiPatience, Outside},
    pool::Pool,
    repository::GitAccess,
    services::{LayoutRoot, Services},
    supervisor::Supervisor,
};

/// The gRPC server. In the foreground its socket is private to the user and
/// reached by this process and its own workers alone: the site's certificates are
/// for those who come over the network.
pub(super) fn server(
    services: &Arc<Services>,
    supervisor: &Supervisor,
    access: Access,
    shutdown: &Shutdown,
    foreground: bool,
) -> Server {
    let site = &services.site;
    let connections = ConnectionSettings {
        heartbeat_interval: site.workers.heartbeat_interval.duration(),
        heartbeat_timeout: site.workers.heartbeat_timeout.duration(),
        log_window: site.workers.log_window.bytes(),
    };
    let builds = BuildApi::new(services.clone(), supervisor.clone(), access.clone(), shutdown.clone());
    let relay = KojiRelay::new(services.clone(), access.clone(), shutdown.clone());
    let workers = WorkerApi::new(services.clone(), access, shutdown.clone(), connections);
    let routes = Routes::default()
        .add_service(BuildServiceServer::new(builds).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(WorkerServiceServer::new(workers).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(KojiBridgeServiceServer::new(relay).max_decoding_message_size(MAX_MESSAGE_BYTES));
    let mut server = Server::new(routes, SERVICE_NAMES, DESCRIPTORS);
    server.reflection = site.service.reflection;
    server.grace = site.service.shutdown_grace.duration();
    server.tls = site.service.tls.files().filter(|_| !foreground).map(|(certificate, key)| TlsFiles {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        client_ca: None,
    });
    server
}

/// In the foreground every platform gets a local worker; a service starts them
/// for the platforms that the site names, and for no other.
pub(super) fn launcher(
    site: &Site,
    foreground: bool,
    address: &ServiceAddress,
    state_directory: &Path,
    pool: &Pool,
    shutdown: &Shutdown,
) -> Launcher {
    let local = &site.workers.local;
    if !foreground && local.platforms.is_empty() {
        return Launcher::default();
    }
    let settings = LocalWorkers {
        program: local.program.clone().unwrap_or_else(worker_program),
        slots: local.slots,
        orchestrator: address.to_string(),
        token_file: site.service.worker_token_file.clone(),
        directory: state_directory.join("workers"),
        engine: local.engine.clone(),
        registry_config: local.registry_config.clone(),
        platforms: (!foreground).then(|| local.platforms.iter().cloned().collect::<HashSet<_>>()),
    };
    Launcher::local(settings, pool.clone(), shutdown.clone())
}

/// `worker` beside this program, else by name on the search path.
fn worker_program() -> PathBuf {
    let name = "worker";
    std::env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.join(name)))
        .filter(|program| program.is_file())
        .unwrap_or_else(|| PathBuf::from(name))
}

/// Other systems, with the site's credentials.
pub fn outside(site: &Site) -> Result<Outside, HttpError> {
    let patience = KojiPatience::default().with_offline(site.koji.offline_deadline.duration());
    Ok(Outside {
        registries: registries(site),
        git: git_access(site),
        koji: site
            .koji
            .bridge()
            .map(|bridge| Koji::new(bridge).with_options(site.koji.tls.options()).with_patience(patience)),
        http: Http::new()?,
    })
}

fn registries(site: &Site) -> Client {
    let entry = |setting: &crate::config::RegistrySetting| {
        let settings = HostSettings {
            plain_http: setting.plain_http,
            ca_file: setting.ca_file.clone(),
            credentials_file: setting.credentials_file.clone(),
            ..HostSettings::default()
        };
        (setting.host.clone(), settings)
    };
    let hosts = site.registries.iter().map(entry).collect();
    Client::new(RegistrySettings { hosts, ..RegistrySettings::default() })
}

fn git_access(site: &Site) -> GitAccess {
    GitAccess {
        credentials_file: site.git.credentials_file.clone(),
        ssh_key_file: site.git.ssh_key_file.clone(),
        ssh_known_hosts_file: site.git.ssh_known_hosts_file.clone(),
        timeout: site.git.timeout.duration(),
        allow_local: site.git.allow_local,
    }
}

/// Where layouts are. A user of the command line may name any directory; from the
/// network only what is below the root can be named.
pub(super) fn layout_root(
    site: &Site,
    foreground: bool,
    state_directory: &Path,
) -> Result<LayoutRoot, AppError> {
    let absolute =
        |path: PathBuf| std::path::absolute(&path).map_err(|source| AppError::State { path, source });
    let root = site.publication.layout_root.clone();
    if foreground {
        return Ok(LayoutRoot::Free(absolute(root.unwrap_or_else(|| PathBuf::from(".")))?));
    }
    let root = absolute(root.unwrap_or_else(|| state_directory.join("layouts")))?;
    Ok(LayoutRoot::Fence(make_directory(root)?))
}

pub(super) fn make_directory(path: PathBuf) -> Result<PathBuf, AppError> {
    match std::fs::create_dir_all(&path) {
        Ok(()) => Ok(path),
        Err(source) => Err(AppError::State { path, source }),
    }
}
