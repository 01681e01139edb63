//! Refusals that are found before the hub is asked.

use serde_json::json;

use super::*;

type Edit = fn(&mut Value, &mut Context);

/// Refusals that only the hub can know of, and why. They are explained when the
/// hub has spoken.
const ONLY_THE_HUB: &[(u8, &str)] = &[
    (1, "login"),
    (2, "the user's grants"),
    (9, "the bridge uploads the document itself"),
    (10, "the bridge names the document itself"),
    (12, "the bridge names the directory itself"),
    (30, "its users"),
    (32, "its tasks"),
    (74, "its archives"),
    (76, "its archives"),
    (85, "its policy"),
    (89, "its builds"),
    (90, "its builds"),
];

const IMAGE: &str =
    "docker-image-sha256:274b59f4a6d5a400a79af81a6add282e85549ab068f538c06e2cc568a1412f05.x86_64.tar.gz";

/// Number of the refusal, what provokes it, what the check finds.
const REFUSALS: &[(u8, Edit, &[(&str, &str)])] = &[
    (
        3,
        |d, _| set(d, "/buildroots/0/content_generator/name", json!("no-such-cg")),
        &[("generator_not_ours", "buildroots[0].content_generator.name")],
    ),
    (4, |d, _| set(d, "/metadata_version", json!(1)), &[("version_unknown", "metadata_version")]),
    (5, |d, _| remove(d, "/metadata_version"), &[("key_missing", "metadata_version")]),
    (
        6,
        |d, _| {
            repeat(d, "/buildroots/0");
            set(d, "/buildroots/1/id", json!("b"));
            set(d, "/buildroots/1/content_generator/name", json!("other"));
            set(d, "/output/1/buildroot_id", json!("b"));
        },
        &[("generators_differ", "buildroots[1].content_generator.name")],
    ),
    (8, |d, _| *d = json!([1]), &[("wrong_type", "")]),
    (11, |d, _| *d = json!(42), &[("wrong_type", "")]),
    (13, |d, _| remove(d, "/buildroots"), &[("key_missing", "buildroots")]),
    (14, |d, _| remove(d, "/build"), &[("key_missing", "build")]),
    (15, |d, _| remove(d, "/output"), &[("key_missing", "output")]),
    (16, |d, _| set(d, "/buildroots", json!([])), &[("no_buildroots", "buildroots")]),
    (17, |d, _| set(d, "/build/version", json!("1-0")), &[("bad_nvr", "build.version")]),
    (18, |d, _| set(d, "/build/release", json!("1-0")), &[("bad_nvr", "build.release")]),
    (19, |d, _| remove(d, "/build/version"), &[("key_missing", "build.version")]),
    (20, |d, _| remove(d, "/build/release"), &[("key_missing", "build.release")]),
    (21, |d, _| set(d, "/build/release", json!(null)), &[("wrong_type", "build.release")]),
    (22, |d, _| remove(d, "/build/name"), &[("key_missing", "build.name")]),
    (23, |d, _| set(d, "/build/name", json!("bad name!")), &[("bad_nvr", "build.name")]),
    (24, |d, _| remove(d, "/build/source"), &[("key_missing", "build.source")]),
    (25, |d, _| remove(d, "/build/extra"), &[("key_missing", "build.extra")]),
    (26, |d, _| set(d, "/build/extra", json!(null)), &[("wrong_type", "build.extra")]),
    (27, |d, _| remove(d, "/build/start_time"), &[("key_missing", "build.start_time")]),
    (28, |d, _| remove(d, "/build/end_time"), &[("key_missing", "build.end_time")]),
    (29, |d, _| set(d, "/build/start_time", json!("yesterday")), &[("bad_time", "build.start_time")]),
    (31, |d, _| set(d, "/build/owner", json!(2)), &[("wrong_type", "build.owner")]),
    (33, |d, _| set(d, "/build/task_id", json!("abc")), &[("wrong_type", "build.task_id")]),
    (
        34,
        |d, _| {
            set(d, "/build/task_id", json!(1));
            set(d, "/build/extra/container_koji_task_id", json!("2"));
        },
        &[("task_mismatch", "build.task_id")],
    ),
    (
        35,
        |d, _| set(d, "/build/extra/typeinfo", json!({"image": {}})),
        &[("type_twice", "build.extra.typeinfo.image")],
    ),
    (
        36,
        |d, _| set(d, "/build/extra/typeinfo", json!({"no-such-type": {}})),
        &[("unknown_build_type", "build.extra.typeinfo.no-such-type")],
    ),
    (37, |d, _| remove(d, "/build/extra/image"), &[("no_build_type", "build.extra")]),
    (
        37,
        |d, _| set(d, "/build/extra", json!({"typeinfo": {"maven": {}}})),
        &[("type_not_in_build", "output[0].extra")],
    ),
    (
        38,
        |d, _| {
            repeat(d, "/buildroots/0");
            set(d, "/buildroots/1/id", json!("aarch64-1"));
        },
        &[("buildroot_unused", "buildroots[1].id")],
    ),
    (39, |d, _| repeat(d, "/buildroots/0"), &[("buildroot_twice", "buildroots[1].id")]),
    (
        40,
        |d, _| set(d, "/output/0/buildroot_id", json!("nope")),
        &[("buildroot_unknown", "output[0].buildroot_id")],
    ),
    (
        41,
        |d, _| set(d, "/output/1/buildroot_id", json!("nope")),
        &[("buildroot_unknown", "output[1].buildroot_id")],
    ),
    (42, |d, _| remove(d, "/buildroots/0/host"), &[("key_missing", "buildroots[0].host")]),
    (
        43,
        |d, _| remove(d, "/buildroots/0/content_generator"),
        &[("key_missing", "buildroots[0].content_generator")],
    ),
    (44, |d, _| remove(d, "/buildroots/0/container"), &[("key_missing", "buildroots[0].container")]),
    (45, |d, _| remove(d, "/buildroots/0/components"), &[("key_missing", "buildroots[0].components")]),
    (46, |d, _| remove(d, "/buildroots/0/tools"), &[("key_missing", "buildroots[0].tools")]),
    (47, |d, _| remove(d, "/buildroots/0/id"), &[("key_missing", "buildroots[0].id")]),
    (
        48,
        |d, _| remove(d, "/buildroots/0/tools/1/version"),
        &[("key_missing", "buildroots[0].tools[1].version")],
    ),
    (49, |d, _| repeat(d, "/buildroots/0/tools/0"), &[("tool_twice", "buildroots[0].tools[2].name")]),
    (
        50,
        |d, _| set(d, "/buildroots/0/container/type", json!(null)),
        &[("wrong_type", "buildroots[0].container.type")],
    ),
    (
        51,
        |d, _| remove(d, "/buildroots/0/content_generator/version"),
        &[("key_missing", "buildroots[0].content_generator.version")],
    ),
    (
        52,
        |_, c| c.files = Some(BTreeMap::new()),
        &[
            ("file_missing", "output[0].filename"),
            ("file_missing", "output[1].filename"),
            ("file_missing", "output[2].filename"),
            ("file_missing", "output[3].filename"),
        ],
    ),
    (53, |d, _| set(d, "/output/0/filesize", json!(1)), &[("size_differs", "output[0].filesize")]),
    (54, |d, _| remove(d, "/output/0/filesize"), &[("key_missing", "output[0].filesize")]),
    (55, |d, _| set(d, "/output/0/filesize", json!("599")), &[("wrong_type", "output[0].filesize")]),
    (
        56,
        |d, _| set(d, "/output/0/checksum", json!("0".repeat(32))),
        &[("checksum_differs", "output[0].checksum")],
    ),
    (
        57,
        |d, _| set(d, "/output/0/checksum", json!("31243C16BB1FD7B8F33460D00292823B")),
        &[("checksum_form", "output[0].checksum")],
    ),
    (
        58,
        |d, _| set(d, "/output/0/checksum_type", json!("sha512")),
        &[("checksum_type", "output[0].checksum_type")],
    ),
    (
        59,
        |d, _| set(d, "/output/0/checksum_type", json!("sha1")),
        &[("checksum_type", "output[0].checksum_type")],
    ),
    (
        60,
        |d, _| set(d, "/output/0/checksum_type", json!("adler32")),
        &[("checksum_type", "output[0].checksum_type")],
    ),
    (61, |d, _| remove(d, "/output/0/type"), &[("key_missing", "output[0].type")]),
    (62, |d, _| remove(d, "/output/0/extra"), &[("no_type_information", "output[0].extra")]),
    (63, |d, _| remove(d, "/output/0/extra/image"), &[("no_type_information", "output[0].extra")]),
    (64, |d, _| remove(d, "/output/0/extra/image/arch"), &[("key_missing", "output[0].extra.image.arch")]),
    (
        65,
        |d, _| set(d, "/output/0/extra/image/arch", json!("a".repeat(17))),
        &[("arch_too_long", "output[0].extra.image.arch")],
    ),
    (66, |d, _| set(d, "/output/0/extra/maven", json!({})), &[("several_types", "output[0].extra")]),
    (
        67,
        |d, _| set(d, "/output/0/extra/typeinfo", json!({"image": {"arch": "x86_64"}})),
        &[("type_twice", "output[0].extra.typeinfo.image")],
    ),
    (
        68,
        |d, _| set(d, "/output/0/extra", json!({"typeinfo": {"remote-sources": {}}})),
        &[("type_not_in_build", "output[0].extra")],
    ),
    (69, |d, _| set(d, "/output/0/subdir", json!("a")), &[("subdir_not_allowed", "output[0].subdir")]),
    (
        70,
        |d, _| set(d, "/output/0/components/0/type", json!("pip")),
        &[("component_type", "output[0].components[0].type")],
    ),
    (
        71,
        |d, _| set(d, "/output/0/components/0/location", json!("https://example.test")),
        &[("component_location", "output[0].components[0].location")],
    ),
    (
        72,
        |d, _| set(d, "/buildroots/0/components/0/id", json!(1)),
        &[("component_id", "buildroots[0].components[0].id")],
    ),
    (73, |d, _| remove(d, "/output/0/components/0/arch"), &[("key_missing", "output[0].components[0].arch")]),
    (
        75,
        |d, _| {
            set(
                d,
                "/output/0/components/0",
                json!({"type": "kojifile", "archive_id": 1, "filename": "a.jar"}),
            )
        },
        &[("key_missing", "output[0].components[0].nvr")],
    ),
    (77, |d, c| rename(d, c, "image.unknownext"), &[("extension", "output[0].filename")]),
    (
        78,
        |d, _| set(d, "/output/0/filename", json!(format!("sub/{IMAGE}"))),
        &[("bad_path", "output[0].filename")],
    ),
    (
        79,
        |d, _| set(d, "/output/0/filename", json!("../../../../../x.tar")),
        &[("bad_path", "output[0].filename")],
    ),
    (80, |d, _| set(d, "/output/0/filename", json!("/abs/name.tar")), &[("bad_path", "output[0].filename")]),
    (80, |d, _| set(d, "/output/1/filename", json!("")), &[("bad_path", "output[1].filename")]),
    (79, |d, _| set(d, "/output/1/relpath", json!("../../../x")), &[("bad_path", "output[1].relpath")]),
    (81, |d, _| set(d, "/output/1/type", json!("rpm")), &[("rpm_name", "output[1].filename")]),
    (82, |d, _| repeat(d, "/output/1"), &[("output_twice", "output[4].filename")]),
    (83, |d, _| repeat(d, "/output/0"), &[("output_twice", "output[4].filename")]),
    (
        84,
        |d, c| {
            set(d, "/output/0/metadata_only", json!(true));
            c.files.as_mut().unwrap().remove(IMAGE);
        },
        &[("file_missing", "output[0].filename")],
    ),
    (86, |d, _| set(d, "/build/draft", json!(true)), &[("draft", "build.draft")]),
];

