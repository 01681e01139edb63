//! Git over ssh, against a real server: a key from a file, a host key that is
//! checked.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::{
    factory::{build, engine, until},
    repositories::Repository,
};

/// An ssh server on loopback that lets one key in.
struct SshServer {
    directory: TempDir,
    process: Child,
    port: u16,
}

impl SshServer {
    async fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = |name: &str| directory.path().join(name);
        for name in ["host", "key", "stranger"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(path(name))
                .status()?;
            ensure!(made.success(), "ssh-keygen");
        }
        fs::copy(path("key.pub"), path("authorized"))?;
        fs::set_permissions(path("authorized"), fs::Permissions::from_mode(0o600))?;
        // Where sshd's unprivileged half lives; the package makes it at boot only.
        fs::create_dir_all("/run/sshd")?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let option = |name: &str, value: &str| format!("{name}={value}");
        let process = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", "/dev/null", "-p", &port.to_string(), "-h"])
            .arg(path("host"))
            .args(["-o", "ListenAddress=127.0.0.1", "-o", "StrictModes=no", "-o", "PidFile=none"])
            .args(["-o", "PermitRootLogin=prohibit-password", "-o"])
            .arg(option("AuthorizedKeysFile", &path("authorized").display().to_string()))
            .stdin(Stdio::null())
            .stderr(fs::File::create(path("log"))?)
            .spawn()
            .context("sshd: install openssh-server")?;
        let server = Self { directory, process, port };
        until("the ssh server to listen", async || {
            Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok().map(drop))
        })
        .await?;
        Ok(server)
    }

    fn uri(&self, repository: &Path) -> Result<String> {
        let name = Command::new("id").arg("-un").output()?.stdout;
        let name = String::from_utf8(name)?;
        Ok(format!("ssh://{}@127.0.0.1:{}{}", name.trim(), self.port, repository.display()))
    }

    /// Site settings with a client key, and the host key of this server or
    /// another one.
    fn site(&self, key: &str, host_key: &str) -> Result<String> {
        let path = |name: &str| self.directory.path().join(name);
        let public = fs::read_to_string(path(&format!("{host_key}.pub")))?;
        let words: Vec<&str> = public.split_whitespace().take(2).collect();
        let known = path(&format!("known-{host_key}"));
        fs::write(&known, format!("[127.0.0.1]:{} {}\n", self.port, words.join(" ")))?;
        let (key, known) = (path(key).display().to_string(), known.display().to_string());
        Ok(format!("git:\n  ssh_key_file: {key}\n  ssh_known_hosts_file: {known}\n"))
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker engine and an ssh server"]
async fn a_repository_is_cloned_over_ssh_with_key_and_checked_host() -> Result<()> {
    let _engine = engine().await;
    let server = SshServer::start().await?;
    let directory = tempfile::tempdir()?;
    let repository = Repository::with(&[("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")])?;
    let uri = server.uri(repository.path())?;
    for (key, host_key, code) in [
        ("key", "host", None),
        ("stranger", "host", Some("source.unauthorized")),
        ("key", "stranger", Some("source.host_key")),
    ] {
        let site = server.site(key, host_key)?;
        let output = build(directory.path(), &site, &[&uri, "--platform", "x86_64", "--to", "oci:out"])?;
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        match code {
            None => ensure!(output.status.success(), "{text}"),
            Some(code) => ensure!(output.status.code() == Some(1) && text.contains(code), "{code}: {text}"),
        }
    }
    Ok(())
}
