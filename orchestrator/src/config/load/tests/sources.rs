//! Layers that are no files, names that are no keys, and bounds.

use std::os::unix::fs::symlink;

use super::*;

fn layer(text: &str) -> [SiteLayer; 1] {
    [SiteLayer::Text { name: "REACTOR_CONFIG".to_owned(), text: text.to_owned() }]
}

fn problems(text: &str) -> Vec<String> {
    match Site::read_layers(&layer(text), [], &[]) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.problems.iter().map(|error| format!("{} {error}", error.code())).collect(),
    }
}

#[test]
fn a_text_is_a_layer_with_its_name_and_lines() {
    let site = Site::read_layers(&layer("version: 1\nimage_labels:\n  vendor: A\n"), [], &[]).unwrap();
    let origin = site.origins().of("labels.set.vendor").to_string();
    assert_eq!(origin, "REACTOR_CONFIG:3 (image_labels.vendor)");
    assert!(!format!("{:?}", layer("koji: secret")).contains("secret"));
}

#[test]
fn keys_with_dots_and_without_values_are_named_together() {
    for (text, expected) in [
        (
            "builds.attempts: 3\n",
            &["config.unknown_key REACTOR_CONFIG:1: there is no setting 'builds.attempts' in one word; \
               write it as nested keys"][..],
        ),
        (
            "workers:\n  local.slots: 3\n",
            &["config.unknown_key REACTOR_CONFIG:2: there is no setting 'workers.local.slots' in one word"],
        ),
        ("a.b: 3\n", &["config.unknown_key REACTOR_CONFIG:1: there is no setting 'a"]),
        (
            "version: 1\nkoji.hub_url: x\n",
            &["config.unknown_key REACTOR_CONFIG:2: there is no setting 'koji.hub_url' in one word"],
        ),
        (
            "version:\nfoo: 1\n",
            &[
                "config.unknown_key REACTOR_CONFIG:2: there is no setting 'foo'",
                "config.bad_value REACTOR_CONFIG:1: 'version' cannot be set to this: it has no value",
            ],
        ),
        (
            "version: 1\nodcs:\npdcc: 1\n",
            &[
                "config.unknown_key REACTOR_CONFIG:3: there is no setting 'pdcc'; did you mean 'pdc'?",
                "config.bad_value REACTOR_CONFIG:2: 'odcs' cannot be set to this: it has no value",
            ],
        ),
        (
            "version: 2\nfoo: 1\n",
            &[
                "config.unknown_key REACTOR_CONFIG:2: there is no setting 'foo'",
                "config.unknown_version REACTOR_CONFIG:1: there is no version '2'",
            ],
        ),
    ] {
        let found = problems(text);
        assert_eq!(found.len(), expected.len(), "{text}: {found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}\n{expected}");
        }
    }
    assert!(problems("labels: {set: {a.b: c}}\n").is_empty(), "names of labels have dots");
}

#[test]
fn variables_that_are_no_text_are_named() {
    let errors = Site::load(&[], environment("REACTOR__BUILDS__TIME", "\0"), &[]).unwrap_err();
    assert_eq!(errors.problems[0].code(), "config.not_utf8");
    assert!(errors.to_string().contains("REACTOR__BUILDS__TIME"), "{errors}");
}

#[test]
fn a_directory_tells_what_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let load = || Site::load(&[directory.path().to_owned()], [], &[]);
    assert!(load().unwrap().notices()[0].contains("has no file that ends in .yaml"));
    write(directory.path(), "a.yml", "builds: {attempts: 9}\n");
    write(directory.path(), "b.yaml", "builds: {attempts: 3}\n");
    let site = load().unwrap();
    assert_eq!((site.builds.attempts, site.notices().len()), (3, 1));
    assert!(site.notices()[0].contains("a.yml was not read"), "{:?}", site.notices());
    symlink("/nonexistent/c.yaml", directory.path().join("c.yaml")).unwrap();
    let errors = load().unwrap_err();
    assert_eq!(errors.problems[0].code(), "config.unreadable");
    assert!(errors.to_string().contains("c.yaml") && errors.notices.len() == 1, "{errors}");
}

#[test]
fn long_lists_are_refused_soon() {
    let many = |entry: &dyn Fn(usize) -> String| (0..30_000).map(entry).collect::<String>();
    for (start, entry, key) in [
        ("registries:\n", (&|_| "- {host: h}\n".to_owned()) as &dyn Fn(usize) -> String, "registries"),
        ("registries:\n", &|n| format!("- {{host: h{n}}}\n"), "registries"),
        ("pools:\n  x86_64:\n", &|n| format!("  - {{name: p{n}, max_builds: 1}}\n"), "pools.x86_64"),
        ("publication:\n  registries:\n", &|n| format!("  - h{n}\n"), "publication.registries"),
    ] {
        let errors = Site::read_layers(&layer(&format!("{start}{}", many(entry))), [], &[]).unwrap_err();
        let found: Vec<_> = errors.problems.iter().map(|error| (error.code(), error.key())).collect();
        assert_eq!(found, [("config.too_many", Some(key))], "{start}");
    }
    let text = format!("version: 1\nregistries:\n{}", many(&|_| "- {url: 'ftp://h'}\n".to_owned()));
    assert_eq!(problems(&text).len(), 100, "of one kind");
    let twice = many(&|n| if n < 900 { "- {host: h}\n".to_owned() } else { String::new() });
    assert_eq!(problems(&format!("registries:\n{twice}")).len(), 1, "a name that stands twice is told once");
}
