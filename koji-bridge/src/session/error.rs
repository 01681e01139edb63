//! How a call can end other than well. Every kind tells whether the hub may have
//! carried the call out, because that is what a caller must know before it goes
//! on.

use jiff::Timestamp;

use crate::{
    login::LoginError,
    xmlrpc::{Fault, WriteError},
};

/// Codes of faults, as Koji numbers its errors.
pub mod code {
    /// A file is being written by another request.
    pub const LOCK: i64 = 1001;
    /// Not logged in, or not entitled.
    pub const AUTH: i64 = 1002;
    /// Another session of the user holds the exclusive lock.
    pub const AUTH_LOCK: i64 = 1006;
    /// The session has expired and can be renewed.
    pub const AUTH_EXPIRED: i64 = 1007;
    /// The call's number is lower than one that was seen.
    pub const SEQUENCE: i64 = 1008;
    /// The call's number was seen: it has been carried out.
    pub const RETRY: i64 = 1009;
    /// The hub is offline.
    pub const OFFLINE: i64 = 1014;
}

/// A session cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The hub's address cannot be used. It is not repeated, because it may hold
    /// a password.
    #[error("the hub's address cannot be used: {reason}")]
    Address {
        /// Why.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("connections to the hub cannot be set up: {reason}")]
    Setup {
        /// Why.
        reason: String,
    },
}

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The same call will fail again.
    Permanent,
    /// Nothing was carried out; the same call may succeed later.
    Retryable,
    /// Nothing was carried out; the hub says that it is offline.
    Offline,
    /// The call was or may have been carried out: look before going on.
    Ambiguous,
}

/// A call that did not end well.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The hub refused it, and will again.
    #[error("the hub refused {method}: {fault}")]
    Refused {
        /// The method.
        method: &'static str,
        /// What the hub said.
        fault: Fault,
    },
    /// It was carried out, and its answer is lost.
    #[error("{method} was carried out, but its answer is lost")]
    Committed {
        /// The method.
        method: &'static str,
    },
    /// It may have been carried out.
    #[error("whether {method} was carried out is not known: {reason}")]
    Lost {
        /// The method.
        method: &'static str,
        /// What happened.
        reason: String,
    },
    /// The hub is offline for longer than the call may wait.
    #[error("{method} cannot be carried out, the hub is offline since {since}: {text}")]
    Offline {
        /// The method.
        method: &'static str,
        /// When the hub first said so.
        since: Timestamp,
        /// What it says.
        text: String,
    },
    /// The hub cannot be reached; nothing was carried out.
    #[error("{method} cannot be carried out, the hub cannot be reached: {reason}")]
    Unreachable {
        /// The method.
        method: &'static str,
        /// The last error.
        reason: String,
    },
    /// A query's answer is no XML-RPC.
    #[error("the answer to {method} cannot be read: {reason}")]
    Unreadable {
        /// The method.
        method: &'static str,
        /// Where and why.
        reason: String,
    },
    /// The answer has another form than it should have, or the hub does not take
    /// such requests at all.
    #[error("the answer to {method} is not as expected: {reason}")]
    Unexpected {
        /// The method.
        method: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A part of a file did not arrive whole, however often it was sent.
    #[error("what {method} sends does not arrive whole: {reason}")]
    Damaged {
        /// The method.
        method: &'static str,
        /// What arrived in its place.
        reason: String,
    },
    /// The arguments cannot be written down; nothing was sent.
    #[error("the arguments of {method} cannot be sent: {source}")]
    Unsendable {
        /// The method.
        method: &'static str,
        /// Why.
        source: WriteError,
    },
    /// Nobody is logged in.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The session was closed; nothing was carried out.
    #[error("the session with the hub was closed")]
    Cancelled,
}

impl CallError {
    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { fault, .. } if matches!(fault.code, code::LOCK | code::AUTH_EXPIRED) => {
                ErrorKind::Retryable
            }
            Self::Refused { .. }
            | Self::Unreadable { .. }
            | Self::Unexpected { .. }
            | Self::Unsendable { .. } => ErrorKind::Permanent,
            Self::Login(error) if error.is_permanent() => ErrorKind::Permanent,
            Self::Unreachable { .. } | Self::Damaged { .. } | Self::Login(_) | Self::Cancelled => {
                ErrorKind::Retryable
            }
            Self::Offline { .. } => ErrorKind::Offline,
            Self::Committed { .. } | Self::Lost { .. } => ErrorKind::Ambiguous,
        }
    }

    /// The failure's stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "koji.call_refused",
            Self::Committed { .. } => "koji.answer_lost",
            Self::Lost { .. } => "koji.call_lost",
            Self::Offline { .. } => "koji.hub_offline",
            Self::Unreachable { .. } => "koji.hub_unreachable",
            Self::Unreadable { .. } => "koji.answer_unreadable",
            Self::Unexpected { .. } => "koji.answer_unexpected",
            Self::Damaged { .. } => "koji.upload_damaged",
            Self::Unsendable { .. } => "koji.call_unsendable",
            Self::Login(error) => error.code(),
            Self::Cancelled => "koji.session_closed",
        }
    }

    /// What helps.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Refused { fault, .. } if fault.code == code::AUTH && fault.says("Invalid session") => {
                "The hub does not know a session that it has just given: the bridge may reach it from changing \
                 addresses (CheckClientIP of the hub), or the hub's servers do not share their database."
            }
            Self::Refused { .. } => {
                "The hub's words say what it wants; ask its administrators if they do not."
            }
            Self::Committed { .. } | Self::Lost { .. } => {
                "Look at the hub for what the call should have made, before anything is done again."
            }
            Self::Offline { .. } => "Wait until the hub's administrators have brought it back.",
            Self::Unreachable { .. } => {
                "See that the hub's address is right and that it can be reached from here."
            }
            Self::Unreadable { .. } => {
                "Something that the hub stores has a character that XML cannot carry, or a server in between \
                 answers in its place. Ask the hub's administrators."
            }
            Self::Unexpected { .. } => {
                "See that the address is that of a Koji hub, in its final form, and that the hub is of a \
                 version that is supported."
            }
            Self::Damaged { .. } => {
                "Something between the bridge and the hub's volume changes or loses bytes, or the volume is \
                 full: ask the hub's administrators, and repeat the request."
            }
            Self::Unsendable { .. } => "Take the character that XML cannot carry out of the input.",
            Self::Login(error) => error.advice(),
            Self::Cancelled => "The bridge is being shut down; ask again when it is back.",
        }
    }

    /// The fault with which the hub refused the call.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Refused { fault, .. } => Some(fault),
            _ => None,
        }
    }
}
