//! Other systems: git, Koji, composes, mail, OpenShift.

use std::path::PathBuf;

use common::service::{ClientIdentity, ConnectOptions, ServiceAddress};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::notices::{Ending, MailEncryption};
use crate::config::{Period, layers::section};

/// Where koji-bridge listens when nobody says.
const BRIDGE: &str = "unix:/run/reactor/koji-bridge.sock";

section! {
    /// Access to git repositories.
    Git (GitPatch)
    settings {
        /// File with one URL per line that holds user name and password (the format of git-credential-store).
        credentials_file: Option<PathBuf> = None,
        /// Private key for ssh remotes.
        ssh_key_file: Option<PathBuf> = None,
        /// Host keys that ssh remotes may have.
        ssh_known_hosts_file: Option<PathBuf> = None,
        /// Longest time of one clone.
        timeout: Period = Period::from_secs(600),
        /// Whether a request may name a repository on this host (a path or file:// address).
        allow_local: bool = true,
    }
    sections {}
}

section! {
    /// Koji, where builds are recorded.
    KojiSetting (KojiPatch)
    settings {
        /// Address of the hub's XML-RPC. Without it the site has no Koji. Only koji-bridge talks to the hub; here it is for links and records.
        hub_url: Option<String> = None,
        /// Address of the hub's files, for links and for artifacts of other builds.
        root_url: Option<String> = None,
        /// Address of koji-bridge: unix:PATH, HOST:PORT or https://HOST:PORT. Without it unix:/run/reactor/koji-bridge.sock, if there is a hub.
        bridge: Option<ServiceAddress> = None,
        /// What becomes of builds that Koji could not record: refuse or allow.
        unrecorded_builds: UnrecordedBuilds = UnrecordedBuilds::Refuse,
        /// Whether builds are reserved in Koji before they begin, where koji-bridge can do that.
        reserve: bool = true,
        /// What Koji keeps of an image: the whole image, or a note that says where it is published (image or reference).
        image_archive: ImageArchive = ImageArchive::Image,
        /// Longest wait for the task in Koji that tags a build.
        tag_deadline: Period = Period::from_secs(3600),
        /// What comes of a parent image that is no build of this Koji: warn or fail.
        missing_parent: ParentCheck = ParentCheck::Warn,
        /// What comes of a parent image that differs from the one that Koji recorded: warn or fail. An index in another order, with the same images, does not differ.
        parent_digest: ParentCheck = ParentCheck::Fail,
        /// Longest wait for a parent image's build to be complete in Koji; 0s does not wait.
        parent_deadline: Period = Period::from_secs(180),
        /// Longest wait of a build for a hub that is down, at most a week.
        offline_deadline: Period = Period::from_secs(86_400),
    }
    sections {
        /// TLS of the connection to koji-bridge, for a bridge at https://HOST:PORT.
        tls: KojiTls,
    }
}

section! {
    /// TLS of the connection to koji-bridge, for a bridge at https://HOST:PORT.
    KojiTls (KojiTlsPatch)
    settings {
        /// PEM file with the certificate authority that signed the bridge's certificate. Without it the system's authorities.
        ca_file: Option<PathBuf> = None,
        /// PEM file with the certificate that the orchestrator shows to a bridge that asks for one.
        certificate_file: Option<PathBuf> = None,
        /// PEM file with the private key of that certificate.
        key_file: Option<PathBuf> = None,
    }
    sections {}
}

section! {
    /// The compose service (ODCS), which makes package repositories for a build.
    Composes (ComposesPatch)
    settings {
        /// Address of ODCS. Without it the site has no composes.
        api_url: Option<String> = None,
        /// Whether the certificate of ODCS need not be valid.
        insecure: bool = false,
        /// Directory with the file `token` for OpenID Connect.
        token_directory: Option<PathBuf> = None,
        /// Directory with the client certificate and key in the file `cert`.
        certificate_directory: Option<PathBuf> = None,
        /// Which keys packages may be signed with, by name of the intent, most restrictive first.
        signing_intents: Vec<SigningIntent> = Vec::new(),
        /// The intent of builds that name none.
        default_signing_intent: Option<String> = None,
    }
    sections {}
}

