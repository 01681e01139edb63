//! One request and its answer: address, authorization, redirects, deadlines,
//! bounded bodies, another try.

use std::{
    future::Future,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use common::{image::Host, retry::retry, secret::Secret, work::Descriptor};
use futures::StreamExt as _;
use reqwest::{
    Method, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION},
};
use url::Url;

use super::{
    Limits,
    answers::{answer_error, send_error, shown},
    auth::{Login, Scope, header},
    limits::Lanes,
    tls::HttpClients,
};
use crate::{BlobSource, HostSettings, RegistryError};

const MAX_REDIRECTS: usize = 5;

/// What a request carries. It can be sent more than once.
pub(crate) enum Body<'a> {
    Empty,
    Bytes(Bytes),
    /// A part of a blob.
    Blob {
        source: &'a BlobSource<'a>,
        blob: &'a Descriptor,
        range: Range<u64>,
    },
}

/// A request to a registry.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: Body<'a>,
    pub(crate) scope: &'a Scope,
}

impl<'a> Request<'a> {
    /// A request without headers and body.
    pub(crate) fn new(method: Method, url: Url, scope: &'a Scope) -> Self {
        Self { method, url, headers: Vec::new(), body: Body::Empty, scope }
    }

    /// The same request with a header.
    pub(crate) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same request with a body.
    pub(crate) fn carrying(mut self, body: Body<'a>) -> Self {
        self.body = body;
        self
    }
}

/// One registry, with everything that its repositories share.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) host: Host,
    pub(crate) settings: HostSettings,
    pub(crate) limits: Limits,
    pub(crate) lanes: Lanes,
    pub(crate) login: Login,
    clients: Arc<HttpClients>,
}

impl Access {
    pub(crate) fn new(host: Host, settings: HostSettings, limits: Limits, clients: Arc<HttpClients>) -> Self {
        let login = Login::new(host.clone(), settings.credentials_file.clone(), settings.plain_http);
        Self { host, settings, limits, lanes: Lanes::new(&limits), login, clients }
    }