/// The two imports that a hub takes although nobody can read its answers after
/// them.
const POISONOUS: &[(u8, &str)] = &[(87, "a\u{1b}b"), (88, "a\0b")];

/// Renames the image, and what was uploaded with it.
fn rename(document: &mut Value, context: &mut Context, name: &str) {
    set(document, "/output/0/filename", json!(name));
    let files = context.files.as_mut().unwrap();
    let file = files.remove(IMAGE).unwrap();
    files.insert(name.to_owned(), file);
}

#[test]
fn refusals_are_known_beforehand() {
    for (number, edit, problems) in REFUSALS {
        let mut document = document(ONE_PLATFORM);
        let mut context = context(&document);
        edit(&mut document, &mut context);
        assert_eq!(found(&document, &context, Severity::Error), expected(problems), "case {number}");
    }
}

#[test]
fn every_refusal_is_known_or_is_the_hubs_alone() {
    let mut numbers: BTreeSet<u8> = REFUSALS.iter().map(|(number, ..)| *number).collect();
    numbers.extend(POISONOUS.iter().map(|(number, _)| *number));
    // Case 7 is about text that is no document.
    numbers.insert(7);
    for (number, reason) in ONLY_THE_HUB {
        assert!(numbers.insert(*number), "case {number} is known, and not by the hub alone: {reason}");
    }
    assert_eq!(numbers, (1..=90).collect());
}

