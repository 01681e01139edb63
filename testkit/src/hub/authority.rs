//! A certificate authority for tests: it signs the hub's certificate and those of
//! its users.

use std::{fs, io, path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

/// Organisation in all subjects.
const ORGANISATION: &str = "Koji Test";

/// What the server does about certificates of clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// It asks for one and takes connections without.
    #[default]
    Optional,
    /// It refuses connections without one.
    Demanded,
    /// It never asks in the handshake, as servers that ask for one address only. A
    /// login is answered with 403 then.
    AskedLate,
}

/// A certificate authority for tests.
#[derive(Debug)]
pub struct Authority {
    certificate: String,
    key: KeyPair,
}

impl Authority {
    /// A new authority.
    ///
    /// # Errors
    /// A certificate could not be made.
    pub fn new() -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = authority_parameters().self_signed(&key).map_err(io::Error::other)?.pem();
        Ok(Self { certificate, key })
    }

    /// The authority that a directory keeps as `ca.pem` and `ca.key`; it is made if
    /// it is not there yet.
    ///
    /// # Errors
    /// The files cannot be read or written, or hold no key.
    pub fn in_directory(directory: &Path) -> io::Result<Self> {
        let (certificate, key) = (directory.join("ca.pem"), directory.join("ca.key"));
        if certificate.exists() {
            let key = KeyPair::from_pem(&fs::read_to_string(key)?).map_err(io::Error::other)?;
            return Ok(Self { certificate: fs::read_to_string(certificate)?, key });
        }
        fs::create_dir_all(directory)?;
        let new = Self::new()?;
        fs::write(key, new.key.serialize_pem())?;
        fs::write(certificate, &new.certificate)?;
        Ok(new)
    }

    /// Certificate of the authority, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Certificate and key for a client of this common name, PEM, in one text.
    ///
    /// # Errors
    /// The certificate could not be made.
    pub fn client(&self, name: &str) -> io::Result<String> {
        let (certificate, key) = self.sign(name, &[], ExtendedKeyUsagePurpose::ClientAuth)?;
        Ok(format!("{certificate}{key}"))
    }

    fn sign(
        &self,
        name: &str,
        hosts: &[&str],
        purpose: ExtendedKeyUsagePurpose,
    ) -> io::Result<(String, String)> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut parameters = CertificateParams::new(hosts).map_err(io::Error::other)?;
        name_subject(&mut parameters, name);
        parameters.extended_key_usages = vec![purpose];
        let issuer = Issuer::new(authority_parameters(), &self.key);
        let certificate = parameters.signed_by(&key, &issuer).map_err(io::Error::other)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// What the hub's side of TLS needs: a certificate for the loopback, and what
    /// it does about certificates of clients.
    pub(super) fn server(&self, clients: ClientCertificates) -> io::Result<ServerConfig> {
        let hosts = ["localhost", "127.0.0.1"];
        let (certificate, key) = self.sign("localhost", &hosts, ExtendedKeyUsagePurpose::ServerAuth)?;
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(io::Error::other)?];
        let key = PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes()).map_err(io::Error::other)?;
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = if clients == ClientCertificates::AskedLate {
            builder.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            let root = CertificateDer::from_pem_slice(self.certificate.as_bytes());
            roots.add(root.map_err(io::Error::other)?).map_err(io::Error::other)?;
            let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            if clients == ClientCertificates::Optional {
                verifier = verifier.allow_unauthenticated();
            }
            builder.with_client_cert_verifier(verifier.build().map_err(io::Error::other)?)
        };
        builder.with_single_cert(chain, PrivateKeyDer::Pkcs8(key)).map_err(io::Error::other)
    }
}

fn authority_parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    name_subject(&mut parameters, "Koji Test CA");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters
}

fn name_subject(parameters: &mut CertificateParams, name: &str) {
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.distinguished_name.push(DnType::OrganizationName, ORGANISATION);
}
