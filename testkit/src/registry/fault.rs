//! Faults by order: on which requests, how often, what happens.

use axum::http::Method;

/// What happens instead of, or to, the right answer.
#[derive(Debug, Clone)]
pub enum Effect {
    /// An answer with this status, these headers and this body.
    Status(u16, Vec<(&'static str, String)>, &'static str),
    /// After so many bytes of the request's body the connection breaks. What came is kept for an upload.
    CutRequest(usize),
    /// The answer's body breaks off after so many bytes.
    CutAnswer(usize),
    /// The right answer, with a header set or (`None`) left out.
    Header(&'static str, Option<String>),
    /// A redirect to the same path of another origin. Example: `http://127.0.0.1:5000`.
    Redirect(String),
    /// The right answer, but a mount is answered as if the blob were not there.
    NoMount,
    /// The right answer with another body.
    Body(&'static [u8]),
    /// No answer ever.
    Silence,
}

/// A fault by order.
#[derive(Debug, Clone)]
pub struct Fault {
    method: Method,
    path: String,
    times: usize,
    pub(super) effect: Effect,
}

impl Fault {
    /// A fault on the next request with this method whose path contains a text.
    pub fn once(method: Method, path: impl Into<String>, effect: Effect) -> Self {
        Self { method, path: path.into(), times: 1, effect }
    }

    /// The same fault on so many requests.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// The same fault on all requests that match.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// The fault that strikes a request, if any.
    pub(crate) fn strike(faults: &mut Vec<Self>, method: &Method, path: &str) -> Option<Effect> {
        let position = faults.iter().position(|f| f.method == *method && path.contains(&f.path))?;
        let fault = faults.get_mut(position)?;
        fault.times = fault.times.saturating_sub(1);
        let effect = fault.effect.clone();
        if fault.times == 0 {
            faults.remove(position);
        }
        Some(effect)
    }
}
