//! `koji-bridge import`.

use std::fs;

use serde_json::{Value, json};
use testkit::hub::Effect;

use super::{Bench, secret};
use crate::support::{PACKAGE, document};

impl Bench {
    /// Puts a document and its files into a directory.
    fn lay_out(&self, release: &str, edit: impl FnOnce(&mut Value)) {
        let (mut document, files) = document("by hand", release);
        edit(&mut document);
        fs::create_dir_all(self.path("files")).unwrap();
        fs::write(self.path("files/metadata.json"), document.to_string()).unwrap();
        for (name, content) in files {
            fs::write(self.path("files").join(name), content).unwrap();
        }
    }

    fn build(&self, release: &str) -> Option<(u64, u8)> {
        self.hub.state(|state| {
            let id = state.build_id(PACKAGE, "1.0", release)?;
            Some((id, state.builds[&id].state))
        })
    }
}

#[tokio::test]
async fn a_build_is_imported_once() {
    let mut bench = Bench::new().await;
    bench.settings["koji"]["web_url"] = "https://koji.example.org/koji".into();
    bench.lay_out("1", |_| {});
    let dry = bench.run("import files/metadata.json --dry-run").await;
    assert_eq!((dry.code, bench.hub.calls().len()), (Some(0), 0), "{dry:?}");
    let ended = bench.run("import files/metadata.json").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (id, state) = bench.build("1").unwrap();
    assert_eq!(state, 1);
    let link = format!("https://koji.example.org/koji/buildinfo?buildID={id}\n");
    assert!(ended.stdout.ends_with(&link), "{ended:?}");
    let uploads = bench.hub.count("rawUpload");
    let again = bench.run("import files/metadata.json").await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.stdout.contains("was imported before"), "{again:?}");
    // Nothing was uploaded for it.
    assert_eq!((bench.hub.count("CGImport"), bench.hub.count("rawUpload")), (1, uploads));
    // Another build of the name is refused.
    bench.lay_out("1", |document| document["build"]["source"] = "git://git.example.org/other#1".into());
    let other = bench.run("import files/metadata.json").await;
    assert_eq!(other.code, Some(2), "{other:?}");
    assert!(other.stderr.contains("[koji.build_exists]") && other.stderr.contains("hint: "), "{other:?}");
}

#[tokio::test]
async fn all_problems_come_at_once_and_the_hub_is_not_asked() {
    let bench = Bench::new().await;
    let file = |name: &str| bench.path("files").join(name);
    type Edit = fn(&mut Value);
    let rows: [(&str, Edit, &dyn Fn(), &[&str]); 5] = [
        (
            "a file is gone, and a key",
            |document| drop(document["build"].as_object_mut().unwrap().remove("source")),
            &|| fs::remove_file(file("x86_64.log")).unwrap(),
            &["koji.import_file", "koji.metadata_key_missing", "files/x86_64.log"],
        ),
        (
            "another content of the same size",
            |_| {},
            &|| {
                let size = fs::metadata(file("image.tar.gz")).unwrap().len();
                fs::write(file("image.tar.gz"), vec![b'x'; usize::try_from(size).unwrap()]).unwrap();
            },
            &["koji.metadata_checksum_differs", "output[0].checksum"],
        ),
        (
            "another size",
            |_| {},
            &|| fs::write(file("image.tar.gz"), "x").unwrap(),
            &["koji.metadata_size_differs", "output[0].filesize"],
        ),
        (
            "a folder",
            |document| document["output"][1]["relpath"] = "logs".into(),
            &|| {},
            &["koji.import_folder", "output[1]"],
        ),
        (
            "a name that leads out",
            |document| document["output"][0]["filename"] = "../image.tar.gz".into(),
            &|| {},
            &["koji.import_folder", "koji.metadata_bad_path"],
        ),
    ];
    for (case, edit, arrange, words) in rows {
        bench.lay_out("1", edit);
        arrange();
        for line in ["import files/metadata.json", "import files/metadata.json --dry-run"] {
            let ended = bench.run(line).await;
            assert_eq!(ended.code, Some(2), "{case}: {ended:?}");
            assert!(words.iter().all(|word| ended.stderr.contains(word)), "{case}: {ended:?}");
        }
    }
    for (line, code, exit) in [
        ("import nowhere.json", "koji.import_file", 2),
        ("import password", "koji.metadata_not_json", 2),
        ("import files/metadata.json --token-file nowhere", "koji.secret_file", 3),
    ] {
        let ended = bench.run(line).await;
        assert_eq!(ended.code, Some(exit), "{line}: {ended:?}");
        assert!(ended.stderr.contains(code), "{line}: {ended:?}");
    }
    assert_eq!(bench.hub.calls().len(), 0);
}

#[tokio::test]
async fn a_reserved_build_is_imported_with_its_token() {
    let bench = Bench::new().await;
    let (id, token) = bench.reserve("1").await;
    secret(bench.directory.path(), "token", &token);
    bench.lay_out("1", |document| document["build"]["build_id"] = json!(id));
    let ended = bench.run("import files/metadata.json --token-file token").await;
    assert_eq!((ended.code, bench.build("1")), (Some(0), Some((id, 1))), "{ended:?}");
    assert!(!format!("{ended:?}").contains(&token));
    let again = bench.run("import files/metadata.json --token-file token").await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(bench.hub.count("CGImport"), 1);
}

#[tokio::test]
async fn an_import_reserves_for_itself_and_leaves_nothing_behind() {
    let bench = Bench::new().await;
    bench.lay_out("1", |_| {});
    bench.hub.fault("CGImport", 1, Effect::Raise(1004, "policy violation (cg_import)".into()));
    let refused = bench.run("import files/metadata.json --reserve").await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert_eq!(bench.build("1").unwrap().1, 3, "given back: {refused:?}");
    let ended = bench.run("import files/metadata.json --reserve").await;
    assert_eq!((ended.code, bench.build("1").unwrap().1), (Some(0), 1), "{ended:?}");
    let again = bench.run("import files/metadata.json --reserve").await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(bench.hub.state(|state| state.builds.len()), 1);
    // What passes keeps its reservation, and the same command takes it over.
    bench.lay_out("2", |_| {});
    bench.hub.fault("CGImport", 100, Effect::Offline);
    let offline = bench.run("import files/metadata.json --reserve").await;
    assert_eq!((offline.code, bench.build("2").unwrap().1), (Some(75), 0), "{offline:?}");
    bench.hub.clear_faults();
    let ended = bench.run("import files/metadata.json --reserve").await;
    assert_eq!((ended.code, bench.build("2").unwrap().1), (Some(0), 1), "{ended:?}");
    bench.lay_out("3", |document| document["build"]["build_id"] = json!(5));
    let twice = bench.run("import files/metadata.json --reserve").await;
    assert!(twice.code == Some(2) && twice.stderr.contains("koji.import_reserved"), "{twice:?}");
}
