//! Puts users, tags and the like into the state, as an administrator would.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    engine::now,
    state::{ContentGenerator, PackageEntry, Repository, State, Tag, Target, User},
};

/// Build types that every hub has.
const BUILD_TYPES: &[&str] = &["rpm", "maven", "win", "image"];

/// State of a repository that can be used.
const READY: u8 = 1;

impl State {
    /// Gives a hub that knows nothing yet what every hub has.
    pub fn prepare(&mut self) {
        for name in BUILD_TYPES {
            if !self.build_types.contains_key(*name) {
                let id = self.next_id();
                self.build_types.insert((*name).to_owned(), id);
            }
        }
    }

    /// The number of a user, which is made if it is not there.
    pub fn add_user(&mut self, name: &str) -> u64 {
        if let Some(id) = self.user_id(name) {
            return id;
        }
        let id = self.next_id();
        let user = User {
            name: name.to_owned(),
            password: None,
            principals: Vec::new(),
            disabled: false,
            permissions: BTreeSet::new(),
        };
        self.users.insert(id, user);
        id
    }

    /// Lets a user use a content generator, which is made if it is not there. Says
    /// whether that is new.
    pub fn grant(&mut self, user: u64, generator: &str) -> bool {
        if !self.content_generators.contains_key(generator) {
            let id = self.next_id();
            let new = ContentGenerator { id, users: BTreeSet::new() };
            self.content_generators.insert(generator.to_owned(), new);
        }
        self.content_generators.get_mut(generator).is_some_and(|found| found.users.insert(user))
    }

    /// The number of a tag, which is made if it is not there.
    pub fn add_tag(&mut self, name: &str) -> u64 {
        if let Some(id) = self.tag_id(name) {
            return id;
        }
        let id = self.next_id();
        self.next_event();
        let tag = Tag {
            name: name.to_owned(),
            arches: None,
            locked: false,
            permission: None,
            parents: Vec::new(),
            packages: BTreeMap::new(),
        };
        self.tags.insert(id, tag);
        id
    }

    /// The number of a target, which is made if it is not there.
    pub fn add_target(&mut self, name: &str, build_tag: u64, destination_tag: u64) -> u64 {
        let known = self.targets.iter().find(|(_, target)| target.name == name).map(|(id, _)| *id);
        let id = known.unwrap_or_else(|| self.next_id());
        self.next_event();
        self.targets.insert(id, Target { name: name.to_owned(), build_tag, destination_tag });
        id
    }

    /// The number of a package, which is made if it is not there.
    pub fn add_package(&mut self, name: &str) -> u64 {
        if let Some(id) = self.packages.get(name) {
            return *id;
        }
        let id = self.next_id();
        self.packages.insert(name.to_owned(), id);
        id
    }

    /// Puts a package into the list of a tag.
    pub fn list_package(&mut self, tag: u64, package: &str, owner: u64, blocked: bool) {
        let package = self.add_package(package);
        self.next_event();
        if let Some(tag) = self.tags.get_mut(&tag) {
            tag.packages.insert(package, PackageEntry { owner, blocked });
        }
    }

    /// A new repository of a tag, ready for use.
    pub fn add_repository(&mut self, tag: u64) -> u64 {
        let id = self.repositories.last_key_value().map_or(0, |(id, _)| *id) + 1;
        let event = self.next_event();
        self.repositories.insert(id, Repository { tag, state: READY, event, created: now() });
        id
    }
}
