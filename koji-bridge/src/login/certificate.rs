//! The client certificate: read anew for every login, because sites renew them
//! under a running service, and brought into the forms that the two TLS libraries
//! want.

use std::path::Path;

use openssl::{
    asn1::Asn1Time,
    pkey::{PKey, Private},
    x509::X509,
};
use reqwest::Identity;

use super::LoginError;
use crate::transport::TlsLibrary;

/// Largest file that is read: a chain has a few KiB.
const LARGEST: u64 = 1 << 20;

/// A certificate with its chain and its key.
pub(super) struct ClientCertificate {
    /// PEM, the user's own certificate first.
    chain: Vec<u8>,
    /// PKCS #8 in PEM, whatever the file had.
    key: Vec<u8>,
}

impl ClientCertificate {
    /// Reads a file with a certificate and its key.
    pub(super) async fn read(path: &Path) -> Result<Self, LoginError> {
        let fail = |reason: String| LoginError::File { path: path.to_owned(), reason };
        let about = tokio::fs::metadata(path).await.map_err(|error| fail(error.to_string()))?;
        if about.len() > LARGEST {
            return Err(fail("it is larger than 1 MiB".to_owned()));
        }
        let pem = tokio::fs::read(path).await.map_err(|error| fail(error.to_string()))?;
        Self::parse(&pem).map_err(fail)
    }

    fn parse(pem: &[u8]) -> Result<Self, String> {
        let certificates = X509::stack_from_pem(pem).unwrap_or_default();
        let Some(own) = certificates.first() else {
            return Err("there is no certificate in PEM form".to_owned());
        };
        let key = key(pem)?;
        let same = own.public_key().is_ok_and(|public| public.public_eq(&key));
        if !same {
            return Err("the key does not belong to the first certificate".to_owned());
        }
        if Asn1Time::days_from_now(0).is_ok_and(|now| own.not_after() < now) {
            return Err(format!("the certificate expired on {}", own.not_after()));
        }
        let mut chain = Vec::new();
        for certificate in &certificates {
            chain.extend(certificate.to_pem().map_err(|error| error.to_string())?);
        }
        let key = key.private_key_to_pem_pkcs8().map_err(|error| error.to_string())?;
        Ok(Self { chain, key })
    }

    /// The certificate as a library wants it.
    pub(super) fn identity(&self, library: TlsLibrary) -> Result<Identity, LoginError> {
        let made = match library {
            TlsLibrary::Rustls => Identity::from_pem(&[&*self.chain, b"\n", &*self.key].concat()),
            TlsLibrary::OpenSsl12 => Identity::from_pkcs8_pem(&self.chain, &self.key),
        };
        made.map_err(|error| LoginError::Setup { reason: error.to_string() })
    }
}

/// The key of a file. Nobody is asked for a passphrase.
fn key(pem: &[u8]) -> Result<PKey<Private>, String> {
    let mut encrypted = false;
    let found = PKey::private_key_from_pem_callback(pem, |_| {
        encrypted = true;
        Ok(0)
    });
    found.map_err(|_| {
        let reason = if encrypted { "its key is encrypted" } else { "there is no key in PEM form" };
        reason.to_owned()
    })
}
