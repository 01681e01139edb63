//! The kinds of problems, each with its stable code and what to do about it.

use common::failure::FailureClass::{self, Infrastructure, Policy, User};

use super::Severity;

/// A kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) code: &'static str,
    pub(super) class: FailureClass,
    pub(super) severity: Severity,
    pub(super) advice: &'static str,
}

impl Kind {
    /// What a hub refuses.
    pub(super) const fn error(class: FailureClass, code: &'static str, advice: &'static str) -> Self {
        Self { code, class, severity: Severity::Error, advice }
    }

    /// What a hub takes, but not as it may be meant.
    const fn warning(code: &'static str, advice: &'static str) -> Self {
        Self { code, class: User, severity: Severity::Warning, advice }
    }
}

pub(super) const NOT_JSON: Kind =
    Kind::error(User, "koji.metadata_not_json", "the metadata must be one JSON document");
pub(super) const KEY_MISSING: Kind = Kind::error(
    User,
    "koji.metadata_key_missing",
    "add the key; the hub needs it even where its value may be null or empty",
);
pub(super) const WRONG_TYPE: Kind =
    Kind::error(User, "koji.metadata_wrong_type", "write a value of the type that the message names");
pub(super) const VERSION_UNKNOWN: Kind =
    Kind::error(User, "koji.metadata_version_unknown", "set metadata_version to the number 0");
pub(super) const NO_BUILDROOTS: Kind = Kind::error(
    User,
    "koji.metadata_no_buildroots",
    "describe at least one buildroot; the content generator is named nowhere else",
);
pub(super) const GENERATORS_DIFFER: Kind = Kind::error(
    User,
    "koji.metadata_generators_differ",
    "name the same content generator in all buildroots, or import several builds",
);
pub(super) const GENERATOR_NOT_OURS: Kind = Kind::error(
    Policy,
    "koji.metadata_generator_not_ours",
    "name the content generator that the bridge is configured for",
);
pub(super) const BAD_NVR: Kind = Kind::error(
    User,
    "koji.metadata_bad_nvr",
    "names have letters, digits and / _ . + - only, 256 at most; versions and releases have no dash",
);
pub(super) const BAD_TIME: Kind =
    Kind::error(User, "koji.metadata_bad_time", "write the time as a number of seconds since 1970");
pub(super) const TASK_MISMATCH: Kind = Kind::error(
    User,
    "koji.metadata_task_mismatch",
    "name the same task in build.task_id and build.extra.container_koji_task_id, or leave one out",
);
pub(super) const NO_BUILD_TYPE: Kind = Kind::error(
    User,
    "koji.metadata_no_build_type",
    "add build.extra.image for an image, or build.extra.typeinfo with the build's types",
);
pub(super) const UNKNOWN_BUILD_TYPE: Kind = Kind::error(
    User,
    "koji.metadata_unknown_build_type",
    "correct the name, or have an administrator add the type: koji call addBType NAME",
);
pub(super) const TYPE_TWICE: Kind = Kind::error(
    User,
    "koji.metadata_type_twice",
    "say the type once: directly in extra, or below extra.typeinfo",
);
pub(super) const SEVERAL_TYPES: Kind =
    Kind::error(User, "koji.metadata_several_types", "leave one type in the extra map of the file");
pub(super) const TYPE_NOT_IN_BUILD: Kind = Kind::error(
    User,
    "koji.metadata_type_not_in_build",
    "add the type to build.extra or build.extra.typeinfo, or correct the type of the file",
);
pub(super) const NO_TYPE_INFORMATION: Kind = Kind::error(
    User,
    "koji.metadata_no_type_information",
    "add extra.image with the architecture for an image, or extra.typeinfo with the file's type",
);
pub(super) const BUILDROOT_UNUSED: Kind = Kind::error(
    User,
    "koji.metadata_buildroot_unused",
    "remove the buildroot, or name it in buildroot_id of an output",
);
pub(super) const BUILDROOT_TWICE: Kind =
    Kind::error(User, "koji.metadata_buildroot_twice", "give each buildroot an id of its own");
pub(super) const BUILDROOT_UNKNOWN: Kind =
    Kind::error(User, "koji.metadata_buildroot_unknown", "name the id of one of the buildroots");
pub(super) const TOOL_TWICE: Kind =
    Kind::error(User, "koji.metadata_tool_twice", "name each tool of a buildroot once");
