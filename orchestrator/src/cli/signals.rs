//! Ctrl-C and SIGTERM as a stream, for commands that end in an orderly way.

use std::io;

use futures::{Stream, StreamExt as _, stream};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::exit::Exit;

/// Somebody wants the command to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signal {
    /// How a command ends that it stopped.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Terminated,
        }
    }
}

/// The signals that come from now on; they no longer end the process by
/// themselves.
///
/// # Errors
/// The system refuses to tell about signals.
pub(crate) fn listen() -> io::Result<impl Stream<Item = Signal> + Unpin> {
    let each = |kind, name| {
        io::Result::Ok(stream::unfold(signal(kind)?, move |mut signals| async move {
            signals.recv().await.map(|()| (name, signals))
        }))
    };
    let interrupts = each(SignalKind::interrupt(), Signal::Interrupt)?;
    let terminations = each(SignalKind::terminate(), Signal::Terminate)?;
    Ok(stream::select(interrupts.boxed(), terminations.boxed()))
}
