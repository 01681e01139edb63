//! What hubs take although one might think otherwise.

use serde_json::json;

use super::*;

type Edit = fn(&mut Value, &mut Context);

/// What it is, how it is done, what is warned of.
const ACCEPTED: &[(&str, Edit, &[(&str, &str)])] = &[
    ("as it is", |_, _| {}, &[]),
    ("end before start", |d, _| set(d, "/build/end_time", json!(5)), &[("times_reversed", "build.end_time")]),
    (
        "numeric text for times",
        |d, _| {
            set(d, "/build/start_time", json!("1524680960"));
            set(d, "/build/end_time", json!("1524681060.5"));
        },
        &[],
    ),
    ("a time with a fraction", |d, _| set(d, "/build/end_time", json!(1_524_681_060.25)), &[]),
    ("numeric text for the task", |d, _| set(d, "/build/extra/container_koji_task_id", json!("12")), &[]),
    (
        "tasks that agree",
        |d, _| {
            set(d, "/build/task_id", json!(12));
            set(d, "/build/extra/container_koji_task_id", json!("12"));
        },
        &[],
    ),
    ("owner null", |d, _| set(d, "/build/owner", json!(null)), &[]),
    ("no owner", |d, _| remove(d, "/build/owner"), &[]),
    ("source null", |d, _| set(d, "/build/source", json!(null)), &[]),
    ("epoch", |d, _| set(d, "/build/epoch", json!(1)), &[]),
    ("a build type in typeinfo", |d, _| set(d, "/build/extra/typeinfo", json!({"maven": {}})), &[]),
    ("no extra of a buildroot", |d, _| remove(d, "/buildroots/0/extra"), &[]),
    ("host.os null", |d, _| set(d, "/buildroots/0/host/os", json!(null)), &[]),
    (
        "ids that are numbers",
        |d, _| {
            set(d, "/buildroots/0/id", json!(1));
            (0..4).for_each(|i| set(d, &format!("/output/{i}/buildroot_id"), json!(1)));
        },
        &[],
    ),
    ("any word as type of an archive", |d, _| set(d, "/output/0/type", json!("banana")), &[]),
    ("no components", |d, _| remove(d, "/output/0/components"), &[]),
    (
        "a package without sigmd5",
        |d, _| remove(d, "/output/0/components/0/sigmd5"),
        &[("component_unverified", "output[0].components[0].sigmd5")],
    ),
    (
        "a file that Koji may not know",
        |d, _| {
            let file = json!({"type": "file", "filename": "a", "filesize": 1, "checksum": "0", "checksum_type": "md5"});
            set(d, "/output/0/components/0", file);
        },
        &[("component_skipped", "output[0].components[0]")],
    ),
    ("subdir of a log", |d, _| set(d, "/output/1/subdir", json!("x86_64")), &[]),
    (
        "one log name in two directories",
        |d, _| {
            repeat(d, "/output/1");
            set(d, "/output/4/subdir", json!("again"));
        },
        &[],
    ),
    (
        "metadata_only",
        |d, _| set(d, "/output/0/metadata_only", json!(true)),
        &[("file_not_kept", "output[0].metadata_only")],
    ),
    (
        "unknown keys",
        |d, _| {
            for pointer in ["/new", "/build/new", "/build/extra/new", "/buildroots/0/new", "/output/0/new"] {
                set(d, pointer, json!([{"a": null}]));
            }
        },
        &[],
    ),
    (
        "sizes over 2^31 in extra",
        |d, _| set(d, "/output/0/extra/docker/layer_sizes/0/size", json!(5_000_000_000_u64)),
        &[],
    ),
    (
        "a large file with sha256",
        |d, c| {
            let sum = "ab".repeat(32);
            set(d, "/output/0/filesize", json!(5_000_000_000_u64));
            set(d, "/output/0/checksum", json!(sum));
            set(d, "/output/0/checksum_type", json!("sha256"));
            let name = d["output"][0]["filename"].as_str().unwrap();
            let file = UploadedFile { size: 5_000_000_000, md5: None, sha256: Some(sum) };
            c.files.as_mut().unwrap().insert(name.to_owned(), file);
        },
        &[],
    ),
    (
        "a file in a directory below",
        |d, c| {
            set(d, "/output/0/relpath", json!("sub/"));
            let files = c.files.as_mut().unwrap();
            let name = d["output"][0]["filename"].as_str().unwrap();
            let file = files.remove(name).unwrap();
            files.insert(format!("sub/{name}"), file);
        },
        &[],
    ),
    (
        "a directory that is the upload directory",
        |d, _| {
            set(d, "/output/0/relpath", json!("."));
            set(d, "/output/1/relpath", json!(""));
        },
        &[],
    ),
    (
        "an extension that the hub may know",
        |d, c| {
            set(d, "/output/0/filename", json!("a.unknownext"));
            *c = Context::default();
        },
        &[("extension_unusual", "output[0].filename")],
    ),
    (
        "an extension in capitals",
        |d, c| {
            set(d, "/output/0/filename", json!("a.TAR.GZ"));
            c.files = None;
        },
        &[],
    ),
];

#[test]
fn what_hubs_take_is_no_error() {
    for (what, edit, warnings) in ACCEPTED {
        let mut document = document(ONE_PLATFORM);
        let mut context = context(&document);
        edit(&mut document, &mut context);
        assert_eq!(found(&document, &context, Severity::Error), [], "{what}");
        assert_eq!(found(&document, &context, Severity::Warning), expected(warnings), "{what}");
    }
}

#[test]
fn what_is_not_known_is_not_checked() {
    let document = document(ONE_PLATFORM);
    assert_eq!(check(&document, &Context::default()), []);
}
