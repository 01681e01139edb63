//! What hubs say when they refuse, and which kind of problem it is.
//!
//! The texts are those of Koji 1.15 to 1.35. A problem that a check finds
//! beforehand has the same kind when the hub finds it.

use common::failure::FailureClass::{Infrastructure, Internal, Policy, Source, User};

use super::{
    fault::Doing,
    kinds::{self, Kind},
};

/// A wording of hubs.
#[derive(Debug)]
pub(super) struct Wording {
    /// Codes of the faults that say so.
    pub(super) faults: &'static [i64],
    /// What it is said about, if that matters.
    pub(super) during: Option<Doing>,
    /// A part of the text that stays.
    pub(super) text: &'static str,
    /// The kind of problem.
    pub(super) kind: &'static Kind,
    /// The field or thing concerned; may be empty.
    pub(super) field: &'static str,
}

const fn said(
    fault: &'static [i64],
    text: &'static str,
    kind: &'static Kind,
    field: &'static str,
) -> Wording {
    Wording { faults: fault, during: None, text, kind, field }
}

const NO_ACCESS: Kind = Kind::error(
    Policy,
    "koji.no_generator_access",
    "have an administrator allow it: koji grant-cg-access USER GENERATOR",
);
const UNKNOWN_GENERATOR: Kind = Kind::error(
    Policy,
    "koji.unknown_generator",
    "correct the generator's name, or have it added: koji grant-cg-access --new USER GENERATOR",
);
const NOT_LOGGED_IN: Kind = Kind::error(
    Infrastructure,
    "koji.not_logged_in",
    "see that the bridge has credentials and that they are valid; 'koji-bridge check' tries them",
);
const UPLOAD_LOCKED: Kind =
    Kind::error(Infrastructure, "koji.upload_locked", "wait until the other upload of this file has ended");
const SESSION_LOCKED: Kind = Kind::error(
    Infrastructure,
    "koji.session_locked",
    "give the bridge a Koji user of its own: another program holds this user's exclusive session",
);
const SESSION_EXPIRED: Kind =
    Kind::error(Infrastructure, "koji.session_expired", "nothing; the session is renewed, so try again");
const OUT_OF_ORDER: Kind = Kind::error(
    Infrastructure,
    "koji.call_out_of_order",
    "see that no other program uses the bridge's session, and try again",
);
const OUTCOME_UNKNOWN: Kind = Kind::error(
    Infrastructure,
    "koji.outcome_unknown",
    "look before trying again ('koji buildinfo'): the call was carried out, its answer was lost",
);
const OFFLINE: Kind = Kind::error(
    Infrastructure,
    "koji.offline",
    "wait until the hub is back; its operators know how long maintenance lasts",
);
const HUB_TOO_OLD: Kind = Kind::error(
    Policy,
    "koji.hub_too_old",
    "switch off what needs a newer hub (reservations need 1.18, refunds 1.19), or have the hub updated",
);
const BAD_ARGUMENT: Kind = Kind::error(
    Internal,
    "koji.bad_argument",
    "report it with the message: the bridge called the hub in a way that it does not take",
);
const HUB_EXCEPTION: Kind = Kind::error(
    Internal,
    "koji.hub_exception",
    "show the message to those who run the hub: its code failed on something that no rule covers",
);
const REFUSED: Kind =
    Kind::error(Policy, "koji.refused", "ask those who run Koji; the words are the hub's own");
const OWNER_UNKNOWN: Kind =
    Kind::error(User, "koji.owner_unknown", "name a Koji user as owner, or null for the user who imports");
const TASK_UNKNOWN: Kind =
    Kind::error(User, "koji.task_unknown", "name a task that exists on this hub, or none");
