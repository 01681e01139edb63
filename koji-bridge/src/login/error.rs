//! Why nobody is logged in, and what helps.

use std::path::PathBuf;

use crate::xmlrpc::Fault;

/// The code of faults that the hub did not foresee: its database is away, say.
const UNFORESEEN: i64 = 1;

/// A login that did not come about. See [`LoginError::is_permanent`].
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Another session of the same user holds the exclusive lock.
    #[error("the hub's user is locked by another session: {text}")]
    Locked {
        /// What the hub said.
        text: String,
    },
    /// The hub knows who asks and says no.
    #[error("the hub refuses the login ({how}): {fault}")]
    Refused {
        /// The kind of login. Example: `certificate`.
        how: &'static str,
        /// What the hub said.
        fault: Fault,
    },
    /// The web server in front of the hub says no.
    #[error("the hub's web server refuses the login ({how}): {reason}")]
    Unauthorized {
        /// The kind of login.
        how: &'static str,
        /// The status and the page's words.
        reason: String,
    },
    /// The hub asks for the certificate late, and the way around did not work.
    #[error("the hub asks for the client certificate only after the request: {reason}")]
    LateCertificate {
        /// What happened.
        reason: String,
    },
    /// The hub's certificate does not hold.
    #[error("{reason}")]
    HubCertificate {
        /// Why.
        reason: String,
    },
    /// The hub's web server does not take the client certificate.
    #[error("{reason}")]
    ClientCertificate {
        /// Why.
        reason: String,
    },
    /// The certificate's file cannot be used.
    #[error("the client certificate in {} cannot be used: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Kerberos says no.
    #[error("the Kerberos login failed: {reason}")]
    Gssapi {
        /// Why.
        reason: String,
    },
    /// The program was built without Kerberos.
    #[error("this koji-bridge was built without Kerberos")]
    Unsupported,
    /// TLS cannot be set up, or came to no agreement.
    #[error("connections to the hub cannot be set up: {reason}")]
    Setup {
        /// Why.
        reason: String,
    },
    /// The hub's answer is no session.
    #[error("the hub's answer to the login ({how}) is no session: {reason}")]
    Answer {
        /// The kind of login.
        how: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl LoginError {
    /// Whether it will fail again until somebody changes something here or at the
    /// hub. Files are swapped, KDCs and web servers restarted, and a hub without
    /// its database fails in ways of its own: that passes.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Refused { fault, .. } => fault.code != UNFORESEEN,
            Self::Locked { .. }
            | Self::Unauthorized { .. }
            | Self::LateCertificate { .. }
            | Self::Unsupported
            | Self::Answer { .. }
            // Whoever answers there is not the hub, as far as anybody can tell.
            | Self::HubCertificate { .. } => true,
            Self::ClientCertificate { .. }
            | Self::File { .. }
            | Self::Gssapi { .. }
            | Self::Setup { .. } => false,
        }
    }

    /// The failure's stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "koji.session_locked",
            Self::Refused { .. } => "koji.login_refused",
            Self::Unauthorized { .. } => "koji.login_unauthorized",
            Self::LateCertificate { .. } => "koji.login_late_certificate",
            Self::HubCertificate { .. } => "koji.hub_certificate",
            Self::ClientCertificate { .. } => "koji.client_certificate",
            Self::File { .. } => "koji.certificate_file",
            Self::Gssapi { .. } => "koji.login_gssapi",
            Self::Unsupported => "koji.login_unsupported",
            Self::Setup { .. } => "koji.connection_setup",
            Self::Answer { .. } => "koji.login_answer",
        }
    }

    /// What helps.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Locked { .. } => {
                "Another daemon runs under this user and has locked it, as builder hosts do. Give the bridge \
                 a user of its own."
            }
            Self::Refused { fault, .. } if fault.code == UNFORESEEN => {
                "The hub itself failed, and may work again soon; ask its administrators if it does not."
            }
            Self::Refused { fault, .. } => refused(fault.message()),
            Self::Unauthorized { .. } => {
                "See that the certificate or ticket is one that the hub's web server takes, and that the hub \
                 is asked by the right kind of login."
            }
            Self::LateCertificate { .. } => {
                "Let the hub's web server take TLS 1.2, or ask for certificates for the whole server \
                 (SSLVerifyClient optional outside of the Location), or log in by Kerberos; see that late \
                 certificates are not switched off here."
            }
            Self::HubCertificate { .. } => {
                "Name the authority of the hub's certificate as the hub's ca_file, and the hub by the name \
                 in its certificate."
            }
            Self::ClientCertificate { .. } => {
                "Use a certificate that has not expired, of an authority that the hub's web server trusts."
            }
            Self::File { .. } => "The file must hold a certificate and its unencrypted key in PEM form.",
            Self::Gssapi { .. } => {
                "See that the keytab or the ticket cache is there and fresh (klist), and that the hub's \
                 service principal is HTTP/ and the host in its address."
            }
            Self::Unsupported => "Build koji-bridge with the feature gssapi, or log in by certificate.",
            Self::Setup { .. } => {
                "See that the files of certificates can be read, and that the hub's web server speaks TLS 1.2 or \
                 1.3 with ciphers that are in use."
            }
            Self::Answer { .. } => "See that the address is that of a Koji hub.",
        }
    }
}

/// The few refusals whose text tells what to do.
fn refused(text: &str) -> &'static str {
    let says = |words: &str| text.contains(words);
    if says("could not verify client") {
        "The hub saw no client certificate: see that the address is the one for certificates."
    } else if says("not authorized to login other users") {
        "List the certificate's subject in the hub's ProxyDNs or the principal in its ProxyPrincipals, or \
         drop the proxy user."
    } else if says("logins by") {
        "The user is disabled in Koji; an administrator must enable it."
    } else if says("Unknown user") {
        "An administrator must create the user in Koji."
    } else if says("realm") {
        "List the principal's realm in the hub's AllowedKrbRealms."
    } else if says("invalid username or password") {
        "See that the user and the password are right."
    } else {
        "See what the hub says, and ask its administrators."
    }
}