#[test]
fn text_that_is_no_json_is_refused() {
    for text in ["this is not json", "", "{", r#"{"a": "\ud800"}"#] {
        let problem = read(text.as_bytes()).unwrap_err();
        assert_eq!(problem.code, "koji.metadata_not_json", "case 7: {text}");
    }
    assert_eq!(read(b"[1]").unwrap(), json!([1]));
}

#[test]
fn characters_that_poison_answers_are_told_and_the_escaped_document_is_clean() {
    for (number, text) in POISONOUS {
        let mut document = document(ONE_PLATFORM);
        set(&mut document, "/build/extra/submitter", json!(text));
        set(&mut document, "/output/0/extra/docker/config/config/Labels", json!({*text: "x"}));
        let context = context(&document);
        let warnings = found(&document, &context, Severity::Warning);
        let key = format!("output[0].extra.docker.config.config.Labels.{}", text.escape_debug());
        assert_eq!(
            warnings,
            expected(&[("control_character", "build.extra.submitter"), ("control_character", &key)]),
            "case {number}"
        );
        let escaped = common::koji::metadata::escape_control_characters(document);
        assert_eq!(escaped.replaced, 2);
        assert_eq!(check(&escaped.value, &context), [], "case {number}");
    }
}

#[test]
fn independent_problems_are_told_together() {
    let missing = [
        ("key_missing", "metadata_version"),
        ("key_missing", "build"),
        ("key_missing", "buildroots"),
        ("key_missing", "output"),
    ];
    assert_eq!(found(&json!({}), &Context::default(), Severity::Error), expected(&missing));

    let mut document = document(ONE_PLATFORM);
    let context = context(&document);
    set(&mut document, "/build/release", json!("1-2"));
    set(&mut document, "/build/owner", json!(2));
    set(&mut document, "/buildroots/0/container/arch", json!(7));
    set(&mut document, "/output/0/filesize", json!(1));
    set(&mut document, "/output/2/checksum", json!("X"));
    let together = [
        ("bad_nvr", "build.release"),
        ("wrong_type", "build.owner"),
        ("wrong_type", "buildroots[0].container.arch"),
        ("size_differs", "output[0].filesize"),
        ("checksum_form", "output[2].checksum"),
    ];
    assert_eq!(found(&document, &context, Severity::Error), expected(&together));
}

