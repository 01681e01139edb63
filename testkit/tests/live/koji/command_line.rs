//! `koji` as people type it.

use anyhow::{Result, ensure};
use testkit::hub::HubSettings;

use super::{client::OfficialClient, document, facts::Facts, hub};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the official Koji client"]
async fn the_command_line_is_told_what_the_hub_knows() -> Result<()> {
    for (settings, version) in [(HubSettings::default(), "Koji 1.35.3"), (HubSettings::old(), "Koji 1.30.1")]
    {
        let hub = hub(settings).await?;
        let client = OfficialClient::of(&hub)?;
        let rows: &[(&str, i32, &[&str])] = &[
            ("hello", 0, &["osbs!", "Authenticated via password", version]),
            ("list-tags", 0, &["f44-container-build\n", "f44-container-candidate\n"]),
            ("list-targets", 0, &["f44-container-candidate  ", "  f44-container-build  "]),
            ("list-pkgs --tag f44-container", 0, &["hello-container  ", "osbs"]),
            ("list-tagged f44-container-candidate", 0, &["Build ", "Tag ", "Built by"]),
            ("list-tagged nothing", 2, &["No such tag: nothing"]),
            ("latest-build f44-container-candidate hello-container", 0, &["Built by"]),
            ("buildinfo hello-container-1.0-9", 1, &["No such build: hello-container-1.0-9"]),
            ("buildinfo nodash", 1, &["invalid format: nodash"]),
            ("list-builds --package hello-container", 0, &["State"]),
            ("call getAPIVersion", 0, &["1\n"]),
            ("call --json-output getTag f44-container-build", 0, &[r#""arches": "x86_64 aarch64""#]),
            (
                "call --json-output getBuildTarget f44-container-candidate",
                0,
                &[r#""build_tag_name": "f44-container-build""#],
            ),
            ("call --json-output getRepo f44-container-build", 0, &[r#""state": 1"#]),
            ("call --json-output getLoggedInUser", 0, &[r#""name": "osbs""#]),
            (
                "call --kwargs={\"buildInfo\":\"nope-1-1\",\"strict\":True} getBuild",
                1,
                &["No such build: 'nope-1-1'"],
            ),
            ("call noSuchMethod", 1, &["Invalid method: noSuchMethod"]),
            ("call getTag", 1, &["missing"]),
            ("list-api", 0, &["CGImport(metadata, directory, token=None)"]),
        ];
        for (line, code, parts) in rows {
            let arguments: Vec<&str> = line.split(' ').collect();
            let ended = client.user(&arguments).await?;
            ensure!(ended.code == Some(*code), "koji {line}: {ended:?}");
            for part in *parts {
                ensure!(ended.text.contains(part), "koji {line}, without {part}: {ended:?}");
            }
        }
        hub.stop().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the official Koji client"]
async fn a_build_is_imported_tagged_and_untagged_by_hand() -> Result<()> {
    let hub = hub(HubSettings::default()).await?;
    let client = OfficialClient::of(&hub)?;
    let files = client.file("files");
    document::write(&files, "1")?;
    let (metadata, files) = (files.join("metadata.json"), files.to_string_lossy().into_owned());
    let (metadata, nvr) = (metadata.to_string_lossy().into_owned(), document::nvr("1"));
    let (nvr, candidate) = (nvr.as_str(), "f44-container-candidate");
    let import: &[&str] = &["import-cg", "--noprogress", &metadata, &files];
    let steps: &[(&[&str], i32, &[&str])] = &[
        (import, 0, &["Uploading ", "Imported build hello-container-1.0-1 with id 1"]),
        (import, 1, &["Build already exists: hello-container-1.0-1 (id=1)"]),
        (&["reserve-cg", "atomic-reactor", nvr], 1, &["Build already exists (id=1, state=COMPLETE)"]),
        (
            &["buildinfo", nvr],
            0,
            &[
                "BUILD: hello-container-1.0-1 [1]",
                "State: COMPLETE",
                "Built by: osbs",
                "Image archives:",
                "x86_64.tar.gz",
            ],
        ),
        (&["list-tagged", candidate], 0, &["Built by"]),
        (&["tag-build", "--wait", candidate, nvr], 0, &["Created task ", "completed successfully"]),
        (&["list-tagged", candidate], 0, &["hello-container-1.0-1 ", candidate, "osbs"]),
        (&["latest-build", candidate, "hello-container"], 0, &["hello-container-1.0-1 "]),
        (&["buildinfo", nvr], 0, &["Tags: f44-container-candidate"]),
        // The task finds that out, not the call.
        (&["tag-build", "--wait", candidate, nvr], 1, &["already tagged"]),
        (&["tag-build", "nothing", nvr], 1, &["No such tagInfo: 'nothing'"]),
        (&["tag-build", candidate, "hello-container-1.0-9"], 1, &["No such build: 'hello-container-1.0-9'"]),
        (&["call", "untagBuild", candidate, nvr], 0, &["None"]),
        (&["call", "untagBuild", candidate, nvr], 1, &["not in tag f44-container-candidate"]),
        (&["reserve-cg", "atomic-reactor", "hello-container-1.0-2"], 0, &["Reserved build 2 with token '"]),
        (&["buildinfo", "hello-container-1.0-2"], 0, &["State: BUILDING", "Reserved by: atomic-reactor"]),
        (&["call", "cancelBuild", "2"], 0, &["True"]),
        (&["buildinfo", "hello-container-1.0-2"], 0, &["State: CANCELED"]),
    ];
    for (arguments, code, parts) in steps {
        let ended = client.user(arguments).await?;
        ensure!(ended.code == Some(*code), "koji {arguments:?}: {ended:?}");
        for part in *parts {
            ensure!(ended.text.contains(part), "koji {arguments:?}, without {part}: {ended:?}");
        }
    }
    let facts = Facts::read(&client, nvr).await?;
    ensure!(facts.tags().is_empty() && facts.archives().len() == 2, "{facts:?}");
    ensure!(client.anonymous(&["buildinfo", nvr]).await?.code == Some(0), "reading needs no login");
    ensure!(client.anonymous(&["call", "CGRefundBuild"]).await?.code != Some(0), "writing does");
    Ok(())
}