section! {
    /// Mail about builds.
    Mail (MailPatch)
    settings {
        /// Mail server. Without it no mail is sent.
        host: Option<String> = None,
        /// Port of the mail server. Without it 25, with `starttls` 587, with `tls` 465.
        port: Option<u32> = None,
        /// How the connection to the mail server is protected: none, starttls or tls.
        encryption: MailEncryption = MailEncryption::None,
        /// PEM file with the certificate authority that signed the mail server's certificate.
        ca_file: Option<PathBuf> = None,
        /// Name to log in to the mail server with. Without it nobody logs in.
        user: Option<String> = None,
        /// File with the password of that name.
        password_file: Option<PathBuf> = None,
        /// Which endings of builds are told by mail: manual_success, manual_fail, manual_canceled, auto_success, auto_fail, auto_canceled.
        send_on: Vec<Ending> = Ending::FOR_PEOPLE.to_vec(),
        /// Address that mail comes from.
        from: Option<String> = None,
        /// Who is told when there is nobody else to tell.
        error_addresses: Vec<String> = Vec::new(),
        /// Who is told beside submitter and owner.
        additional_addresses: Vec<String> = Vec::new(),
        /// Domain of users without an address.
        domain: Option<String> = None,
        /// Tell who submitted the build.
        to_submitter: bool = false,
        /// Tell the package's owner.
        to_package_owner: bool = false,
    }
    sections {}
}

section! {
    /// OpenShift, for image streams.
    OpenShift (OpenShiftPatch)
    settings {
        /// Address of the cluster's API. Without it image streams are left alone.
        url: Option<String> = None,
        /// Whether the API's certificate need not be valid.
        insecure: bool = false,
        /// Project that holds the image streams.
        namespace: String = "default".to_owned(),
        /// File with the bearer token.
        token_file: Option<PathBuf> = None,
        /// Directory with the client certificate in the file `cert` and its key in the file `key`.
        certificate_directory: Option<PathBuf> = None,
    }
    sections {}
}

/// What becomes of builds that Koji could not record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnrecordedBuilds {
    /// They are refused.
    Refuse,
    /// They are made, and said to be unrecorded.
    Allow,
}

/// What Koji keeps of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageArchive {
    /// The whole image, as `docker load` takes it.
    Image,
    /// A note that says where the image is published.
    Reference,
}

/// What comes of a parent image that Koji does not vouch for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParentCheck {
    /// It is said.
    Warn,
    /// The build fails.
    Fail,
}

/// Which keys packages may be signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SigningIntent {
    /// Its name. Example: `release`.
    pub name: String,
    /// Identities of keys; none allows unsigned packages.
    pub keys: Vec<String>,
}

impl KojiSetting {
    /// Address of koji-bridge, if the site has Koji.
    pub fn bridge(&self) -> Option<ServiceAddress> {
        let default = || self.hub_url.as_ref().and_then(|_| BRIDGE.parse().ok());
        self.bridge.clone().or_else(default)
    }

    /// Address of the hub's files, without a slash at its end.
    pub fn root_url(&self) -> Option<&str> {
        self.root_url.as_deref().map(|url| url.trim_end_matches('/'))
    }
}

impl KojiTls {
    /// Whether anything is set.
    pub fn is_set(&self) -> bool {
        self.ca_file.is_some() || self.certificate_file.is_some() || self.key_file.is_some()
    }

    /// How to dial the bridge.
    pub fn options(&self) -> ConnectOptions {
        let files = self.certificate_file.clone().zip(self.key_file.clone());
        let identity = files.map(|(certificate, key)| ClientIdentity { certificate, key });
        ConnectOptions { ca_file: self.ca_file.clone(), identity, ..ConnectOptions::default() }
    }
}

impl Composes {
    /// The intent with this name, and how restrictive it is: 0 is the last one of
    /// the list, which is the least restrictive.
    pub fn intent(&self, name: &str) -> Option<(usize, &SigningIntent)> {
        self.signing_intents.iter().rev().enumerate().find(|(_, intent)| intent.name == name)
    }

    /// The most restrictive intent that allows all of `keys`; without keys, one
    /// that allows unsigned packages.
    pub fn intent_of_keys(&self, keys: &[&str]) -> Option<&SigningIntent> {
        let allows = |intent: &&SigningIntent| {
            let all = keys.iter().all(|key| intent.keys.iter().any(|known| known == key));
            if keys.is_empty() { intent.keys.is_empty() } else { all }
        };
        self.signing_intents.iter().find(allows)
    }
}
