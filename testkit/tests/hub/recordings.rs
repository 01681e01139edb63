//! Requests that were recorded of a real hub (koji 1.35.3) are sent to the
//! stand-in, and the answers have to mean the same.
//!
//! Numbers, times and keys differ from one hub to the next: of them only the kind
//! is compared.

use std::{collections::BTreeSet, fs, path::PathBuf};

use koji_bridge::xmlrpc::{Value, read_answer};
use testkit::hub::{
    KojiHub, State,
    state::{LoginSession, User},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Where files were on the hub of the recordings.
const RECORDED_TOP: &str = "/mnt/koji";

/// Members whose values differ from one hub to the next.
const VOLATILE: [&str; 8] =
    ["id", "build_tag", "dest_tag", "create_event", "begin_event", "mtime", "session-key", "session-id"];

struct HttpAnswer {
    status: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl HttpAnswer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Self { status, headers: lines.map(header).collect(), body: bytes[end + 4..].to_vec() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

fn mask(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Struct(members) => {
            for (name, member) in members {
                let volatile = VOLATILE.contains(&name.as_str())
                    || name == "ts"
                    || ["_time", "_ts", "_id"].iter().any(|end| name.ends_with(end));
                if volatile {
                    *member = Value::from(member.kind());
                } else {
                    mask(member);
                }
            }
        }
        _ => {}
    }
}

/// What an answer means.
fn meaning(answer: &HttpAnswer, top: &str) -> String {
    let body = String::from_utf8(answer.body.clone()).unwrap().replace(top, RECORDED_TOP);
    let body = match answer.header("content-type") {
        Some("text/xml") => {
            let mut answer = read_answer(body.as_bytes()).unwrap();
            if let Ok(value) = &mut answer {
                mask(value);
            }
            format!("{answer:#?}")
        }
        _ => body,
    };
    let headers: Vec<_> = ["content-type", "koji-version", "allow"].map(|name| answer.header(name)).into();
    format!("{} {headers:?}\n{body}", answer.status)
}

async fn send(hub: &KojiHub, request: &[u8]) -> HttpAnswer {
    let mut stream = TcpStream::connect(hub.address()).await.unwrap();
    stream.write_all(request).await.unwrap();
    let (mut bytes, mut block) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut block).await.unwrap();
        bytes.extend_from_slice(&block[..read]);
        if bytes.windows(4).any(|four| four == b"\r\n\r\n") {
            let answer = HttpAnswer::parse(&bytes);
            let length: usize = answer.header("content-length").unwrap().parse().unwrap();
            if answer.body.len() == length {
                return answer;
            }
        }
        assert!(read > 0, "the connection ended in an answer");
    }
}

/// Puts our session in place of the recorded one, whose key begins with the number
/// of its user.
fn signed(request: &[u8], hub: &KojiHub) -> Vec<u8> {
    let at = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(request[..at].to_vec()).unwrap();
    let user = head
        .lines()
        .find_map(|line| line.strip_prefix("Koji-Session-Key: "))
        .map(|key| key.split('-').next().unwrap().parse::<u64>().unwrap());
    let session = hub.state(|state| {
        let of_user = |session: &LoginSession| Some(session.user) == user && session.authtype == 2;
        let found = state.sessions.iter().find(|(_, session)| of_user(session));
        found.map(|(id, session)| (*id, session.key.clone()))
    });
    let line = |line: &str| match &session {
        Some((id, _)) if line.starts_with("Koji-Session-Id: ") => format!("Koji-Session-Id: {id}"),
        Some((_, key)) if line.starts_with("Koji-Session-Key: ") => format!("Koji-Session-Key: {key}"),
        _ => line.to_owned(),
    };
    let head: Vec<String> = head.split("\r\n").map(line).collect();
    [head.join("\r\n").as_bytes(), &request[at..]].concat()
}

/// What the hub of the recordings knew.
fn furnish(state: &mut State) {
    state.last_id = 100;
    for (id, name) in [(1, "kojiadmin"), (2, "osbs"), (4, "alice")] {
        let user = User {
            name: name.to_owned(),
            password: Some(format!("{name}-pw")),
            principals: vec![format!("{name}@EXAMPLE.TEST")],
            disabled: false,
            permissions: if id == 1 { BTreeSet::from(["admin".to_owned()]) } else { BTreeSet::new() },
        };
        state.users.insert(id, user);
        state.add_session(LoginSession::new(id, 2, 1_795_420_720.318));
    }
    state.packages.insert("docker-hello-world".to_owned(), 1);
    let build = state.add_tag("f99-build");
    state.tags.get_mut(&build).unwrap().arches = Some("x86_64 aarch64 ppc64le s390x".to_owned());
    let (f99, candidate) = (state.add_tag("f99"), state.add_tag("f99-candidate"));
    state.tags.get_mut(&candidate).unwrap().parents = vec![f99];
    let locked = state.add_tag("f99-locked");
    state.tags.get_mut(&locked).unwrap().locked = true;
    state.list_package(f99, "docker-hello-world", 2, false);
    state.list_package(candidate, "blocked-app", 2, true);
    state.add_package("only-in-extras");
    state.add_target("candidate", build, candidate);
    state.add_repository(build);
    let extras = state.add_tag("extras-rhel-build");
    let extras_candidate = state.add_tag("extras-rhel-candidate");
    state.add_target("extras-rhel", extras, extras_candidate);
}

#[tokio::test]
async fn recorded_requests_are_answered_as_by_the_real_hub() {
    let hub = KojiHub::start().await.unwrap();
    hub.change(furnish).unwrap();
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hub/recordings");
    let mut names: Vec<String> = fs::read_dir(&directory)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".request.http").map(str::to_owned)
        })
        .collect();
    names.sort();
    assert!(names.len() > 50, "the recordings are there");
    let top = hub.top_directory().display().to_string();
    let mut different = Vec::new();
    for name in names {
        let read = |kind: &str| fs::read(directory.join(format!("{name}.{kind}.http"))).unwrap();
        let answer = send(&hub, &signed(&read("request"), &hub)).await;
        let (ours, theirs) = (meaning(&answer, &top), meaning(&HttpAnswer::parse(&read("response")), &top));
        if ours != theirs {
            different.push(format!("{name}: the hub answered\n{theirs}\nthe stand-in\n{ours}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
