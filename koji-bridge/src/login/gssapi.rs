//! Kerberos through the system's GSSAPI library. The library takes keytab and
//! ticket cache from the process's environment and from nowhere else; so the
//! settings are checked against it, not written to it.

use libgssapi::{
    context::{ClientCtx, CtxFlags},
    credential::{Cred, CredUsage},
    name::Name,
    oid::{GSS_MECH_KRB5, GSS_MECH_SPNEGO, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL, OidSet},
};

use super::{LoginError, negotiate::Negotiator};
use crate::session::Login;

/// The client's side of a Kerberos exchange. Credentials are taken at the first
/// step, because that may ask the KDC.
pub(super) struct Kerberos {
    service: String,
    principal: Option<String>,
    context: Option<ClientCtx>,
}

impl Kerberos {
    /// An exchange with the web server of a host.
    pub(super) fn new(host: &str, login: &Login) -> Result<Self, LoginError> {
        let Login::Gssapi { principal, keytab, cache, .. } = login else {
            return Err(LoginError::Unsupported);
        };
        for (name, wanted) in login.environment() {
            let given = if name == "KRB5CCNAME" { cache.is_some() } else { keytab.is_some() };
            if given && std::env::var_os(name).as_ref() != Some(&wanted) {
                let reason = format!(
                    "the process must be started with {name}={} for the login that the settings name",
                    wanted.to_string_lossy()
                );
                return Err(LoginError::Gssapi { reason });
            }
        }
        Ok(Self { service: format!("HTTP@{host}"), principal: principal.clone(), context: None })
    }

    fn begin(&self) -> Result<ClientCtx, libgssapi::error::Error> {
        let principal = self.principal.as_deref();
        let principal =
            principal.map(|name| Name::new(name.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL))).transpose()?;
        let mechanisms = OidSet::singleton(GSS_MECH_KRB5)?;
        let credentials = Cred::acquire(principal.as_ref(), None, CredUsage::Initiate, Some(&mechanisms))?;
        let service = Name::new(self.service.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE))?;
        let flags = CtxFlags::GSS_C_MUTUAL_FLAG | CtxFlags::GSS_C_SEQUENCE_FLAG;
        Ok(ClientCtx::new(Some(credentials), service, flags, Some(GSS_MECH_SPNEGO)))
    }
}

impl Negotiator for Kerberos {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Option<Vec<u8>>, String> {
        let mut context = match self.context.take() {
            Some(context) => context,
            None => self.begin().map_err(|error| error.to_string())?,
        };
        let next = context.step(token, None).map_err(|error| error.to_string())?;
        self.context = Some(context);
        Ok(next.map(|token| token.to_vec()))
    }
}
