//! What an import refuses: the rows of a table of refusals that a real hub gave, by
//! their numbers there.

use serde_json::{Value as Json, json};

use super::super::bench::{ANONYMOUS, Bench, IMPORTER, NOBODY};
use crate::hub::examples::{ExampleBuild, example_build};

const DIRECTORY: &str = "koji-upload/1524681021.170606.JTroFLPr";

/// An import that is about to go wrong.
struct Attempt {
    metadata: Json,
    user: Option<u64>,
    /// What is given in place of the metadata.
    argument: Option<Json>,
    directory: &'static str,
}

impl Attempt {
    fn build(&mut self) -> &mut Json {
        &mut self.metadata["build"]
    }
    fn buildroot(&mut self) -> &mut Json {
        &mut self.metadata["buildroots"][0]
    }
    fn image(&mut self) -> &mut Json {
        &mut self.metadata["output"][0]
    }
    fn log(&mut self) -> &mut Json {
        &mut self.metadata["output"][1]
    }
    fn components(&mut self, component: Json) {
        self.image()["components"] = json!([component]);
    }
    fn twice(&mut self, part: &str) {
        let first = self.metadata[part][0].clone();
        self.metadata[part].as_array_mut().unwrap().push(first);
    }
}

fn remove(value: &mut Json, name: &str) {
    value.as_object_mut().unwrap().remove(name);
}