const ARCHIVE_UNKNOWN: Kind = Kind::error(
    Source,
    "koji.component_unknown",
    "name a file that this hub has; 'koji list-archives' and the build's page show their numbers",
);
const COMPONENT_DIFFERS: Kind = Kind::error(
    Source,
    "koji.component_differs",
    "describe the file as the hub has it, or use the file that is meant",
);
const BUILD_EXISTS: Kind = Kind::error(
    User,
    "koji.build_exists",
    "see whether it is this very build ('koji buildinfo'); else choose another release",
);
const BUILD_RESERVED: Kind = Kind::error(
    User,
    "koji.build_reserved",
    "choose another release, or wait until the other build has ended",
);
const BUILD_IN_PROGRESS: Kind = Kind::error(
    User,
    "koji.build_in_progress",
    "wait for the task that builds it, or choose another release",
);
const TOKEN_MISMATCH: Kind = Kind::error(
    User,
    "koji.token_mismatch",
    "reserve anew: the token is another build's, or was used, refunded or cancelled",
);
const UNKNOWN_BUILD: Kind = Kind::error(User, "koji.unknown_build", "correct the build's number or name");
const RESERVED_BY_OTHER: Kind = Kind::error(
    Policy,
    "koji.reserved_by_other_generator",
    "use the content generator that reserved the build",
);
const BAD_REFUND_STATE: Kind =
    Kind::error(Internal, "koji.bad_refund_state", "refund as failed (3) or cancelled (4)");
const NOT_RESERVED: Kind = Kind::error(
    User,
    "koji.not_reserved",
    "nothing, if it was imported or given back already; 'koji buildinfo' shows its state",
);
const POLICY_DENIED: Kind =
    Kind::error(Policy, "koji.policy_denied", "ask those who run Koji; the hub's policy forbids it");
const NOT_ALLOWED: Kind =
    Kind::error(Policy, "koji.not_allowed", "ask those who run Koji for the permission of the bridge's user");
const UNKNOWN_TAG: Kind = Kind::error(
    User,
    "koji.unknown_tag",
    "correct the tag's name; 'koji list-tags' shows those that there are",
);
const TAG_LOCKED: Kind =
    Kind::error(Policy, "koji.tag_locked", "wait until the tag is unlocked, or build for another target");
const TAG_PERMISSION: Kind = Kind::error(
    Policy,
    "koji.tag_permission",
    "have an administrator grant the permission that the message names to the bridge's user",
);
const NOT_LISTED: Kind = Kind::error(
    Policy,
    "koji.package_not_listed",
    "have the package added to the tag: koji add-pkg --owner OWNER TAG PACKAGE",
);
const BLOCKED: Kind = Kind::error(
    Policy,
    "koji.package_blocked",
    "build for another target, or have the package unblocked: koji unblock-pkg TAG PACKAGE",
);
const ALREADY_TAGGED: Kind =
    Kind::error(User, "koji.already_tagged", "nothing; the build has the tag ('koji list-tagged' shows it)");
const NOT_COMPLETE: Kind = Kind::error(
    User,
    "koji.build_not_complete",
    "tag the build when it was imported; a failed one cannot be",
);
const NOT_IN_TAG: Kind =
    Kind::error(User, "koji.build_not_in_tag", "name a tag that the build has; 'koji buildinfo' shows them");
const TAG_REFUSED: Kind =
    Kind::error(Policy, "koji.tag_refused", "ask those who run Koji; the words are the hub's own");
const DIRECTORY_USED: Kind = Kind::error(
    Infrastructure,
    "koji.upload_directory_used",
    "upload everything into a new directory; an import that broke off moved files out of this one",
);
const DIRECTORY_LEFT: Kind = Kind::error(
    Infrastructure,
    "koji.build_directory_left",
    "have those who run Koji remove the directory that an interrupted import left, or choose another release",
);
const DOCUMENT_MISSING: Kind = Kind::error(
    Infrastructure,
    "koji.metadata_not_uploaded",
    "upload metadata.json into the directory of the import",
);

/// The kind that the code of a fault alone says.
pub(super) fn by_code(code: i64, during: Doing) -> &'static Kind {
    match (code, during) {
        (1, _) => &HUB_EXCEPTION,
        (1001, _) => &UPLOAD_LOCKED,
        (1002, _) => &NOT_LOGGED_IN,
        (1003, Doing::Tag) => &TAG_REFUSED,
        (1004, _) => &NOT_ALLOWED,
        (1006, _) => &SESSION_LOCKED,
        (1007, _) => &SESSION_EXPIRED,
        (1008, _) => &OUT_OF_ORDER,
        (1009, _) => &OUTCOME_UNKNOWN,
        (1014, _) => &OFFLINE,
        (1019, _) => &BAD_ARGUMENT,
        _ => &REFUSED,
    }
}

