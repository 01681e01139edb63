//! Mail, by SMTP (RFC 5321) to the one server that the site names.
//!
//! A letter goes out once, to all of its recipients. Those that the server
//! refuses do not keep it from the others, and those that it puts off are tried
//! again alone. When a connection breaks before the server has said whether it
//! took a letter, the letter is sent again: its id tells the two apart from two
//! letters.

mod error;
mod letter;
#[cfg(test)]
mod tests;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    retry::{Patience, retry},
    secret::Secret,
};
use lettre::{
    Address,
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
    },
};

pub use self::{
    error::MailError,
    letter::{Attachment, Letter},
};
use crate::config::{self, MailEncryption};

/// Longest time of connecting.
const CONNECT: Duration = Duration::from_secs(20);
/// Longest time of one try, the connection included.
const DEADLINE: Duration = Duration::from_secs(60);
/// Four tries over about a quarter of a minute: the end of a build waits for it.
const PATIENCE: Patience =
    Patience { attempts: 4, first_wait: Duration::from_secs(2), longest_wait: Duration::from_secs(30) };

/// Reads a mail address: `NAME@DOMAIN`, in ASCII, without a display name.
///
/// # Errors
/// It is none; the text says why.
pub fn mail_address(text: &str) -> Result<Address, String> {
    if !text.is_ascii() {
        return Err("it has letters that mail servers need not take".to_owned());
    }
    text.parse::<Address>().map_err(|error| error.to_string().to_lowercase())
}

/// Sends mail for the site.
pub struct Mailer {
    host: String,
    port: u16,
    encryption: MailEncryption,
    tls: Option<TlsParameters>,
    login: Option<(String, Secret)>,
    from: Address,
    patience: Patience,
    deadline: Duration,
}

/// What became of a letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Those for whom the server took it.
    pub accepted: Vec<Address>,
    /// Those for whom it did not.
    pub refused: Vec<RefusedRecipient>,
}

/// A recipient for whom the server takes no mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRecipient {
    /// The address.
    pub address: Address,
    /// The server's words.
    pub reply: String,
}

/// What one try has come to.
#[derive(Debug, Default)]
struct Progress {
    pending: Vec<Address>,
    delivery: Delivery,
}

impl Mailer {
    /// The site's mail server; `None` where it names none. Reads the password.
    ///
    /// # Errors
    /// The sender is no address, or a file that is named cannot be read.
    pub fn of_site(settings: &config::Mail) -> Result<Option<Self>, MailError> {
        let Some(host) = &settings.host else { return Ok(None) };
        let text = settings.from.as_deref().unwrap_or_default();
        let from = mail_address(text)
            .map_err(|reason| MailError::Sender { address: text.escape_debug().to_string(), reason })?;
        let tls = match settings.encryption {
            MailEncryption::None => None,
            MailEncryption::Starttls | MailEncryption::Tls => Some(tls(host, settings)?),
        };
        let login = match (&settings.user, &settings.password_file) {
            (Some(user), Some(file)) => {
                Some((user.clone(), Secret::from_file(file).map_err(MailError::Password)?))
            }
            _ => None,
        };
        let usual = settings.encryption.usual_port();
        Ok(Some(Self {
            host: host.clone(),
            port: settings.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(usual),
            encryption: settings.encryption,
            tls,
            login,
            from,
            patience: PATIENCE,
            deadline: DEADLINE,
        }))
    }

    /// The same with other patience, and another deadline for one try.
    #[must_use]
    pub fn with_patience(self, patience: Patience, deadline: Duration) -> Self {
        Self { patience, deadline, ..self }
    }

    /// Address that mail comes from.
    pub fn from(&self) -> &Address {
        &self.from
    }