/// Number of the row, what is done to a good import, code and text of the fault.
/// `IMAGE`, `SIZE` and `SUM` stand for the image's file.
type Row = (u8, fn(&mut Attempt), i64, &'static str);

const DOCUMENT: &[Row] = &[
    (1, |a| a.user = ANONYMOUS, 1002, "Not logged-in"),
    (2, |a| a.user = NOBODY, 1002, "Content generator access required (atomic-reactor)"),
    (
        3,
        |a| a.buildroot()["content_generator"]["name"] = json!("no-such-cg"),
        1000,
        "No such entry in table content_generator: no-such-cg",
    ),
    (4, |a| a.metadata["metadata_version"] = json!(1), 1000, "No such metadata version: 1"),
    (5, |a| remove(&mut a.metadata, "metadata_version"), 1, "<class 'KeyError'>: 'metadata_version'"),
    (
        6,
        |a| {
            a.twice("buildroots");
            a.metadata["buildroots"][1]["content_generator"]["name"] = json!("other-generator");
        },
        1000,
        "Koji now support only one content-generator per import",
    ),
    (7, |a| a.argument = Some(json!("this is not json")), 1000, "Invalid json data: 'this is not json'"),
    (
        8,
        |a| a.argument = Some(json!("[1]")),
        1,
        "<class 'TypeError'>: list indices must be integers or slices, not str",
    ),
    (
        9,
        |a| (a.argument, a.directory) = (Some(Json::Null), "koji-upload/empty"),
        1000,
        "No such file: metadata.json",
    ),
    (10, |a| a.argument = Some(json!("other.json")), 1000, "No such file: other.json"),
    (
        11,
        |a| a.argument = Some(json!(42)),
        1019,
        "Invalid type for value '42': <class 'int'>, expected type <class 'str'>",
    ),
    (12, |a| a.directory = "../../../x", 1, "<class 'ValueError'>: Invalid path segment: ../../../x"),
    (13, |a| remove(&mut a.metadata, "buildroots"), 1, "<class 'KeyError'>: 'buildroots'"),
    (14, |a| remove(&mut a.metadata, "build"), 1, "<class 'KeyError'>: 'build'"),
    (15, |a| remove(&mut a.metadata, "output"), 1, "<class 'KeyError'>: 'output'"),
    (16, |a| a.metadata["buildroots"] = json!([]), 1019, "Invalid name or id value: None"),
];

const BUILD: &[Row] = &[
    (17, |a| a.build()["version"] = json!("1-0"), 1000, "The \"-\" character not allowed in version field"),
    (18, |a| a.build()["release"] = json!("1-0"), 1000, "The \"-\" character not allowed in release field"),
    (19, |a| remove(a.build(), "version"), 1000, "did not provide name, version, and release"),
    (20, |a| remove(a.build(), "release"), 1000, "did not provide name, version, and release"),
    (
        21,
        |a| a.build()["release"] = Json::Null,
        1,
        "<class 'TypeError'>: argument of type 'NoneType' is not iterable",
    ),
    (22, |a| remove(a.build(), "name"), 1000, "did not provide name, version, and release"),
    (
        23,
        |a| a.build()["name"] = json!("bad name!"),
        1000,
        "Name bad name! does not match RegexNameInternal value",
    ),
    (24, |a| remove(a.build(), "source"), 1, "<class 'KeyError'>: 'source'"),
    (25, |a| remove(a.build(), "extra"), 1, "<class 'KeyError'>: 'extra'"),
    (
        26,
        |a| a.build()["extra"] = Json::Null,
        1,
        "<class 'TypeError'>: argument of type 'NoneType' is not iterable",
    ),
    (27, |a| remove(a.build(), "start_time"), 1, "<class 'KeyError'>: 'start_time'"),
    (28, |a| remove(a.build(), "end_time"), 1, "<class 'KeyError'>: 'end_time'"),
    (
        29,
        |a| a.build()["start_time"] = json!("yesterday"),
        1,
        "<class 'ValueError'>: could not convert string to float: 'yesterday'",
    ),
    (30, |a| a.build()["owner"] = json!("nobody-here"), 1000, "No such user: 'nobody-here'"),
    (31, |a| a.build()["owner"] = json!(2), 1000, "Invalid owner format (expected username): 2"),
    (
        32,
        |a| a.build()["task_id"] = json!(999_999),
        1,
        "<class 'psycopg2.errors.ForeignKeyViolation'>: insert or update on table \"build\" violates foreign \
         key constraint \"build_task_id_fkey\" DETAIL:  Key (task_id)=(999999) is not present in table \"task\".",
    ),
    (
        33,
        |a| a.build()["task_id"] = json!("abc"),
        1019,
        "Invalid type for value 'abc': <class 'str'>, expected type <class 'int'>",
    ),
    (
        34,
        |a| {
            a.build()["task_id"] = json!(1);
            a.build()["extra"]["container_koji_task_id"] = json!("2");
        },
        1000,
        "CG provided non-matching task_id 1 and container_koji_task_id 2",
    ),
    (35, |a| a.build()["extra"]["typeinfo"] = json!({"image": {}}), 1000, "Duplicate typeinfo for 'image'"),
    (
        36,
        |a| a.build()["extra"]["typeinfo"] = json!({"no-such-type": {}}),
        1000,
        "No such entry in table btype: no-such-type",
    ),
    (37, |a| remove(&mut a.build()["extra"], "image"), 1000, "Output type image not listed in build types"),
    (86, |a| a.build()["draft"] = json!(true), 1000, "Draft build not supported"),
];

const BUILDROOTS: &[Row] = &[
    (
        38,
        |a| {
            a.twice("buildroots");
            a.metadata["buildroots"][1]["id"] = json!("aarch64-1");
        },
        1000,
        "Buildroot id not used in output: 'aarch64-1'",
    ),
    (39, |a| a.twice("buildroots"), 1000, "Duplicate buildroot id in metadata: 'x86_64-1'"),
    (40, |a| a.image()["buildroot_id"] = json!("nope"), 1000, "Missing buildroot metadata for id 'nope'"),
    (41, |a| a.log()["buildroot_id"] = json!("nope"), 1000, "Missing buildroot metadata for id 'nope'"),
    (42, |a| remove(a.buildroot(), "host"), 1, "<class 'KeyError'>: 'host'"),
    (43, |a| remove(a.buildroot(), "content_generator"), 1, "<class 'KeyError'>: 'content_generator'"),
    (44, |a| remove(a.buildroot(), "container"), 1, "<class 'KeyError'>: 'container'"),
    (45, |a| remove(a.buildroot(), "components"), 1, "<class 'KeyError'>: 'components'"),
    (46, |a| remove(a.buildroot(), "tools"), 1, "<class 'KeyError'>: 'tools'"),
    (47, |a| remove(a.buildroot(), "id"), 1, "<class 'KeyError'>: 'id'"),
    (48, |a| a.buildroot()["tools"] = json!([{"name": "x"}]), 1, "<class 'KeyError'>: 'version'"),
    (
        49,
        |a| a.buildroot()["tools"] = json!([{"name": "x", "version": "1"}, {"name": "x", "version": "2"}]),
        1,
        "<class 'psycopg2.errors.UniqueViolation'>: duplicate key value violates unique constraint \
         \"buildroot_tools_info_pkey\" DETAIL:  Key (buildroot_id, tool)=(1, x) already exists.",
    ),
    (
        50,
        |a| a.buildroot()["container"]["type"] = Json::Null,
        1,
        "<class 'psycopg2.errors.CheckViolation'>: new row for relation \"buildroot\" violates check \
         constraint \"container_sane\" DETAIL:  Failing row contains (1, 1, atomic-reactor).",
    ),
    (51, |a| remove(&mut a.buildroot()["content_generator"], "version"), 1, "<class 'KeyError'>: 'version'"),
];

const OUTPUTS: &[Row] = &[
    (
        52,
        |a| a.directory = "koji-upload/empty",
        1,
        "<class 'FileNotFoundError'>: [Errno 2] No such file or directory: \
         'TOP/work/koji-upload/empty/./IMAGE'",
    ),
    (
        53,
        |a| a.image()["filesize"] = json!(1),
        1000,
        "File size SIZE for IMAGE (expected 1) doesn't match. Corrupted upload?",
    ),
    (54, |a| remove(a.image(), "filesize"), 1, "<class 'KeyError'>: 'filesize'"),
    (
        55,
        |a| a.image()["filesize"] = json!(a.image()["filesize"].to_string()),
        1000,
        "File size SIZE for IMAGE (expected SIZE) doesn't match. Corrupted upload?",
    ),
    (
        56,
        |a| a.image()["checksum"] = json!("00000000000000000000000000000000"),
        1000,
        "File checksum mismatch for IMAGE: 00000000000000000000000000000000 != SUM",
    ),
    (57, |a| a.image()["checksum"] = json!("UPPER"), 1000, "File checksum mismatch for IMAGE: UPPER != SUM"),
    (58, |a| a.image()["checksum_type"] = json!("sha512"), 1000, "Unsupported verify type: sha512"),
    (59, |a| a.image()["checksum_type"] = json!("sha1"), 1000, "Unsupported verify type: sha1"),
    (
        60,
        |a| {
            a.image()["checksum_type"] = json!("adler32");
            a.image()["checksum"] = json!("b1b40b20");
        },
        1,
        "<class 'KeyError'>: 'adler32'",
    ),
    (61, |a| remove(a.image(), "type"), 1, "<class 'KeyError'>: 'type'"),
    (62, |a| remove(a.image(), "extra"), 1000, "No typeinfo for: IMAGE"),
    (63, |a| remove(&mut a.image()["extra"], "image"), 1000, "No typeinfo for: IMAGE"),
    (64, |a| a.image()["extra"]["image"] = json!({}), 1, "<class 'KeyError'>: 'arch'"),
    (
        65,
        |a| a.image()["extra"]["image"]["arch"] = json!("a-very-long-arch-name"),
        1,
        "<class 'psycopg2.errors.StringDataRightTruncation'>: value too long for type character varying(16)",
    ),
    (
        66,
        |a| a.image()["extra"]["typeinfo"] = json!({"remote-sources": {}}),
        1000,
        "Output file has multiple types: IMAGE",
    ),
    (67, |a| a.image()["extra"]["typeinfo"] = json!({"image": {}}), 1000, "Duplicate typeinfo for: 'image'"),
    (
        68,
        |a| a.image()["extra"] = json!({"typeinfo": {"remote-sources": {}}}),
        1000,
        "Output type remote-sources not listed in build types",
    ),
    (69, |a| a.image()["subdir"] = json!("sub"), 1000, "subdir field not allowed for legacy btypes"),
    (70, |a| a.components(json!({"type": "pip", "name": "x"})), 1000, "No such component type: pip"),
    (71, |a| a.components(json!({"type": "rpm", "location": "http://x"})), 1000, "External rpms not allowed"),
    (72, |a| a.components(json!({"type": "rpm", "id": 1})), 1000, "Unexpected 'id' field in component"),
    (
        73,
        |a| a.components(json!({"type": "rpm", "name": "a", "version": "1", "release": "1"})),
        1,
        "<class 'KeyError'>: 'arch'",
    ),
    (
        74,
        |a| a.components(json!({"type": "kojifile", "archive_id": 424_242})),
        1000,
        "No such archive: 424242",
    ),
    (
        75,
        |a| a.components(json!({"type": "kojifile", "archive_id": 1, "filename": "x"})),
        1000,
        "nvr field missing for component, archive_id=1",
    ),
    (
        76,
        |a| a.components(json!({"type": "kojifile", "archive_id": 1, "filename": "x", "nvr": "a-1-1"})),
        1000,
        "Component field nvr does not match for archive_id=1: docker-hello-world-0.9-1 != a-1-1",
    ),
    (
        77,
        |a| a.image()["filename"] = json!("image.unknownext"),
        1000,
        "unsupported file extension: image.unknownext",
    ),
    (
        78,
        |a| a.image()["filename"] = json!("sub/image.tar.gz"),
        1,
        "<class 'FileNotFoundError'>: [Errno 2] No such file or directory: \
         'TOP/work/koji-upload/1524681021.170606.JTroFLPr/./sub/image.tar.gz'",
    ),
    (
        79,
        |a| a.image()["filename"] = json!("../../../../../x"),
        1,
        "<class 'ValueError'>: Invalid path segment: ../../../../../x",
    ),
    (
        80,
        |a| a.image()["filename"] = json!("/abs/name"),
        1,
        "<class 'ValueError'>: Invalid path segment: /abs/name",
    ),
    (81, |a| a.log()["type"] = json!("rpm"), 1000, "invalid format: x86_64-build"),
    (
        82,
        |a| a.metadata["output"][2] = a.log().clone(),
        1000,
        "Error importing build log. TOP/packages/docker-hello-world/1.0/1/data/logs/x86_64-build.log already \
         exists.",
    ),
    (
        83,
        |a| a.twice("output"),
        1000,
        "Error importing archive file, TOP/packages/docker-hello-world/1.0/1/images/IMAGE already exists",
    ),
    (
        84,
        |a| {
            a.image()["metadata_only"] = json!(true);
            a.directory = "koji-upload/empty";
        },
        1,
        "<class 'FileNotFoundError'>: [Errno 2] No such file or directory: \
         'TOP/work/koji-upload/empty/./IMAGE'",
    ),
    (
        85,
        |a| a.build()["name"] = json!("refused-app"),
        1004,
        "policy violation (cg_import): content generator import is not allowed for this package",
    ),
];

/// Rows that come up after files have been moved, which are lost then.
const HALF_WAY: [u8; 2] = [82, 83];

fn bench() -> (Bench, ExampleBuild) {
    let mut bench = Bench::new();
    bench.settings.refused_packages = vec!["refused-app".to_owned()];
    // Archive 1 is of another build.
    let other = example_build("docker-hello-world", "0.9", "1");
    other.put(bench.top(), "koji-upload/other").unwrap();
    bench.ask(IMPORTER, "CGImport", json!([other.metadata, "koji-upload/other"])).unwrap();
    bench.state.buildroots.clear();
    let example = example_build("docker-hello-world", "1.0", "1");
    (bench, example)
}

#[test]
fn refusals_are_those_of_a_hub() {
    for (number, spoil, code, text) in [DOCUMENT, BUILD, BUILDROOTS, OUTPUTS].into_iter().flatten() {
        let (mut bench, mut example) = bench();
        let (image, content) = example.files[0].clone();
        example.files.push(("image.unknownext".to_owned(), content.clone()));
        example.put(bench.top(), DIRECTORY).unwrap();
        let before = serde_json::to_value(&bench.state).unwrap();
        let sum = example.metadata["output"][0]["checksum"].as_str().unwrap().to_owned();
        let mut attempt =
            Attempt { metadata: example.metadata, user: IMPORTER, argument: None, directory: DIRECTORY };
        spoil(&mut attempt);
        let argument = attempt.argument.unwrap_or(attempt.metadata);
        let fault = bench.fault(attempt.user, "CGImport", json!([argument, attempt.directory]));
        let text =
            text.replace("IMAGE", &image).replace("SIZE", &content.len().to_string()).replace("SUM", &sum);
        assert_eq!(fault, (*code, text), "row {number}");
        assert_eq!(serde_json::to_value(&bench.state).unwrap(), before, "row {number} changed something");
        assert!(!bench.top().join("packages/docker-hello-world/1.0/1").exists(), "row {number} left files");
        // What was moved leaves a link that leads nowhere; other files are untouched.
        for file in [image.as_str(), "x86_64-build.log"] {
            let path = bench.top().join("work").join(DIRECTORY).join(file);
            assert!(std::fs::symlink_metadata(&path).is_ok(), "row {number}: {file}");
            assert_eq!(path.exists(), !HALF_WAY.contains(number), "row {number}: {file}");
        }
    }
}
