//! Listening, before any work is done, so that a clash shows at once.

use std::{
    io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{Stream, stream};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Scheme, ServiceAddress, drain::Cuttable};

/// Owner and group may connect to a Unix socket.
const SOCKET_MODE: u32 = 0o660;
/// Pause after a failed accept: out of file descriptors is not over at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {reason}")]
pub struct ListenError {
    /// The address.
    pub address: ServiceAddress,
    /// Why, and what to do about it.
    pub reason: String,
    /// What the system said, if it was asked.
    #[source]
    pub source: Option<io::Error>,
}

/// A bound address that nobody is accepted on yet.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: ServiceAddress,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

impl Listener {
    /// Binds an address. A socket file that nobody listens on any more is
    /// replaced; nothing else is ever removed.
    ///
    /// # Errors
    /// The address is taken, not of this machine, or not permitted.
    pub async fn bind(address: &ServiceAddress) -> Result<Self, ListenError> {
        let fail = |source: io::Error| {
            let reason = match source.kind() {
                io::ErrorKind::AddrInUse => "it is in use by another process".to_owned(),
                io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
                io::ErrorKind::AddrNotAvailable => "no interface of this machine has this address".to_owned(),
                _ => source.to_string(),
            };
            ListenError { address: address.clone(), reason, source: Some(source) }
        };
        match address {
            ServiceAddress::Tcp { scheme, host, port } => {
                let socket = TcpListener::bind((host.as_str(), *port)).await.map_err(fail)?;
                let port = socket.local_addr().map_err(fail)?.port();
                let address = ServiceAddress::Tcp { scheme: *scheme, host: host.clone(), port };
                Ok(Self { socket: Socket::Tcp(socket), address })
            }
            ServiceAddress::Unix(path) => {
                clear_stale(path).await.map_err(fail)?;
                let socket = UnixListener::bind(path).map_err(fail)?;
                let permissions = std::fs::Permissions::from_mode(SOCKET_MODE);
                tokio::fs::set_permissions(path, permissions).await.map_err(fail)?;
                let file = SocketFile::of(path).map_err(fail)?;
                Ok(Self { socket: Socket::Unix(socket, file), address: address.clone() })
            }
        }
    }

    /// The address with the port that was really bound.
    pub fn local_address(&self) -> &ServiceAddress {
        &self.address
    }

    /// Whether the address asks for TLS.
    pub(super) fn wants_tls(&self) -> bool {
        matches!(self.address, ServiceAddress::Tcp { scheme: Scheme::Https, .. })
    }

    pub(super) fn into_incoming(self, cut: CancellationToken) -> Incoming {
        match self.socket {
            Socket::Tcp(socket) => Incoming::Tcp(socket, cut),
            Socket::Unix(socket, file) => Incoming::Unix(socket, file, cut),
        }
    }
}

/// Connections of a listener; each kind is a stream type of its own.
pub(super) enum Incoming {
    Tcp(TcpListener, CancellationToken),
    Unix(UnixListener, SocketFile, CancellationToken),
}

/// Connections over TCP, without Nagle's delay.
pub(super) fn tcp(
    socket: TcpListener,
    cut: CancellationToken,
) -> impl Stream<Item = io::Result<Cuttable<TcpStream>>> {
    stream::unfold((socket, cut), async |(socket, cut)| {
        let connection = loop {
            match socket.accept().await {
                Ok((connection, _)) => break connection,
                Err(error) => pause(&error).await,
            }
        };
        if let Err(error) = connection.set_nodelay(true) {
            warn!(%error, "cannot turn off Nagle's delay on a connection");
        }
        let connection = Cuttable::new(connection, cut.clone());
        Some((Ok(connection), (socket, cut)))
    })
}

/// Connections over a Unix socket; its file goes away with the stream.
pub(super) fn unix(
    socket: UnixListener,
    file: SocketFile,
    cut: CancellationToken,
) -> impl Stream<Item = io::Result<Cuttable<UnixStream>>> {
    stream::unfold((socket, file, cut), async |(socket, file, cut)| {
        let connection = loop {
            match socket.accept().await {
                Ok((connection, _)) => break connection,
                Err(error) => pause(&error).await,
            }
        };
        let connection = Cuttable::new(connection, cut.clone());
        Some((Ok(connection), (socket, file, cut)))
    })
}

async fn pause(error: &io::Error) {
    warn!(%error, "cannot accept a connection");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// Removes a socket file that nobody listens on.
async fn clear_stale(path: &Path) -> io::Result<()> {
    let kind = match tokio::fs::symlink_metadata(path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?.file_type(),
    };
    if !kind.is_socket() {
        return Err(io::Error::other("a file that is not a socket is in the way"));
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => tokio::fs::remove_file(path).await,
        Err(error) => Err(error),
    }
}

/// The file of a socket, removed with this value unless it is another's by then.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: Self::identity(path)? })
    }

    fn identity(path: &Path) -> io::Result<(u64, u64)> {
        std::fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if Self::identity(&self.path).is_ok_and(|identity| identity == self.identity)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

#[cfg(test)]
mod tests;