const IMPORT: Option<Doing> = Some(Doing::Import);

/// All wordings; where two fit, the first counts.
pub(super) const ALL: &[Wording] = &[
    said(&[1000], "Invalid method:", &HUB_TOO_OLD, ""),
    // Who may do it.
    said(&[1002, 1004], "Content generator access required", &NO_ACCESS, "content_generator"),
    said(&[1000], "No such entry in table content_generator", &UNKNOWN_GENERATOR, "content_generator"),
    said(&[1002, 1004], "Not logged-in", &NOT_LOGGED_IN, ""),
    said(&[1004], "you must be logged in", &NOT_LOGGED_IN, ""),
    said(&[1004, 1000], "policy violation", &POLICY_DENIED, ""),
    // The build that is there already.
    said(&[1000], "Build already exists", &BUILD_EXISTS, "build.release"),
    said(&[1], "build_pkg_ver_rel", &BUILD_EXISTS, "build.release"),
    said(&[1000], "Build is already reserved", &BUILD_RESERVED, "build.release"),
    said(&[1000], "Build already in progress", &BUILD_IN_PROGRESS, "build.release"),
    // Reservations.
    said(&[1000], "Token doesn't match build ID", &TOKEN_MISMATCH, "token"),
    said(&[1000], "Reservation token given", &kinds::NO_BUILD_ID, "build.build_id"),
    said(&[1000], "is not reserved by this CG", &RESERVED_BY_OTHER, "content_generator"),
    said(&[1000], "NVR is different", &kinds::RESERVATION_DIFFERS, "build.release"),
    said(&[1000], "epoch is different", &kinds::RESERVATION_DIFFERS, "build.epoch"),
    said(&[1000], "Draft field does not match", &kinds::RESERVATION_DIFFERS, "build.draft"),
    said(&[1000], "Build is owned by task", &kinds::RESERVATION_DIFFERS, "build.task_id"),
    said(&[1000], "Only FAILED/CANCELED build states", &BAD_REFUND_STATE, "state"),
    said(&[1000], "is not in BUILDING state", &NOT_RESERVED, "build.build_id"),
    said(&[1000], "No such build:", &UNKNOWN_BUILD, "build.build_id"),
    // The document.
    said(&[1000], "No such metadata version", &kinds::VERSION_UNKNOWN, "metadata_version"),
    said(&[1000], "only one content-generator", &kinds::GENERATORS_DIFFER, "buildroots"),
    said(&[1000], "Invalid json data", &kinds::NOT_JSON, "metadata"),
    said(&[1000], "No such file: ", &DOCUMENT_MISSING, "metadata"),
    Wording {
        faults: &[1019],
        during: IMPORT,
        text: "Invalid name or id value: None",
        kind: &kinds::NO_BUILDROOTS,
        field: "buildroots",
    },
    Wording {
        faults: &[1019],
        during: IMPORT,
        text: "Invalid type for value",
        kind: &kinds::WRONG_TYPE,
        field: "metadata",
    },
    said(&[1000], "character not allowed in version field", &kinds::BAD_NVR, "build.version"),
    said(&[1000], "character not allowed in release field", &kinds::BAD_NVR, "build.release"),
    said(&[1000], "does not match RegexNameInternal", &kinds::BAD_NVR, "build.name"),
    said(&[1000], "did not provide name, version, and release", &kinds::KEY_MISSING, "build"),
    said(&[1000], "No name or package id provided", &kinds::KEY_MISSING, "build.name"),
    said(&[1000], "No such user", &OWNER_UNKNOWN, "build.owner"),
    said(&[1000], "Invalid owner format", &OWNER_UNKNOWN, "build.owner"),
    said(&[1], "build_task_id_fkey", &TASK_UNKNOWN, "build.task_id"),
    said(&[1000], "non-matching task_id", &kinds::TASK_MISMATCH, "build.task_id"),
    said(&[1], "could not convert string to float", &kinds::BAD_TIME, "build.start_time"),
    said(&[1000], "No such entry in table btype", &kinds::UNKNOWN_BUILD_TYPE, "build.extra.typeinfo"),
    said(&[1000], "Duplicate typeinfo for: ", &kinds::TYPE_TWICE, "output"),
    said(&[1000], "Duplicate typeinfo for", &kinds::TYPE_TWICE, "build.extra.typeinfo"),
    said(&[1000], "not listed in build types", &kinds::TYPE_NOT_IN_BUILD, "build.extra"),
    said(&[1000], "Buildroot id not used in output", &kinds::BUILDROOT_UNUSED, "buildroots"),
    said(&[1000], "Duplicate buildroot id", &kinds::BUILDROOT_TWICE, "buildroots"),
    said(&[1000], "Missing buildroot metadata", &kinds::BUILDROOT_UNKNOWN, "output"),
    said(&[1], "buildroot_tools_info_pkey", &kinds::TOOL_TWICE, "buildroots"),
    said(&[1], "container_sane", &kinds::WRONG_TYPE, "buildroots"),
    // Files.
    said(&[1], "No such file or directory", &kinds::FILE_MISSING, "output"),
    said(&[1], "Invalid path segment", &kinds::BAD_PATH, "output"),
    said(&[1000], "File size ", &kinds::SIZE_DIFFERS, "output"),
    said(&[1000], "File checksum mismatch", &kinds::CHECKSUM_DIFFERS, "output"),
    said(&[1000], "Unsupported verify type", &kinds::CHECKSUM_TYPE, "output"),
    said(&[1000], "Unsupported checksum type", &kinds::CHECKSUM_TYPE, "output"),
    said(&[1], "KeyError'>: 'adler32'", &kinds::CHECKSUM_TYPE, "output"),
    said(&[1000], "No typeinfo for", &kinds::NO_TYPE_INFORMATION, "output"),
    said(&[1], "value too long for type character varying(16)", &kinds::ARCH_TOO_LONG, "output"),
    said(&[1000], "Output file has multiple types", &kinds::SEVERAL_TYPES, "output"),
    said(&[1000], "subdir field not allowed", &kinds::SUBDIR_NOT_ALLOWED, "output"),
    said(&[1000], "unsupported file extension", &kinds::EXTENSION, "output"),
    said(&[1000], "invalid format: ", &kinds::RPM_NAME, "output"),
    said(&[1000], "Error importing build log", &kinds::OUTPUT_TWICE, "output"),
    said(&[1000], "Error importing archive file", &kinds::OUTPUT_TWICE, "output"),
    said(&[1000], "Draft build not supported", &kinds::DRAFT, "build.draft"),
    said(&[1000], "destination is a symlink", &DIRECTORY_USED, "directory"),
    said(&[1000], "Destination directory already exists", &DIRECTORY_LEFT, "directory"),
    // Components.
    said(&[1000], "No such component type", &kinds::COMPONENT_TYPE, "components"),
    said(&[1000], "External rpms not allowed", &kinds::COMPONENT_LOCATION, "components"),
    said(&[1000], "Unexpected 'id' field in component", &kinds::COMPONENT_ID, "components"),
    said(&[1000], "No such archive", &ARCHIVE_UNKNOWN, "components"),
    said(&[1000], "field missing for component", &kinds::KEY_MISSING, "components"),
    said(&[1000], "Component field ", &COMPONENT_DIFFERS, "components"),
    // Tags.
    said(&[1000], "No such tagInfo", &UNKNOWN_TAG, "tag"),
    said(&[1000], "Invalid tagInfo", &UNKNOWN_TAG, "tag"),
    said(&[1000], "No such entry in table tag", &UNKNOWN_TAG, "tag"),
    said(&[1004], "tag is locked", &TAG_LOCKED, "tag"),
    said(&[1004], "tag requires", &TAG_PERMISSION, "tag"),
    said(&[1003], "not in list for", &NOT_LISTED, "package"),
    said(&[1003], " blocked in ", &BLOCKED, "package"),
    said(&[1003], "already tagged", &ALREADY_TAGGED, "tag"),
    said(&[1003], "not complete: state", &NOT_COMPLETE, "build"),
    said(&[1003], "not in tag", &NOT_IN_TAG, "tag"),
];