    /// Sends a letter to everybody for whom the server takes it. What can pass is
    /// tried again after a wait.
    ///
    /// # Errors
    /// Nobody got it: the server cannot be reached, does not let us in, or refuses
    /// the letter. Recipients that it refuses are no error.
    pub async fn send(&self, letter: &Letter) -> Result<Delivery, MailError> {
        let bytes = letter.encode(&self.from)?;
        let progress = Mutex::new(Progress { pending: letter.to.clone(), ..Progress::default() });
        let once = || async {
            let try_once = self.transaction(&bytes, &progress);
            let limit = self.deadline;
            let late = |_| MailError::Deadline { server: self.server(), limit };
            tokio::time::timeout(limit, try_once).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
        };
        let sent = retry(self.patience, "sending mail", once).await;
        let Progress { pending, mut delivery } =
            progress.into_inner().unwrap_or_else(PoisonError::into_inner);
        match sent {
            Err(error) if delivery == Delivery::default() => return Err(error),
            Err(error) => {
                let reply = error.to_string();
                let refused = |address| RefusedRecipient { address, reply: reply.clone() };
                delivery.refused.extend(pending.into_iter().map(refused));
            }
            Ok(()) => {}
        }
        Ok(delivery)
    }

    fn server(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// One connection, one letter.
    async fn transaction(&self, letter: &[u8], progress: &Mutex<Progress>) -> Result<(), MailError> {
        let pending = lock(progress).pending.clone();
        let failed = |during: &'static str| {
            let server = self.server();
            move |error| MailError::of(server, during, error)
        };
        let mut connection = self.connect().await?;
        connection.command(Mail::new(Some(self.from.clone()), vec![])).await.map_err(failed("the sender"))?;
        let mut taken = Vec::new();
        let mut put_off = None;
        for address in pending {
            match connection.command(Rcpt::new(address.clone(), vec![])).await {
                Ok(_) => taken.push(address),
                Err(error) if error.is_permanent() => {
                    let reply = error::in_short(&error);
                    let mut progress = lock(progress);
                    progress.pending.retain(|other| *other != address);
                    progress.delivery.refused.push(RefusedRecipient { address, reply });
                }
                Err(error) if error.is_transient() => put_off = Some(error::in_short(&error)),
                Err(error) => return Err(failed("the recipients")(error)),
            }
        }
        if !taken.is_empty() {
            connection.command(Data).await.map_err(failed("the letter"))?;
            connection.message(letter).await.map_err(failed("the letter"))?;
            let mut progress = lock(progress);
            progress.pending.retain(|address| !taken.contains(address));
            progress.delivery.accepted.extend(taken);
        }
        // The server has answered for the letter; how the goodbye goes is all the same.
        let _ = connection.quit().await;
        match put_off {
            Some(reply) => Err(MailError::PutOff { server: self.server(), reply }),
            None => Ok(()),
        }
    }

    /// A connection on which a letter may be sent.
    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let failed = |during: &'static str| {
            let server = self.server();
            move |error| MailError::of(server, during, error)
        };
        let hello = ClientId::default();
        let at_once = self.tls.clone().filter(|_| self.encryption == MailEncryption::Tls);
        let address = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, Some(CONNECT), &hello, at_once, None)
                .await
                .map_err(failed("the greeting"))?;
        if self.encryption == MailEncryption::Starttls
            && let Some(tls) = &self.tls
        {
            if !connection.can_starttls() {
                connection.abort().await;
                return Err(MailError::NoStarttls { server: self.server() });
            }
            connection.starttls(tls.clone(), &hello).await.map_err(failed("STARTTLS"))?;
        }
        if let Some((user, password)) = &self.login {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            let login = connection.auth(&mechanisms, &credentials).await;
            login.map_err(|error| MailError::of_login(self.server(), user.clone(), error))?;
        }
        Ok(connection)
    }
}

fn tls(host: &str, settings: &config::Mail) -> Result<TlsParameters, MailError> {
    common::service::install_crypto_provider();
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = &settings.ca_file {
        let unusable = |reason: String| MailError::Authority { path: path.clone(), reason };
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        // A file without any certificate would mean that none is added.
        if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
            return Err(unusable("it holds no certificate in PEM".to_owned()));
        }
        let authority = Certificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
        builder = builder.add_root_certificate(authority);
    }
    builder.build_rustls().map_err(|error| MailError::of(host.to_owned(), "TLS", error))
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}
