//! What a test puts into a hub before it begins.

use std::io;

use super::server::KojiHub;

impl KojiHub {
    /// A user who may log in with a password. It is changed if it is there.
    ///
    /// # Errors
    /// It cannot be stored, as everywhere here.
    pub fn with_user(&self, name: &str, password: &str) -> io::Result<u64> {
        self.change(|state| {
            let id = state.add_user(name);
            if let Some(user) = state.users.get_mut(&id) {
                user.password = Some(password.to_owned());
            }
            id
        })
    }

    /// Gives a user a permission. Example: `admin`.
    ///
    /// # Errors
    /// It cannot be stored.
    pub fn permit(&self, user: &str, permission: &str) -> io::Result<()> {
        self.change(|state| {
            let id = state.add_user(user);
            if let Some(user) = state.users.get_mut(&id) {
                user.permissions.insert(permission.to_owned());
            }
        })
    }

    /// Lets a user use a content generator. Both are made if they are not there.
    ///
    /// # Errors
    /// It cannot be stored.
    pub fn grant(&self, user: &str, generator: &str) -> io::Result<()> {
        self.change(|state| {
            let id = state.add_user(user);
            state.grant(id, generator);
        })
    }

    /// A tag. `arches` is separated by blanks; empty inherits them. `parents` are
    /// names, nearest first; they are made if they are not there.
    ///
    /// # Errors
    /// It cannot be stored.
    pub fn add_tag(&self, name: &str, arches: &str, parents: &[&str]) -> io::Result<u64> {
        self.change(|state| {
            let parents = parents.iter().map(|parent| state.add_tag(parent)).collect();
            let id = state.add_tag(name);
            if let Some(tag) = state.tags.get_mut(&id) {
                tag.arches = (!arches.is_empty()).then(|| arches.to_owned());
                tag.parents = parents;
            }
            id
        })
    }

    /// A target. Its tags are made if they are not there.
    ///
    /// # Errors
    /// It cannot be stored.
    pub fn add_target(&self, name: &str, build_tag: &str, destination_tag: &str) -> io::Result<u64> {
        self.change(|state| {
            let (build_tag, destination_tag) = (state.add_tag(build_tag), state.add_tag(destination_tag));
            state.add_target(name, build_tag, destination_tag)
        })
    }

    /// Lists a package in a tag. Tag, package and owner are made if they are not
    /// there.
    ///
    /// # Errors
    /// It cannot be stored.
    pub fn add_package(&self, tag: &str, package: &str, owner: &str) -> io::Result<()> {
        self.change(|state| {
            let (tag, owner) = (state.add_tag(tag), state.add_user(owner));
            state.list_package(tag, package, owner, false);
        })
    }

    /// A new repository of a tag, ready for use.
    ///
    /// # Errors
    /// It cannot be stored.
    pub fn add_repository(&self, tag: &str) -> io::Result<u64> {
        self.change(|state| {
            let tag = state.add_tag(tag);
            state.add_repository(tag)
        })
    }
}