pub(super) const BAD_PATH: Kind = Kind::error(
    User,
    "koji.metadata_bad_path",
    "write a name below the directory: not empty, no slash in front, no '..'",
);
pub(super) const FILE_MISSING: Kind = Kind::error(
    Infrastructure,
    "koji.metadata_file_missing",
    "upload the file under this name into the directory of the import, or correct the name",
);
pub(super) const SIZE_DIFFERS: Kind = Kind::error(
    Infrastructure,
    "koji.metadata_size_differs",
    "upload the file again into a new directory, or correct the size",
);
pub(super) const CHECKSUM_DIFFERS: Kind = Kind::error(
    Infrastructure,
    "koji.metadata_checksum_differs",
    "upload the file again into a new directory, or correct the checksum",
);
pub(super) const CHECKSUM_FORM: Kind = Kind::error(
    User,
    "koji.metadata_checksum_form",
    "write the checksum in lower-case hexadecimal digits: 32 for md5, 64 for sha256",
);
pub(super) const CHECKSUM_TYPE: Kind = Kind::error(
    User,
    "koji.metadata_checksum_type",
    "use md5, which every hub takes, or sha256, which hubs take since 1.22",
);
pub(super) const ARCH_TOO_LONG: Kind = Kind::error(
    User,
    "koji.metadata_arch_too_long",
    "use the architecture's short name, of 16 characters at most, such as x86_64",
);
pub(super) const SUBDIR_NOT_ALLOWED: Kind = Kind::error(
    User,
    "koji.metadata_subdir_not_allowed",
    "remove subdir; images, Maven and Windows files have their fixed place",
);
pub(super) const COMPONENT_TYPE: Kind =
    Kind::error(User, "koji.metadata_component_type", "use one of rpm, kojifile and file");
pub(super) const COMPONENT_LOCATION: Kind = Kind::error(
    User,
    "koji.metadata_component_location",
    "remove location from the package; hubs take no external packages here",
);
pub(super) const COMPONENT_ID: Kind =
    Kind::error(User, "koji.metadata_component_id", "remove id from the component; the hub looks it up");
pub(super) const EXTENSION: Kind = Kind::error(
    User,
    "koji.metadata_extension",
    "use an extension that the hub knows, such as tar.gz or json, or have an administrator add an archive type",
);
pub(super) const RPM_NAME: Kind =
    Kind::error(User, "koji.metadata_rpm_name", "name the file NAME-VERSION-RELEASE.ARCH.rpm");
pub(super) const OUTPUT_TWICE: Kind =
    Kind::error(User, "koji.metadata_output_twice", "list each file once, or give the files different names");
pub(super) const DRAFT: Kind =
    Kind::error(User, "koji.metadata_draft", "remove build.draft; builds with images cannot be drafts");
pub(super) const NO_BUILD_ID: Kind = Kind::error(
    User,
    "koji.metadata_no_build_id",
    "write the number of the reserved build as build.build_id, or import without a token",
);
pub(super) const NO_TOKEN: Kind = Kind::error(
    User,
    "koji.metadata_no_token",
    "give the token of the reservation, or remove build.build_id",
);
pub(super) const RESERVATION_DIFFERS: Kind = Kind::error(
    User,
    "koji.metadata_reservation_differs",
    "import under the name, version, release, epoch and task that were reserved, or reserve anew",
);

pub(super) const CONTROL_CHARACTER: Kind = Kind::warning(
    "koji.metadata_control_character",
    "nothing; such characters are written as text such as \\x1b, for Koji could not answer with them",
);
pub(super) const TIMES_REVERSED: Kind =
    Kind::warning("koji.metadata_times_reversed", "see whether the times were exchanged; the hub takes them");
pub(super) const COMPONENT_SKIPPED: Kind = Kind::warning(
    "koji.metadata_component_skipped",
    "use a kojifile component if the file must be recorded; a hub leaves out files that it does not know",
);
pub(super) const COMPONENT_UNVERIFIED: Kind = Kind::warning(
    "koji.metadata_component_unverified",
    "add sigmd5; a hub that knows the package may refuse it without",
);
pub(super) const FILE_NOT_KEPT: Kind = Kind::warning(
    "koji.metadata_file_not_kept",
    "remove metadata_only if the file is to be kept; it must be uploaded in any case",
);
pub(super) const EXTENSION_UNUSUAL: Kind = Kind::warning(
    "koji.metadata_extension_unusual",
    "ask the hub for its archive types (koji call getArchiveTypes); one it does not know costs the upload",
);
