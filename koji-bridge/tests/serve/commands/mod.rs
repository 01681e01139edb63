//! The commands as processes, in front of a hub.

mod changes;
mod check;
mod import;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use koji_bridge::{
    session::{HubSettings as SessionSettings, Login, Session},
    xmlrpc::{Arguments, Value as Xml},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::hub::{HubSettings, KojiHub};
use tokio::{process::Command, time::timeout};

use crate::support::{GENERATOR, PACKAGE, PASSWORD, USER};

/// A test that waits longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A hub on which everything is in order, and the settings of a bridge for it.
struct Bench {
    hub: KojiHub,
    directory: TempDir,
    settings: Value,
}

/// How a command ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Bench {
    async fn new() -> Self {
        Self::over(KojiHub::start_with(HubSettings::default()).await.unwrap())
    }

    fn over(hub: KojiHub) -> Self {
        hub.with_user(USER, PASSWORD).unwrap();
        hub.grant(USER, GENERATOR).unwrap();
        hub.add_tag("f44", "", &[]).unwrap();
        hub.add_tag("f44-build", "x86_64", &["f44"]).unwrap();
        hub.add_target("f44-candidate", "f44-build", "f44").unwrap();
        hub.add_package("f44", PACKAGE, USER).unwrap();
        let repository = hub.add_repository("f44-build").unwrap();
        let place = hub.top_directory().join(format!("repos/f44-build/{repository}/x86_64/repodata"));
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("repomd.xml"), "<repomd/>").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let password = secret(directory.path(), "password", PASSWORD);
        let settings = json!({
            "koji": {
                "hub_url": hub.url(), "files_url": hub.files_url(),
                "login": {"user": USER, "password_file": password},
                "patience": {
                    "retries": 1, "retry_interval_seconds": 0, "offline_limit_seconds": 1,
                    "task_poll_seconds": 1, "reservation_seconds": 0, "look_seconds": 0, "call_seconds": 20,
                },
            },
        });
        Self { hub, directory, settings }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn run(&self, line: &str) -> Ended {
        let config = self.path("config.yaml");
        fs::write(&config, self.settings.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_koji-bridge"));
        command.args(line.split_whitespace()).arg("--config").arg(config);
        command.stdin(Stdio::null()).kill_on_drop(true).current_dir(self.directory.path());
        let output = timeout(PATIENCE, command.output()).await.expect("an end in time").unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ended =
            Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
        assert!(!format!("{ended:?}").contains(PASSWORD), "the password is told: {ended:?}");
        ended
    }

    /// A session of the bridge's user.
    fn session(&self, user: &str, password: &str) -> Session {
        let login =
            Login::Password { user: user.to_owned(), password: common::secret::Secret::new(password) };
        Session::new(Arc::new(SessionSettings::new(self.hub.url().parse().unwrap(), login))).unwrap()
    }

    /// Reserves a build by hand: its number and its token.
    async fn reserve(&self, release: &str) -> (u64, String) {
        let parts = [("name", PACKAGE), ("version", "1.0"), ("release", release)];
        let data = Xml::Struct(parts.map(|(key, text)| (key.to_owned(), text.into())).into());
        let asked = Arguments::none().with(GENERATOR).with(data);
        let granted: Xml = self.session(USER, PASSWORD).write("CGInitBuild", asked).await.unwrap();
        let id = granted.get("build_id").and_then(Xml::as_i64).unwrap();
        (u64::try_from(id).unwrap(), granted.get("token").and_then(Xml::as_str).unwrap().to_owned())
    }

    fn build_state(&self, id: u64) -> u8 {
        self.hub.state(|state| state.builds[&id].state)
    }
}

/// A file that only its owner may read.
fn secret(directory: &Path, name: &str, content: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}
