//! Why mail could not be sent.

use std::{path::PathBuf, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    retry::Transient,
    secret::SecretFileError,
};
use lettre::transport::smtp;

/// Most characters of a server's words that are passed on.
const MAX_WORDS: usize = 500;

/// Mail could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The sender's address cannot be used.
    #[error("mail.from '{address}' is no mail address: {reason}")]
    Sender {
        /// The text that should be one.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The password cannot be read.
    #[error("cannot read the password for the mail server (mail.password_file)")]
    Password(#[source] SecretFileError),
    /// The certificate authority cannot be used.
    #[error("cannot use the certificate authority in {} (mail.ca_file): {reason}", .path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The letter cannot be written in the form of mail.
    #[error("the mail cannot be written: {0}")]
    Unwritable(String),
    /// The server cannot be reached, or broke off.
    #[error("cannot talk to the mail server {server}: {reason}")]
    Unreachable {
        /// The server. Example: `smtp.example.org:25`.
        server: String,
        /// Why not.
        reason: String,
    },
    /// The connection cannot be encrypted.
    #[error("the connection to the mail server {server} cannot be encrypted: {reason}")]
    Tls {
        /// The server.
        server: String,
        /// Why not.
        reason: String,
    },
    /// The server does not offer what the site asks for.
    #[error("the mail server {server} offers no STARTTLS, and the site sends no mail without it")]
    NoStarttls {
        /// The server.
        server: String,
    },
    /// The server does not let us in.
    #[error("the mail server {server} refuses the login of '{user}': {reply}")]
    Login {
        /// The server.
        server: String,
        /// The user.
        user: String,
        /// Its words.
        reply: String,
    },
    /// The server refuses the sender or the letter for good.
    #[error("the mail server {server} refuses {what}: {reply}")]
    Refused {
        /// The server.
        server: String,
        /// What it refuses. Example: `the sender`.
        what: &'static str,
        /// Its words.
        reply: String,
    },
    /// The server puts sender, letter or recipients off.
    #[error("the mail server {server} puts mail off: {reply}")]
    PutOff {
        /// The server.
        server: String,
        /// Its words.
        reply: String,
    },
    /// It took too long.
    #[error("the mail server {server} had not taken the mail after {} seconds", .limit.as_secs())]
    Deadline {
        /// The server.
        server: String,
        /// How long one try may take.
        limit: Duration,
    },
}

impl MailError {
    /// What an error of the protocol means at one place of it.
    pub(super) fn of(server: String, what: &'static str, error: smtp::Error) -> Self {
        let words = in_short(&error);
        if error.is_permanent() {
            Self::Refused { server, what, reply: words }
        } else if error.is_transient() {
            Self::PutOff { server, reply: words }
        } else if error.is_tls() {
            Self::Tls { server, reason: words }
        } else {
            Self::Unreachable { server, reason: words }
        }
    }

    pub(super) fn of_login(server: String, user: String, error: smtp::Error) -> Self {
        // Without a mechanism in common the error is of our side.
        if error.is_permanent() || error.is_client() {
            return Self::Login { server, user, reply: in_short(&error) };
        }
        Self::of(server, "the login", error)
    }
}

/// What a server says, or what went wrong, in one line of bounded length.
pub(super) fn in_short(error: &smtp::Error) -> String {
    let text: String = error.to_string().chars().take(MAX_WORDS).collect();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl Transient for MailError {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unreachable { .. } | Self::PutOff { .. } | Self::Deadline { .. } => Some(Duration::ZERO),
            Self::Sender { .. }
            | Self::Password(_)
            | Self::Authority { .. }
            | Self::Unwritable(_)
            | Self::Tls { .. }
            | Self::NoStarttls { .. }
            | Self::Login { .. }
            | Self::Refused { .. } => None,
        }
    }
}

impl From<MailError> for Failure {
    fn from(error: MailError) -> Self {
        use FailureClass::{Infrastructure, Internal, Policy, Timeout};

        let (class, code, advice) = match &error {
            MailError::Sender { .. } => {
                (Policy, "mail.invalid_sender", "correct mail.from in the site's configuration")
            }
            MailError::Password(_) => {
                (Policy, "mail.no_password", "put the password there, or correct mail.password_file")
            }
            MailError::Authority { .. } => {
                (Policy, "mail.invalid_authority", "put a PEM certificate there, or correct mail.ca_file")
            }
            MailError::Unwritable(_) => (Internal, "mail.unwritable", ""),
            MailError::Unreachable { .. } => (
                Infrastructure,
                "mail.unreachable",
                "look at mail.host, mail.port, mail.encryption and the server",
            ),
            MailError::Tls { .. } => {
                (Infrastructure, "mail.tls", "look at mail.encryption, mail.port and mail.ca_file")
            }
            MailError::NoStarttls { .. } => {
                (Policy, "mail.no_starttls", "use another mail.port or mail.encryption")
            }
            MailError::Login { .. } => {
                (Policy, "mail.login_refused", "correct mail.user and what is in mail.password_file")
            }
            MailError::Refused { .. } => {
                (Infrastructure, "mail.refused", "ask those who run the mail server, with its words")
            }
            MailError::PutOff { .. } => {
                (Infrastructure, "mail.put_off", "ask those who run the mail server, with its words")
            }
            MailError::Deadline { .. } => (Timeout, "mail.deadline", "look at the mail server"),
        };
        Failure::from_error(class, code, &error).with_advice(advice)
    }
}
