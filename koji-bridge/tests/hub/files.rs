//! Recorded exchanges with real hubs.

use koji_bridge::xmlrpc::{Call, ReadError};

/// A recorded request or answer.
pub(crate) struct Recorded {
    /// The request line or the status line.
    pub(crate) first_line: String,
    /// Names in lower case, and values.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// Names of all exchanges.
pub(crate) fn names() -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(directory())
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".request.http").map(str::to_owned)
        })
        .collect();
    names.sort();
    assert!(names.len() > 60, "only {} exchanges", names.len());
    names
}

pub(crate) fn request(name: &str) -> Recorded {
    read(&format!("{name}.request.http"))
}

pub(crate) fn response(name: &str) -> Recorded {
    read(&format!("{name}.response.http"))
}

fn directory() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hub/wire")
}

fn read(name: &str) -> Recorded {
    let bytes = std::fs::read(directory().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect(name);
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let first_line = lines.next().unwrap().to_owned();
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        })
        .collect();
    Recorded { first_line, headers, body: bytes[end + 4..].to_vec() }
}

impl Recorded {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Path and query of a request.
    pub(crate) fn target(&self) -> &str {
        self.first_line.split(' ').nth(1).unwrap()
    }

    pub(crate) fn status(&self) -> u16 {
        self.first_line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn call(&self) -> Result<Call, ReadError> {
        Call::from_xml(&self.body)
    }
}
