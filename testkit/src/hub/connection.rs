//! Connections of the hub's clients: plain or TLS, and any of them can be cut.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use crate::registry::wire::Scissors;

/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Most handshakes at a time.
const HANDSHAKES: usize = 256;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Peer {
    /// Common name of its certificate.
    pub(super) common_name: Option<String>,
    /// Subject of its certificate. Example: `CN=osbs,O=Koji Test`.
    pub(super) subject: Option<String>,
    /// Cuts the connection.
    pub(super) scissors: Scissors,
}

/// A listener whose connections may be TLS and can be cut.
pub(super) struct Wires {
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    handshakes: JoinSet<Option<(Wire, SocketAddr)>>,
    open: watch::Receiver<()>,
}

impl Wires {
    /// A listener whose connections all end when the sender of `open` is dropped.
    pub(super) fn new(
        listener: TcpListener,
        acceptor: Option<TlsAcceptor>,
        open: watch::Receiver<()>,
    ) -> Self {
        Self { listener, acceptor, handshakes: JoinSet::new(), open }
    }
}

/// One connection.
pub(super) struct Wire {
    stream: Stream,
    peer: Peer,
    /// Ends when the hub does; `None` from then on.
    end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Wire {
    fn new(stream: Stream, peer: Peer, mut open: watch::Receiver<()>) -> Self {
        let end = Box::pin(async move { while open.changed().await.is_ok() {} });
        Self { stream, peer, end: Some(end) }
    }

    /// Whether the hub is still there.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.end.as_mut().is_some_and(|end| end.as_mut().poll(context).is_pending()) {
            return self.peer.scissors.check();
        }
        self.end = None;
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Listener for Wires {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            let room = self.handshakes.len() < HANDSHAKES;
            tokio::select! {
                (stream, address) = Listener::accept(&mut self.listener), if room => {
                    let Some(acceptor) = self.acceptor.clone() else {
                        let stream = Stream::Plain(stream);
                        return (Wire::new(stream, Peer::default(), self.open.clone()), address);
                    };
                    let open = self.open.clone();
                    self.handshakes.spawn(async move {
                        let (stream, peer) = shake(acceptor, stream).await?;
                        Some((Wire::new(stream, peer, open), address))
                    });
                }
                Some(ready) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = ready {
                        return connection;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

async fn shake(acceptor: TlsAcceptor, stream: TcpStream) -> Option<(Stream, Peer)> {
    let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await.ok()?.ok()?;
    let mut peer = Peer::default();
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    if let Some((_, certificate)) = certificate.and_then(|der| X509Certificate::from_der(der).ok()) {
        let subject = certificate.subject();
        let name = subject.iter_common_name().next().and_then(|name| name.as_str().ok());
        peer.common_name = name.map(str::to_owned);
        peer.subject = Some(subject.to_string().replace(", ", ","));
    }
    Some((Stream::Tls(Box::new(stream)), peer))
}

impl Connected<IncomingStream<'_, Wires>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Wires>) -> Self {
        stream.io().peer.clone()
    }
}

/// Does something with whichever stream a wire has.
macro_rules! with_stream {
    ($wire:expr, $stream:ident => $do:expr) => {
        match &mut $wire.stream {
            Stream::Plain($stream) => {
                let $stream = Pin::new($stream);
                $do
            }
            Stream::Tls($stream) => {
                let $stream = Pin::new($stream.as_mut());
                $do
            }
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Err(error) = self.check(context) {
            return Poll::Ready(Err(error));
        }
        with_stream!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Err(error) = self.check(context) {
            return Poll::Ready(Err(error));
        }
        with_stream!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self, stream => stream.poll_shutdown(context))
    }
}

/// What TLS connections are accepted with.
pub(super) fn acceptor(configuration: rustls::ServerConfig) -> TlsAcceptor {
    TlsAcceptor::from(Arc::new(configuration))
}
