//! A hub without a server, to try methods on.

use std::path::Path;

use koji_bridge::xmlrpc::{Arguments, Call, Fault, Value};
use serde_json::Value as Json;
use tempfile::TempDir;

use super::{carry_out, record::json};
use crate::hub::{
    context::{Connection, Context},
    examples::CONTENT_GENERATOR,
    settings::HubSettings,
    state::{ContentGenerator, PackageEntry, State, Tag, User},
};

/// The user whose content generator it is.
pub(super) const IMPORTER: Option<u64> = Some(2);
/// A user with nothing but a name.
pub(super) const NOBODY: Option<u64> = Some(4);
/// An administrator.
pub(super) const ADMINISTRATOR: Option<u64> = Some(1);
/// An anonymous caller.
pub(super) const ANONYMOUS: Option<u64> = None;

pub(super) struct Bench {
    pub(super) state: State,
    pub(super) settings: HubSettings,
    pub(super) now: f64,
    top: TempDir,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self {
            state: state(),
            settings: HubSettings::default(),
            now: 1_795_420_000.25,
            top: TempDir::new().unwrap(),
        }
    }

    pub(super) fn top(&self) -> &Path {
        self.top.path()
    }

    /// Carries out a call a second after the last one. What it changed counts if it
    /// ends well.
    pub(super) fn call(&mut self, user: Option<u64>, call: &Call) -> Result<Value, Fault> {
        self.now += 1.0;
        let mut state = self.state.clone();
        let mut context = Context {
            state: &mut state,
            settings: &self.settings,
            top_directory: self.top.path(),
            session: user,
            user,
            now: self.now,
            connection: &Connection::default(),
        };
        let answer = carry_out(&mut context, call)?;
        self.state = state;
        Ok(answer)
    }

    /// The same with JSON as positional arguments; a last object with `**` has the
    /// named ones.
    pub(super) fn ask(&mut self, user: Option<u64>, method: &str, arguments: Json) -> Result<Value, Fault> {
        let mut bound = Arguments::none();
        for argument in arguments.as_array().unwrap() {
            match argument.get("**").and_then(Json::as_object) {
                Some(named) => {
                    bound.named = named.iter().map(|(name, value)| (name.clone(), json(value))).collect()
                }
                None => bound.positional.push(json(argument)),
            }
        }
        self.call(user, &Call::new(method, bound))
    }

    /// The fault of a call as its code and text, with blanks for line ends and `TOP`
    /// for the hub's directory.
    pub(super) fn fault(&mut self, user: Option<u64>, method: &str, arguments: Json) -> (i64, String) {
        match self.ask(user, method, arguments) {
            Ok(answer) => (0, format!("{answer:?}")),
            Err(fault) => (fault.code, self.masked(&fault.text)),
        }
    }

    pub(super) fn masked(&self, text: &str) -> String {
        text.trim_end().replace('\n', " ").replace(&self.top().display().to_string(), "TOP")
    }
}

fn state() -> State {
    let mut state = State { last_id: 100, ..State::default() };
    for (id, name, permissions) in
        [(1, "admin", &["admin"][..]), (2, "osbs", &[]), (3, "tagger", &["tag"]), (4, "alice", &[])]
    {
        let user = User {
            name: name.to_owned(),
            password: None,
            principals: Vec::new(),
            disabled: false,
            permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
        };
        state.users.insert(id, user);
    }
    for (id, name) in [(1, CONTENT_GENERATOR), (2, "other-generator")] {
        let generator = ContentGenerator { id, users: [2].into() };
        state.content_generators.insert(name.to_owned(), generator);
    }
    for (name, id) in [("rpm", 1), ("maven", 2), ("win", 3), ("image", 4), ("remote-sources", 6)] {
        state.build_types.insert(name.to_owned(), id);
    }
    for (name, id) in [("docker-hello-world", 1), ("blocked-app", 2)] {
        state.packages.insert(name.to_owned(), id);
    }
    let listed = |blocked: bool| PackageEntry { owner: 2, blocked };
    let lists = [(1, listed(false)), (2, listed(true))];
    for (id, name, parents) in [
        (1, "f99-build", vec![]),
        (3, "f99-candidate", vec![]),
        (4, "f99-updates", vec![3]),
        (7, "f99-admins", vec![3]),
        (8, "f99-locked", vec![]),
    ] {
        let tag = Tag {
            name: name.to_owned(),
            arches: Some(String::new()),
            locked: id == 8,
            permission: (id == 7).then(|| "admin".to_owned()),
            parents,
            packages: if matches!(id, 3 | 8) { lists.clone().into() } else { Default::default() },
        };
        state.tags.insert(id, tag);
    }
    state
}
