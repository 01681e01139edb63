//! What hubs said when they refused.

use super::*;

/// Refusals of imports: number, fault, text, code (without `koji.`), field.
const IMPORTS: &[(u8, i64, &str, &str, &str)] = &[
    (1, 1002, "Not logged-in", "not_logged_in", ""),
    (
        2,
        1002,
        "Content generator access required (atomic-reactor)",
        "no_generator_access",
        "content_generator",
    ),
    (
        3,
        1000,
        "No such entry in table content_generator: no-such-cg",
        "unknown_generator",
        "content_generator",
    ),
    (4, 1000, "No such metadata version: 1", "metadata_version_unknown", "metadata_version"),
    (5, 1, "<class 'KeyError'>: 'metadata_version'", "metadata_key_missing", "metadata_version"),
    (
        6,
        1000,
        "Koji now support only one content-generator per import",
        "metadata_generators_differ",
        "buildroots",
    ),
    (7, 1000, "Invalid json data: 'this is not json'", "metadata_not_json", "metadata"),
    (8, 1, "<class 'TypeError'>: list indices must be integers or slices, not str", "hub_exception", ""),
    (9, 1000, "No such file: metadata.json", "metadata_not_uploaded", "metadata"),
    (10, 1000, "No such file: other.json", "metadata_not_uploaded", "metadata"),
    (
        11,
        1019,
        "Invalid type for value '42': <class 'int'>, expected type <class 'str'>",
        "metadata_wrong_type",
        "metadata",
    ),
    (12, 1, "<class 'ValueError'>: Invalid path segment: ../../../x", "metadata_bad_path", "output"),
    (13, 1, "<class 'KeyError'>: 'buildroots'", "metadata_key_missing", "buildroots"),
    (14, 1, "<class 'KeyError'>: 'build'", "metadata_key_missing", "build"),
    (15, 1, "<class 'KeyError'>: 'output'", "metadata_key_missing", "output"),
    (16, 1019, "Invalid name or id value: None", "metadata_no_buildroots", "buildroots"),
    (17, 1000, "The \"-\" character not allowed in version field", "metadata_bad_nvr", "build.version"),
    (18, 1000, "The \"-\" character not allowed in release field", "metadata_bad_nvr", "build.release"),
    (19, 1000, "did not provide name, version, and release", "metadata_key_missing", "build"),
    (20, 1000, "did not provide name, version, and release", "metadata_key_missing", "build"),
    (21, 1, "<class 'TypeError'>: argument of type 'NoneType' is not iterable", "hub_exception", ""),
    (22, 1000, "did not provide name, version, and release", "metadata_key_missing", "build"),
    (23, 1000, "Name bad name! does not match RegexNameInternal value", "metadata_bad_nvr", "build.name"),
    (24, 1, "<class 'KeyError'>: 'source'", "metadata_key_missing", "source"),
    (25, 1, "<class 'KeyError'>: 'extra'", "metadata_key_missing", "extra"),
    (26, 1, "<class 'TypeError'>: argument of type 'NoneType' is not iterable", "hub_exception", ""),
    (27, 1, "<class 'KeyError'>: 'start_time'", "metadata_key_missing", "start_time"),
    (28, 1, "<class 'KeyError'>: 'end_time'", "metadata_key_missing", "end_time"),
    (
        29,
        1,
        "<class 'ValueError'>: could not convert string to float: 'yesterday'",
        "metadata_bad_time",
        "build.start_time",
    ),
    (30, 1000, "No such user: 'nobody-here'", "owner_unknown", "build.owner"),
    (31, 1000, "Invalid owner format (expected username): 2", "owner_unknown", "build.owner"),
    (
        32,
        1,
        "<class 'psycopg2.errors.ForeignKeyViolation'>: insert or update on table \"build\" violates foreign key constraint \"build_task_id_fkey\" DETAIL:  Key (task_id)=(999999) is not present in table \"task\".",
        "task_unknown",
        "build.task_id",
    ),
    (
        33,
        1019,
        "Invalid type for value 'abc': <class 'str'>, expected type <class 'int'>",
        "metadata_wrong_type",
        "metadata",
    ),
    (
        34,
        1000,
        "CG provided non-matching task_id 1 and container_koji_task_id 2",
        "metadata_task_mismatch",
        "build.task_id",
    ),
    (35, 1000, "Duplicate typeinfo for 'image'", "metadata_type_twice", "build.extra.typeinfo"),
    (
        36,
        1000,
        "No such entry in table btype: no-such-type",
        "metadata_unknown_build_type",
        "build.extra.typeinfo",
    ),
    (37, 1000, "Output type image not listed in build types", "metadata_type_not_in_build", "build.extra"),
    (38, 1000, "Buildroot id not used in output: 'aarch64-1'", "metadata_buildroot_unused", "buildroots"),
    (39, 1000, "Duplicate buildroot id in metadata: 'x86_64-1'", "metadata_buildroot_twice", "buildroots"),
    (40, 1000, "Missing buildroot metadata for id 'nope'", "metadata_buildroot_unknown", "output"),
    (41, 1000, "Missing buildroot metadata for id 'nope'", "metadata_buildroot_unknown", "output"),
    (42, 1, "<class 'KeyError'>: 'host'", "metadata_key_missing", "host"),
    (43, 1, "<class 'KeyError'>: 'content_generator'", "metadata_key_missing", "content_generator"),
    (44, 1, "<class 'KeyError'>: 'container'", "metadata_key_missing", "container"),
    (45, 1, "<class 'KeyError'>: 'components'", "metadata_key_missing", "components"),
    (46, 1, "<class 'KeyError'>: 'tools'", "metadata_key_missing", "tools"),
    (47, 1, "<class 'KeyError'>: 'id'", "metadata_key_missing", "id"),
    (48, 1, "<class 'KeyError'>: 'version'", "metadata_key_missing", "version"),
    (
        49,
        1,
        "<class 'psycopg2.errors.UniqueViolation'>: duplicate key value violates unique constraint \"buildroot_tools_info_pkey\" DETAIL:  Key (buildroot_id, tool)=(9, x) already exists.",
        "metadata_tool_twice",
        "buildroots",
    ),
    (
        50,
        1,
        "<class 'psycopg2.errors.CheckViolation'>: new row for relation \"buildroot\" violates check constraint \"container_sane\" DETAIL:  Failing row contains …",
        "metadata_wrong_type",
        "buildroots",
    ),
    (51, 1, "<class 'KeyError'>: 'version'", "metadata_key_missing", "version"),
    (
        52,
        1,
        "<class 'FileNotFoundError'>: [Errno 2] No such file or directory: '/mnt/koji/work/koji-upload/d/./docker-image-sha256:2747.x86_64.tar.gz'",
        "metadata_file_missing",
        "output",
    ),
    (
        53,
        1000,
        "File size 599 for docker-image-sha256:2747.x86_64.tar.gz (expected 1) doesn't match. Corrupted upload?",
        "metadata_size_differs",
        "output",
    ),
    (54, 1, "<class 'KeyError'>: 'filesize'", "metadata_key_missing", "filesize"),
    (
        55,
        1000,
        "File size 599 for docker-image-sha256:2747.x86_64.tar.gz (expected 599) doesn't match. Corrupted upload?",
        "metadata_size_differs",
        "output",
    ),
    (
        56,
        1000,
        "File checksum mismatch for docker-image-sha256:2747.x86_64.tar.gz: 00000000000000000000000000000000 != 31243c16bb1fd7b8f33460d00292823b",
        "metadata_checksum_differs",
        "output",
    ),
    (
        57,
        1000,
        "File checksum mismatch for docker-image-sha256:2747.x86_64.tar.gz: 31243C16BB1FD7B8F33460D00292823B != 31243c16bb1fd7b8f33460d00292823b",
        "metadata_checksum_differs",
        "output",
    ),
    (58, 1000, "Unsupported verify type: sha512", "metadata_checksum_type", "output"),
    (59, 1000, "Unsupported verify type: sha1", "metadata_checksum_type", "output"),
    (60, 1, "<class 'KeyError'>: 'adler32'", "metadata_checksum_type", "output"),
    (61, 1, "<class 'KeyError'>: 'type'", "metadata_key_missing", "type"),
    (
        62,
        1000,
        "No typeinfo for: docker-image-sha256:2747.x86_64.tar.gz",
        "metadata_no_type_information",
        "output",
    ),
    (
        63,
        1000,
        "No typeinfo for: docker-image-sha256:2747.x86_64.tar.gz",
        "metadata_no_type_information",
        "output",
    ),
    (64, 1, "<class 'KeyError'>: 'arch'", "metadata_key_missing", "arch"),
    (
        65,
        1,
        "<class 'psycopg2.errors.StringDataRightTruncation'>: value too long for type character varying(16)",
        "metadata_arch_too_long",
        "output",
    ),
    (
        66,
        1000,
        "Output file has multiple types: docker-image-sha256:2747.x86_64.tar.gz",
        "metadata_several_types",
        "output",
    ),
    (67, 1000, "Duplicate typeinfo for: 'image'", "metadata_type_twice", "output"),
    (
        68,
        1000,
        "Output type remote-sources not listed in build types",
        "metadata_type_not_in_build",
        "build.extra",
    ),
    (69, 1000, "subdir field not allowed for legacy btypes", "metadata_subdir_not_allowed", "output"),
    (70, 1000, "No such component type: pip", "metadata_component_type", "components"),
    (71, 1000, "External rpms not allowed", "metadata_component_location", "components"),
    (72, 1000, "Unexpected 'id' field in component", "metadata_component_id", "components"),
    (73, 1, "<class 'KeyError'>: 'arch'", "metadata_key_missing", "arch"),
    (74, 1000, "No such archive: 424242", "component_unknown", "components"),
    (75, 1000, "nvr field missing for component, archive_id=1", "metadata_key_missing", "components"),
    (
        76,
        1000,
        "Component field nvr does not match for archive_id=1: docker-hello-world-1.0-1 != a-1-1",
        "component_differs",
        "components",
    ),
    (77, 1000, "unsupported file extension: image.unknownext", "metadata_extension", "output"),
    (
        78,
        1,
        "<class 'FileNotFoundError'>: [Errno 2] No such file or directory: '/mnt/koji/work/koji-upload/d/./sub/docker-image-sha256:2747.x86_64.tar.gz'",
        "metadata_file_missing",
        "output",
    ),
    (79, 1, "<class 'ValueError'>: Invalid path segment: ../../../../../x", "metadata_bad_path", "output"),
    (80, 1, "<class 'ValueError'>: Invalid path segment: /abs/name", "metadata_bad_path", "output"),
    (81, 1000, "invalid format: x86_64-build", "metadata_rpm_name", "output"),
    (
        82,
        1000,
        "Error importing build log. /mnt/koji/packages/docker-hello-world/1.0/95/data/logs/x86_64-build.log already exists.",
        "metadata_output_twice",
        "output",
    ),
    (
        83,
        1000,
        "Error importing archive file, /mnt/koji/packages/docker-hello-world/1.0/96/images/docker-image-sha256:2747.x86_64.tar.gz already exists",
        "metadata_output_twice",
        "output",
    ),
    (
        84,
        1,
        "<class 'FileNotFoundError'>: [Errno 2] No such file or directory: '/mnt/koji/work/koji-upload/d/./docker-image-sha256:2747.x86_64.tar.gz'",
        "metadata_file_missing",
        "output",
    ),
    (
        85,
        1004,
        "policy violation (cg_import): content generator import is not allowed for this package",
        "policy_denied",
        "",
    ),
    (86, 1000, "Draft build not supported", "metadata_draft", "build.draft"),
    (87, 1009, "unable to retry call 1334 (method CGImport) for session 33", "outcome_unknown", ""),
    (88, 1009, "unable to retry call 1350 (method CGImport) for session 33", "outcome_unknown", ""),
    (89, 1000, "Build already exists: docker-hello-world-1.0-1 (id=35)", "build_exists", "build.release"),
    (90, 1000, "Build already exists: docker-hello-world-1.0-1 (id=35)", "build_exists", "build.release"),
];

#[test]
fn every_refusal_of_an_import_is_explained() {
    let numbers: Vec<u8> = IMPORTS.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..=90).collect::<Vec<u8>>());
    for (number, fault, text, code, field) in IMPORTS {
        let explained = explain_fault(*fault, text, Doing::Import);
        let found = (explained.code.strip_prefix("koji.").unwrap(), explained.field.as_str());
        assert_eq!(found, (*code, *field), "case {number}");
        assert!(explained.message.contains(text) && !explained.advice.is_empty(), "case {number}");
    }
}

#[test]
fn an_explanation_passes_on_the_hubs_words() {
    let explained = explain_fault(1000, "No such user: 'nobody-here'", Doing::Import);
    assert_eq!(
        explained.failure().to_string(),
        "Koji refused the import over build.owner: No such user: 'nobody-here' (fault 1000) (name a Koji user as \
         owner, or null for the user who imports) [koji.owner_unknown]"
    );
    assert_eq!(explained.failure().class, FailureClass::User);
    let explained = explain_fault(4711, "a new fault", Doing::Tag);
    assert_eq!(explained.message, "Koji refused the tag: a new fault (fault 4711)");
}