    /// The address of something below `/v2/`.
    pub(crate) fn url(&self, path: &str) -> Result<Url, RegistryError> {
        let scheme = if self.settings.plain_http { "http" } else { "https" };
        let host = match self.host.as_str() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            other => other,
        };
        Url::parse(&format!("{scheme}://{host}/v2/{path}")).map_err(|error| RegistryError::Settings {
            host: self.host.to_string(),
            reason: format!("its name makes no address: {error}"),
        })
    }

    /// Sends a request without much content until it is answered with success or one of the statuses in `fine`.
    pub(crate) async fn ask(
        &self,
        what: &str,
        request: &Request<'_>,
        fine: &[u16],
    ) -> Result<Response, RegistryError> {
        patiently(&self.limits, what, || async {
            let _lane = self.lanes.requests.acquire().await;
            let response = self.send(request).await?;
            self.accept(&request.method, response, fine).await
        })
        .await
    }

    /// The answer, or the error that it is.
    pub(crate) async fn accept(
        &self,
        method: &Method,
        response: Response,
        fine: &[u16],
    ) -> Result<Response, RegistryError> {
        let status = response.status();
        if status.is_success() || fine.contains(&status.as_u16()) {
            return Ok(response);
        }
        Err(answer_error(method.as_str(), response, &self.limits).await)
    }

    /// Sends a request once, and once more with authorization if the registry asks for it.
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Response, RegistryError> {
        let http = self.clients.get(&self.host, &self.settings, &self.limits).await?;
        let used = self.login.known(request.scope);
        let (response, at_home) = self.follow(&http, request, used.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !at_home {
            return Ok(response);
        }
        let asked = response.headers().clone();
        let refusal = answer_error(request.method.as_str(), response, &self.limits).await;
        match self.login.answer(&http, &self.limits, &asked, request.scope, used.as_ref()).await? {
            Some(authorization) => Ok(self.follow(&http, request, Some(&authorization)).await?.0),
            None => Err(refusal),
        }
    }

    /// Follows redirects of reading requests. Authorization stays at home. Tells whether the answer is from home.
    async fn follow(
        &self,
        http: &reqwest::Client,
        request: &Request<'_>,
        authorization: Option<&Secret>,
    ) -> Result<(Response, bool), RegistryError> {
        let mut url = request.url.clone();
        let mut at_home = true;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.once(http, request, &url, authorization.filter(|_| at_home)).await?;
            let reading = matches!(request.method, Method::GET | Method::HEAD);
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let (true, true, Some(location)) = (reading, response.status().is_redirection(), location) else {
                return Ok((response, at_home));
            };
            let next = self.redirect(&url, location)?;
            at_home = at_home && next.origin() == url.origin();
            url = next;
        }
        Err(RegistryError::Protocol {
            url: shown(&request.url),
            reason: format!("it redirects more than {MAX_REDIRECTS} times"),
        })
    }

    fn redirect(&self, from: &Url, location: &str) -> Result<Url, RegistryError> {
        let fail = |reason: &str| RegistryError::Protocol { url: shown(from), reason: reason.to_owned() };
        let next =
            from.join(location).map_err(|_| fail("it redirects to something that is not an address"))?;
        if next.scheme() == "https" || (next.scheme() == "http" && self.settings.plain_http) {
            Ok(next)
        } else {
            Err(fail("it redirects to an address without TLS"))
        }
    }

    async fn once(
        &self,
        http: &reqwest::Client,
        request: &Request<'_>,
        url: &Url,
        authorization: Option<&Secret>,
    ) -> Result<Response, RegistryError> {
        let mut builder = http.request(request.method.clone(), url.clone());
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(authorization) = authorization {
            let bad = || RegistryError::Settings {
                host: self.host.to_string(),
                reason: "the credentials have characters that cannot be sent".to_owned(),
            };
            builder = builder.header(AUTHORIZATION, header(authorization, bad)?);
        }
        match &request.body {
            Body::Empty if matches!(request.method, Method::GET | Method::HEAD) => {}
            Body::Empty => builder = builder.body(Bytes::new()),
            Body::Bytes(bytes) => builder = builder.body(bytes.clone()),
            Body::Blob { source, blob, range } => {
                return self.send_blob(builder, url, source, blob, range).await;
            }
        }
        within(self.limits.answer, url, async {
            builder.send().await.map_err(|error| send_error(url, error))
        })
        .await
    }

    /// Sends a part of a blob. Its time is bounded by how it moves, not in all.
    async fn send_blob(
        &self,
        builder: reqwest::RequestBuilder,
        url: &Url,
        source: &BlobSource<'_>,
        blob: &Descriptor,
        range: &Range<u64>,
    ) -> Result<Response, RegistryError> {
        let length = range.end - range.start;
        let moved = Arc::new(AtomicU64::new(0));
        let trouble = Arc::new(Mutex::new(None));
        let content = first_bytes(source.open(blob, range.start).await?, length);
        let (counter, slot) = (Arc::clone(&moved), Arc::clone(&trouble));
        let content = content.map(move |item| match item {
            Ok(chunk) => {
                counter.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                Ok(chunk)
            }
            Err(error) => {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(std::io::Error::other("the content could not be read"))
            }
        });
        let sending = builder
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, length)
            .body(reqwest::Body::wrap_stream(content))
            .send();
        tokio::pin!(sending);
        let mut seen = 0;
        loop {
            let all_sent = moved.load(Ordering::Relaxed) == length;
            let limit = if all_sent { self.limits.commit } else { self.limits.stall };
            if let Ok(result) = tokio::time::timeout(limit, &mut sending).await {
                // What is wrong with the content matters more than that sending it failed.
                let trouble = trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
                return match (result, trouble) {
                    (Ok(response), _) => Ok(response),
                    (Err(_), Some(error)) => Err(error),
                    (Err(error), None) => Err(send_error(url, error)),
                };
            }
            let now = moved.load(Ordering::Relaxed);
            if now == seen {
                return Err(RegistryError::Stalled { url: shown(url), waited: limit, attempts: 1 });
            }
            seen = now;
        }
    }
}

fn first_bytes(stream: crate::BlobStream, length: u64) -> crate::BlobStream {
    stream
        .scan(length, |left, item| {
            let item = item.map(|mut chunk| {
                chunk.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= chunk.len() as u64;
                chunk
            });
            // The stream is polled to its very end only when all of it is wanted, and then it verifies itself.
            let over = matches!(&item, Ok(chunk) if chunk.is_empty());
            futures::future::ready((!over || *left > 0).then_some(item))
        })
        .boxed()
}

/// The result of `work`, or an error when it takes longer than `limit`.
pub(crate) async fn within<T>(
    limit: Duration,
    url: &Url,
    work: impl Future<Output = Result<T, RegistryError>>,
) -> Result<T, RegistryError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(RegistryError::Stalled { url: shown(url), waited: limit, attempts: 1 }),
    }
}

/// [`retry`] under the limits of a registry; the error tells how often it was tried.
pub(crate) async fn patiently<T, F, O>(limits: &Limits, what: &str, mut work: O) -> Result<T, RegistryError>
where
    F: Future<Output = Result<T, RegistryError>>,
    O: FnMut() -> F,
{
    let tries = AtomicU32::new(0);
    retry(limits.patience, what, || {
        tries.fetch_add(1, Ordering::Relaxed);
        work()
    })
    .await
    .map_err(|error| error.after(tries.load(Ordering::Relaxed)))
}
