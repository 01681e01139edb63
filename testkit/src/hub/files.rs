//! The hub's files over HTTP, whole or from a position on.

use std::{
    io::SeekFrom,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures::stream;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
};

use super::http::html;

/// How much of a file is read at a time, in bytes.
const BLOCK: u64 = 65_536;

/// Directories that are served.
const SERVED: &[&str] = &["packages", "repos", "scratch", "vol", "work"];

/// Answers a request for a file. `path` is what follows `/kojifiles`.
pub(super) async fn serve(top: &Path, path: &str, method: &Method, headers: &HeaderMap) -> Response {
    let not_found = || {
        let text = "<h1>Not Found</h1>\n<p>The requested URL was not found on this server.</p>\n";
        html(StatusCode::NOT_FOUND, text)
    };
    if method != Method::GET && method != Method::HEAD {
        return html(StatusCode::METHOD_NOT_ALLOWED, "<h1>Method Not Allowed</h1>\n");
    }
    let Some(path) = inside(path) else { return not_found() };
    let path = top.join(path);
    let Ok(mut file) = File::open(&path).await else { return not_found() };
    let Ok(metadata) = file.metadata().await else { return not_found() };
    if !metadata.is_file() {
        return not_found();
    }
    let size = metadata.len();
    let range = headers.get(header::RANGE).and_then(|value| wanted(value.to_str().ok()?, size));
    let (start, end) = match range {
        None => (0, size),
        Some(Ok(range)) => range,
        Some(Err(())) => return StatusCode::RANGE_NOT_SATISFIABLE.into_response(),
    };
    if file.seek(SeekFrom::Start(start)).await.is_err() {
        return not_found();
    }
    let body = if method == Method::HEAD { Body::empty() } else { content(file, end - start) };
    let mut response = Response::new(body);
    let mut set = |name, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, content_type(&path).to_owned());
    set(header::CONTENT_LENGTH, (end - start).to_string());
    set(header::ACCEPT_RANGES, "bytes".to_owned());
    if let Some(time) = metadata.modified().ok().and_then(http_date) {
        set(header::LAST_MODIFIED, time);
    }
    if range.is_some() {
        set(header::CONTENT_RANGE, format!("bytes {start}-{}/{size}", end.saturating_sub(1)));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// The path of a file below the top directory, if it leads to a directory that is
/// served and not out of it.
fn inside(path: &str) -> Option<PathBuf> {
    // A form's decoder with the plus signs protected decodes percent signs alone.
    let protected = path.trim_start_matches('/').replace('+', "%2B").replace(['&', '='], "/../");
    let (path, _) = url::form_urlencoded::parse(protected.as_bytes()).next()?;
    let path = PathBuf::from(path.into_owned());
    let mut parts = path.components();
    let first = parts.next()?.as_os_str().to_str()?;
    let safe = SERVED.contains(&first) && parts.all(|part| matches!(part, Component::Normal(_)));
    safe.then_some(path)
}

/// The positions that a range asks for; the error is one beyond the file's end.
/// Ranges of other forms are not heeded.
fn wanted(range: &str, size: u64) -> Option<Result<(u64, u64), ()>> {
    let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
    let start: u64 = start.parse().ok()?;
    let end = if end.is_empty() { size } else { end.parse::<u64>().ok()?.saturating_add(1).min(size) };
    Some(if start < end { Ok((start, end)) } else { Err(()) })
}

fn content(file: File, length: u64) -> Body {
    Body::from_stream(stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok::<_, std::io::Error>(None);
        }
        let mut block = vec![0; usize::try_from(left.min(BLOCK)).unwrap_or_default()];
        let read = file.read(&mut block).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        block.truncate(read);
        let left = left - u64::try_from(read).unwrap_or(left);
        Ok(Some((block, (file, left))))
    }))
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("xml") => "application/xml",
        Some("json") => "application/json",
        Some("log" | "txt") => "text/plain",
        Some("gz") => "application/x-gzip",
        _ => "application/octet-stream",
    }
}

fn http_date(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    Some(time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_files_of_the_hub_are_served() {
        for (path, expected) in [
            ("/packages/a/1/1/images/x%3Ay+z", Some("packages/a/1/1/images/x:y+z")),
            (
                "/repos/f99-build/1/x86_64/repodata/repomd.xml",
                Some("repos/f99-build/1/x86_64/repodata/repomd.xml"),
            ),
            ("/packages/../state.json", None),
            ("/packages/%2e%2e/state.json", None),
            ("/state.json", None),
            ("//etc/passwd", None),
            ("", None),
        ] {
            assert_eq!(inside(path).as_deref(), expected.map(Path::new), "{path}");
        }
    }

    #[test]
    fn ranges_begin_inside_the_file() {
        for (range, expected) in [
            ("bytes=3-", Some(Ok((3, 10)))),
            ("bytes=3-4", Some(Ok((3, 5)))),
            ("bytes=3-99", Some(Ok((3, 10)))),
            ("bytes=10-", Some(Err(()))),
            ("bytes=-3", None),
        ] {
            assert_eq!(wanted(range, 10), expected, "{range}");
        }
    }
}
