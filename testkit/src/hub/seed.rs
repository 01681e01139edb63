//! What a hub knows from the start, as a file says it.

use serde::Deserialize;

use super::state::State;

/// Everything that a seed file says. What is there already is changed, not doubled.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seed {
    /// Users.
    pub users: Vec<SeedUser>,
    /// Tags; they may inherit from tags further down.
    pub tags: Vec<SeedTag>,
    /// Targets.
    pub targets: Vec<SeedTarget>,
    /// Tags that have a repository, by name.
    pub repositories: Vec<String>,
    /// Build types besides those that every hub has.
    pub build_types: Vec<String>,
}

/// A user.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedUser {
    /// Its name.
    pub name: String,
    /// Password.
    #[serde(default)]
    pub password: Option<String>,
    /// Kerberos principals.
    #[serde(default)]
    pub principals: Vec<String>,
    /// Permissions. Example: `admin`.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// Content generators that it may use.
    #[serde(default)]
    pub content_generators: Vec<String>,
    /// Whether its logins are refused.
    #[serde(default)]
    pub disabled: bool,
}

/// A tag.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedTag {
    /// Its name.
    pub name: String,
    /// Architectures, separated by blanks.
    #[serde(default)]
    pub arches: Option<String>,
    /// Tags that it inherits from, nearest first.
    #[serde(default)]
    pub parents: Vec<String>,
    /// Whether nothing may be tagged into it.
    #[serde(default)]
    pub locked: bool,
    /// Permission that tagging needs.
    #[serde(default)]
    pub permission: Option<String>,
    /// Its package list.
    #[serde(default)]
    pub packages: Vec<SeedPackage>,
}

/// A package in the list of a tag.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedPackage {
    /// Its name.
    pub name: String,
    /// Name of its owner.
    pub owner: String,
    /// Whether it is blocked.
    #[serde(default)]
    pub blocked: bool,
}

/// A target.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedTarget {
    /// Its name.
    pub name: String,
    /// Tag that builds draw from.
    pub build_tag: String,
    /// Tag that builds get.
    pub destination_tag: String,
}

impl Seed {
    /// Puts everything into the state.
    pub fn sow(&self, state: &mut State) {
        for user in &self.users {
            let id = state.add_user(&user.name);
            for generator in &user.content_generators {
                state.grant(id, generator);
            }
            if let Some(known) = state.users.get_mut(&id) {
                known.password.clone_from(&user.password);
                known.principals.clone_from(&user.principals);
                known.permissions = user.permissions.iter().cloned().collect();
                known.disabled = user.disabled;
            }
        }
        for tag in &self.tags {
            let id = state.add_tag(&tag.name);
            let parents = tag.parents.iter().map(|parent| state.add_tag(parent)).collect();
            if let Some(known) = state.tags.get_mut(&id) {
                known.arches.clone_from(&tag.arches);
                known.parents = parents;
                known.locked = tag.locked;
                known.permission.clone_from(&tag.permission);
            }
            for package in &tag.packages {
                let owner = state.add_user(&package.owner);
                state.list_package(id, &package.name, owner, package.blocked);
            }
        }
        for target in &self.targets {
            let (build, destination) =
                (state.add_tag(&target.build_tag), state.add_tag(&target.destination_tag));
            state.add_target(&target.name, build, destination);
        }
        for name in &self.repositories {
            let tag = state.add_tag(name);
            if !state.repositories.values().any(|repository| repository.tag == tag) {
                state.add_repository(tag);
            }
        }
        for name in &self.build_types {
            if !state.build_types.contains_key(name) {
                let id = state.next_id();
                state.build_types.insert(name.clone(), id);
            }
        }
    }
}
