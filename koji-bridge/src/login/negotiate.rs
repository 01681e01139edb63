//! HTTP's Negotiate (RFC 4559) around a login: the web server asks for a token,
//! gets one, and may prove itself by a token of its own.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::StatusCode;

use super::{LoginError, LoginFailure};
use crate::transport::{HttpAnswer, HttpRequest, Transport, TransportError, authorization};

/// How often tokens go back and forth. Kerberos needs one round.
const MOST_ROUNDS: usize = 4;

/// Makes our tokens and checks the server's. Work that may block.
pub(crate) trait Negotiator: Send + 'static {
    /// Takes the server's token and makes the next of ours; `None` when the
    /// server has proven itself.
    fn step(&mut self, token: Option<&[u8]>) -> Result<Option<Vec<u8>>, String>;
}

/// Sends a request to a place that is guarded by Negotiate.
pub(crate) async fn post<N: Negotiator>(
    transport: &Transport,
    request: &HttpRequest,
    negotiator: N,
) -> Result<HttpAnswer, LoginFailure> {
    let gssapi = |reason: String| LoginFailure::Final(LoginError::Gssapi { reason });
    let mut request = request.clone();
    let mut negotiator = negotiator;
    for _ in 0..MOST_ROUNDS {
        let asked = match transport.post(&request).await {
            Ok(answer) => return checked(answer, negotiator).await,
            Err(TransportError::Status {
                status: StatusCode::UNAUTHORIZED,
                challenge: Some(challenge),
                ..
            }) => challenge,
            Err(error) => return Err(LoginFailure::Transport(error)),
        };
        let token = decoded(&asked).map_err(gssapi)?;
        if token.is_none() && request.headers.contains_key(reqwest::header::AUTHORIZATION) {
            return Err(gssapi("the hub's web server does not take the ticket".to_owned()));
        }
        let (next, again) = step(negotiator, token, request.timeout).await.map_err(gssapi)?;
        negotiator = again;
        let Some(next) = next else {
            return Err(gssapi("the hub's web server asks for more after the last token".to_owned()));
        };
        authorization(&mut request.headers, &STANDARD.encode(next)).map_err(LoginFailure::Transport)?;
    }
    Err(gssapi(format!("the hub's web server asked for more than {MOST_ROUNDS} tokens")))
}

/// An answer whose sender has proven itself, if it has sent a token. Not every
/// web server does, and TLS has proven already who it is.
async fn checked<N: Negotiator>(answer: HttpAnswer, negotiator: N) -> Result<HttpAnswer, LoginFailure> {
    let gssapi = |reason: String| LoginFailure::Final(LoginError::Gssapi { reason });
    let token = answer.challenge.as_deref().map(decoded).transpose().map_err(gssapi)?.flatten();
    if token.is_none() {
        tracing::debug!("the hub's web server sent no token of its own");
        return Ok(answer);
    }
    match step(negotiator, token, std::time::Duration::from_secs(60)).await.map_err(gssapi)? {
        (None, _) => Ok(answer),
        (Some(_), _) => Err(gssapi("the hub's web server did not finish its proof".to_owned())),
    }
}

fn decoded(token: &str) -> Result<Option<Vec<u8>>, String> {
    if token.is_empty() {
        return Ok(None);
    }
    let wrong = |_| "the hub's web server sent a token that is not base64".to_owned();
    STANDARD.decode(token).map(Some).map_err(wrong)
}

/// One step, away from the threads of the runtime, because it may ask a KDC.
async fn step<N: Negotiator>(
    mut negotiator: N,
    token: Option<Vec<u8>>,
    limit: std::time::Duration,
) -> Result<(Option<Vec<u8>>, N), String> {
    let work = tokio::task::spawn_blocking(move || {
        let next = negotiator.step(token.as_deref());
        (next, negotiator)
    });
    match tokio::time::timeout(limit, work).await {
        Ok(Ok((next, negotiator))) => Ok((next?, negotiator)),
        Ok(Err(_)) => Err("the Kerberos library failed".to_owned()),
        Err(_) => Err("there was no answer from the KDC in time".to_owned()),
    }
}

#[cfg(test)]
mod tests;