#[test]
fn a_problem_names_place_value_and_fix() {
    let mut document = document(ONE_PLATFORM);
    set(&mut document, "/output/0/filesize", json!(1));
    let context = context(&super::document(ONE_PLATFORM));
    let problems = check(&document, &context);
    let failure = problems[0].failure();
    assert_eq!(failure.class, FailureClass::Infrastructure);
    assert_eq!(
        failure.to_string(),
        "output[0].filesize is 1, and 599 bytes were uploaded (upload the file again into a new directory, \
         or correct the size) [koji.metadata_size_differs]"
    );
}

#[test]
fn wrong_documents_of_any_shape_and_size_are_told_in_bounds() {
    for wrong in [json!(null), json!(1), json!("x"), json!(true), json!([]), json!({}), json!([[]])] {
        for pointer in [
            "/build",
            "/build/extra",
            "/build/extra/typeinfo",
            "/build/start_time",
            "/buildroots",
            "/buildroots/0",
            "/buildroots/0/id",
            "/buildroots/0/host",
            "/buildroots/0/tools/0",
            "/buildroots/0/components/0",
            "/output",
            "/output/0",
            "/output/0/extra",
            "/output/0/extra/image",
            "/output/0/checksum",
            "/output/0/relpath",
            "/output/0/buildroot_id",
        ] {
            let mut document = document(ONE_PLATFORM);
            let context = context(&document);
            set(&mut document, pointer, wrong.clone());
            check(&document, &context);
        }
    }
    let mut document = document(ONE_PLATFORM);
    set(&mut document, "/output/0/components", Value::Array(vec![json!({}); 3 * MAX_PROBLEMS]));
    assert_eq!(check(&document, &Context::default()).len(), MAX_PROBLEMS);
    let long = "ü".repeat(5000);
    set(&mut document, "/build/name", json!(long));
    assert!(check(&document, &Context::default())[0].message.len() < 400);
}
