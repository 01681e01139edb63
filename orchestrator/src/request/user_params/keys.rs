//! Every key that user parameters have had, of 2018 and of later, and what
//! became of it. The page for people who come from that system is made of this
//! table, and a test holds the two equal.

use std::fmt::Write as _;

/// What values a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number above 0.
    Number,
    /// True or false.
    Flag,
    /// A text or a number.
    TextOrNumber,
    /// A list of texts.
    Texts,
    /// A list of whole numbers.
    Numbers,
    /// Whatever: nobody looks at it.
    Anything,
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is this field of the request. Example: `request.repository_urls`.
    Field(&'static str),
    /// It is no wish, but a replay uses it; a sentence says what for.
    Replay(&'static str),
    /// It has no meaning any more; a sentence says why.
    Retired(&'static str),
    /// It asks for what is not supported; a sentence says what.
    Refused(&'static str),
}

/// One key.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name in `USER_PARAMS`. Example: `yum_repourls`.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// What became of it.
    pub fate: Fate,
}

const fn key(name: &'static str, kind: Kind, fate: Fate) -> Key {
    Key { name, kind, fate }
}

const BUILD_ROOT: &str = "because builds run on workers of the site, whose own images the site chooses";
const SITE: &str =
    "because the site's configuration is loaded once, by the orchestrator, from where it is told";
const WORKER: &str = "because what a worker is to do is in its work order";
const REMOTE: Fate = Fate::Refused("sources of other repositories are not fetched yet");
const OPERATOR: Fate = Fate::Refused("operator bundles are not changed by the build");
const SOURCE_IMAGE: Fate = Fate::Refused("images of source code are not built");

static TABLE: &[Key] = &[
    key(
        "additional_tags",
        Kind::Texts,
        Fate::Retired("because the tags are read from the commit: container.yaml or additional-tags"),
    ),
    key(
        "arrangement_version",
        Kind::Number,
        Fate::Retired("because the planner decides the steps, in one arrangement"),
    ),
    key(
        "base_image",
        Kind::Text,
        Fate::Replay("the parent that a replay assumes where the Dockerfile cannot be read"),
    ),
    key("build_from", Kind::Text, Fate::Retired(BUILD_ROOT)),
    key("build_image", Kind::Text, Fate::Retired(BUILD_ROOT)),
    key("build_imagestream", Kind::Text, Fate::Retired(BUILD_ROOT)),
    key(
        "build_json_dir",
        Kind::Text,
        Fate::Retired("because the steps are no templates in a directory any more"),
    ),
    key(
        "build_type",
        Kind::Text,
        Fate::Replay(
            "tells the pod of the orchestrator, which replays, from that of a worker, which does not",
        ),
    ),
    key("component", Kind::Text, Fate::Field("request.component")),
    key("compose_ids", Kind::Numbers, Fate::Field("request.composes")),
    key(
        "customize_conf",
        Kind::Text,
        Fate::Retired("because a site changes the build by its configuration, not by lists of steps"),
    ),
    key("dependency_replacements", Kind::Texts, REMOTE),
    key("filesystem_koji_task_id", Kind::Number, Fate::Field("request.filesystem_task")),
    key("flatpak", Kind::Flag, Fate::Field("request.flatpak")),
    key(
        "flatpak_base_image",
        Kind::Text,
        Fate::Retired("because a Flatpak's base is a matter of the site, and Flatpaks are not built yet"),
    ),
    key("git_branch", Kind::Text, Fate::Field("request.branch")),
    key(
        "git_commit_depth",
        Kind::Number,
        Fate::Retired("because the orchestrator fetches as little history as the commit needs"),
    ),
    key("git_ref", Kind::Text, Fate::Field("request.source.ref")),
    key("git_uri", Kind::Text, Fate::Field("request.source.uri")),
    key(
        "image_tag",
        Kind::Text,
        Fate::Replay("its tag is the unique tag that `plan` shows; a build makes its own"),
    ),
    key("imagestream_name", Kind::Text, Fate::Field("request.image_stream")),
    key(
        "include_koji_repo",
        Kind::Flag,
        Fate::Refused("the repository of a target is chosen by the planner alone"),
    ),
    key("isolated", Kind::Flag, Fate::Field("request.mode")),
    key("kind", Kind::Text, Fate::Retired("because a request is a typed message")),
    key("koji_parent_build", Kind::TextOrNumber, Fate::Field("request.parent_build")),
    key("koji_target", Kind::Text, Fate::Field("request.target")),
    key("koji_task_id", Kind::Number, Fate::Field("request.koji_task")),
    key("koji_upload_dir", Kind::Text, Fate::Retired(WORKER)),
    key(
        "name",
        Kind::Text,
        Fate::Retired("because a build has an id, and no object of OpenShift stands for it"),
    ),
    key("operator_bundle_replacement_pullspecs", Kind::Anything, OPERATOR),
    key("operator_csv_modifications_url", Kind::Text, OPERATOR),
    key("operator_manifests_extract_platform", Kind::Text, OPERATOR),
    key(
        "orchestrator_deadline",
        Kind::Number,
        Fate::Retired("because each step has a deadline, and limits.time bounds the platforms"),
    ),
    key(
        "parent_images_digests",
        Kind::Anything,
        Fate::Retired("because the planner pins the parents, and the work order has them by digest"),
    ),
    key("platform", Kind::Text, Fate::Retired(WORKER)),
    key("platforms", Kind::Texts, Fate::Field("request.platforms")),
    key("reactor_config_map", Kind::Text, Fate::Retired(SITE)),
    key("reactor_config_override", Kind::Anything, Fate::Retired(SITE)),
    key("release", Kind::Text, Fate::Field("request.release")),
    key("remote_source_build_args", Kind::Anything, REMOTE),
    key("remote_source_configs", Kind::Anything, REMOTE),
    key("remote_source_url", Kind::Text, REMOTE),
    key("remote_sources", Kind::Anything, REMOTE),
    key("scratch", Kind::Flag, Fate::Field("request.mode")),
    key("signing_intent", Kind::Text, Fate::Field("request.signing_intent")),
    key("skip_build", Kind::Flag, Fate::Refused("a build that builds nothing is not supported")),
    key("sources_for_koji_build_id", Kind::TextOrNumber, SOURCE_IMAGE),
    key("sources_for_koji_build_nvr", Kind::Text, SOURCE_IMAGE),
    key(
        "tags_from_yaml",
        Kind::Flag,
        Fate::Retired("because the planner sees which file of the commit the tags come from"),
    ),
    key(
        "trigger_imagestreamtag",
        Kind::Text,
        Fate::Retired(
            "because triggers live outside of reactor and send a request with rebuild and triggered_by",
        ),
    ),
    key(
        "triggered_after_koji_task",
        Kind::Number,
        Fate::Retired("because the chain of rebuilds is known to who sends them, and no step looks at it"),
    ),
    key("user", Kind::Text, Fate::Field("request.user")),
    key("userdata", Kind::Anything, Fate::Field("request.user_data")),
    key("worker_deadline", Kind::Number, Fate::Retired("because limits.time bounds the platforms")),
    key("yum_repourls", Kind::Texts, Fate::Field("request.repository_urls")),
];

/// Every key, by name.
pub fn table() -> &'static [Key] {
    TABLE
}

/// The table as Markdown, as `docs/from-osbs.md` has it.
pub fn map() -> String {
    let mut text = String::from("| user parameter | what became of it |\n| --- | --- |\n");
    for Key { name, fate, .. } in TABLE {
        let fate = match fate {
            Fate::Field(field) => format!("`{field}`"),
            Fate::Replay(purpose) => format!("only for a replay: {purpose}"),
            Fate::Retired(reason) => format!("retired, {reason}"),
            Fate::Refused(reason) => format!("refused: {reason}"),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "| `{name}` | {fate} |");
    }
    text
}
