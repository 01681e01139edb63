//! The service itself: its address, its state, builds and workers.

use std::path::{Path, PathBuf};

use common::{
    platform::Platform,
    request::FailurePolicy,
    service::{Scheme, ServiceAddress},
};

use crate::config::{Period, Size, layers::section};

section! {
    /// The gRPC service.
    Service (ServicePatch)
    settings {
        /// Address to listen on: HOST:PORT or unix:PATH; https://HOST:PORT insists on TLS.
        listen: ServiceAddress = default_address(),
        /// Serve gRPC reflection, which grpcurl needs.
        reflection: bool = true,
        /// How long open calls and running steps may take to end after SIGTERM.
        shutdown_grace: Period = Period::from_secs(30),
        /// File with the token that workers must show. Without it any worker may attach.
        worker_token_file: Option<PathBuf> = None,
        /// File with the token that clients must show. Without it anybody who reaches the address may submit builds.
        client_token_file: Option<PathBuf> = None,
    }
    sections {
        /// TLS of the service; both files or neither.
        tls: Tls,
    }
}

section! {
    /// TLS of the service; both files or neither.
    Tls (TlsPatch)
    settings {
        /// PEM file with the certificate and its chain.
        certificate_file: Option<PathBuf> = None,
        /// PEM file with the private key.
        key_file: Option<PathBuf> = None,
    }
    sections {}
}

section! {
    /// What survives a restart.
    State (StatePatch)
    settings {
        /// Directory of the journal, logs and blobs. Without it `serve` uses /var/lib/reactor as root, else reactor in the user's state directory; `build` uses a temporary one.
        directory: Option<PathBuf> = None,
    }
    sections {}
}

section! {
    /// Bounds and rules of builds.
    Builds (BuildsPatch)
    settings {
        /// Builds that run at a time; more wait in the queue.
        max_running: u32 = 8,
        /// Memory of each build container. Without it there is no limit.
        memory: Option<Size> = None,
        /// Wall-clock time of one platform's build on its worker.
        time: Period = Period::from_secs(4 * 3600),
        /// What a failed platform does to the others: finish_others or stop_others.
        failure_policy: FailurePolicy = FailurePolicy::FinishOthers,
        /// How often one platform is tried when machines fail, the first time included.
        attempts: u32 = 2,
        /// Longest wait of a platform for a free worker.
        queue_deadline: Period = Period::from_secs(3600),
        /// Largest build context.
        max_context: Size = Size::from_bytes(4 << 30),
        /// Most bytes that the images of one build may have, all platforms together.
        max_image: Size = Size::from_bytes(64 << 30),
        /// Largest log of one build; text beyond it is dropped, and the log says so.
        log_limit: Size = Size::from_bytes(1 << 30),
    }
    sections {}
}

section! {
    /// Workers and their connections.
    Workers (WorkersPatch)
    settings {
        /// How often a worker says that it is alive.
        heartbeat_interval: Period = Period::from_secs(5),
        /// Silence after which a worker's connection counts as lost.
        heartbeat_timeout: Period = Period::from_secs(15),
        /// How long a lost worker may come back and keep its work.
        reattach_window: Period = Period::from_secs(30),
        /// Log text of one work order that may be under way unacknowledged.
        log_window: Size = Size::from_bytes(1 << 20),
    }
    sections {
        /// Workers that the orchestrator starts on its own host.
        local: LocalWorkers,
    }
}

section! {
    /// Workers that the orchestrator starts on its own host.
    LocalWorkers (LocalWorkersPatch)
    settings {
        /// Platforms to start a local worker for. `build` starts one for every platform it needs.
        platforms: Vec<Platform> = Vec::new(),
        /// Work orders that each local worker takes at a time.
        slots: u32 = 1,
        /// The worker's program. Without it: `worker` beside the orchestrator's own program, then on PATH.
        program: Option<PathBuf> = None,
        /// Address of the engine that they build with (unix:///PATH or http://HOST:PORT). Without it the worker's own default.
        engine: Option<String> = None,
        /// File with logins for pulling parent images, a config.json as Docker writes it.
        registry_config: Option<PathBuf> = None,
    }
    sections {}
}

fn default_address() -> ServiceAddress {
    ServiceAddress::Tcp { scheme: Scheme::Unsaid, host: "127.0.0.1".to_owned(), port: 7070 }
}

impl Tls {
    /// Certificate and key, if TLS is on.
    pub fn files(&self) -> Option<(&Path, &Path)> {
        self.certificate_file.as_deref().zip(self.key_file.as_deref())
    }
}
