//! The hub as a process of its own.

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    authority::{Authority, ClientCertificates},
    seed::Seed,
    server::KojiHub,
    settings::HubSettings,
};

/// A Koji hub for tests and demonstrations.
#[derive(Debug, Parser)]
#[command(name = "koji-hub-sim")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT.
    Serve(Serve),
}

#[derive(Debug, Args)]
struct Serve {
    /// Directory that keeps the state (`state.json`) and the files (`topdir`).
    #[arg(long)]
    directory: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Speak TLS. The directory gets `ca.pem`, and `USER.pem` with certificate and
    /// key for every user of the seed.
    #[arg(long)]
    tls_directory: Option<PathBuf>,
    /// What the server does about certificates of clients.
    #[arg(long, value_enum, default_value_t = Certificates::Optional)]
    client_certificates: Certificates,
    /// Users, tags, targets and so on, YAML or JSON.
    #[arg(long)]
    seed: Option<PathBuf>,
    /// Behave like a hub of before 1.31: sessions in the address, no version header.
    #[arg(long)]
    old: bool,
    /// Want a Negotiate header at logins; whoever sends one is this principal.
    #[arg(long)]
    gssapi_principal: Option<String>,
    /// Common name or principal that may log others in; may be repeated.
    #[arg(long = "proxy-user")]
    proxy_users: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Certificates {
    Optional,
    Demanded,
    AskedLate,
}

/// Runs what the arguments say.
///
/// # Errors
/// Something cannot be read, written or listened on.
pub async fn run(arguments: Arguments) -> io::Result<()> {
    let Command::Serve(serve) = arguments.command;
    let seed = serve.seed.as_deref().map(read_seed).transpose()?.unwrap_or_default();
    let authority = match &serve.tls_directory {
        None => None,
        Some(directory) => {
            let authority = Authority::in_directory(directory)?;
            for user in &seed.users {
                let file = directory.join(format!("{}.pem", user.name.replace('/', "-")));
                if !file.exists() {
                    fs::write(file, authority.client(&user.name)?)?;
                }
            }
            Some(authority)
        }
    };
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let hub = KojiHub::serve(&serve.directory, serve.listen, settings(&serve), authority).await?;
    hub.change(|state| seed.sow(state))?;
    writeln!(io::stdout(), "listening on {}", hub.url())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    hub.stop().await;
    Ok(())
}

fn settings(serve: &Serve) -> HubSettings {
    let mut settings = if serve.old { HubSettings::old() } else { HubSettings::default() };
    settings.client_certificates = match serve.client_certificates {
        Certificates::Optional => ClientCertificates::Optional,
        Certificates::Demanded => ClientCertificates::Demanded,
        Certificates::AskedLate => ClientCertificates::AskedLate,
    };
    settings.gssapi_principal.clone_from(&serve.gssapi_principal);
    settings.proxy_users.clone_from(&serve.proxy_users);
    settings
}

fn read_seed(file: &Path) -> io::Result<Seed> {
    let text = fs::read(file)?;
    common::yaml::read(&file.to_string_lossy(), &text).map_err(io::Error::other)
}
