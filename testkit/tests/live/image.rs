//! The main job: a commit becomes a multi-arch image that others accept.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    factory::{build, engine, program, registry, samples, tags},
    repositories::Repository,
};

fn site() -> String {
    format!("registries:\n  - host: \"{}\"\n    plain_http: true\n", registry())
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {errors}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads a blob of a layout and recomputes its digest.
fn blob(layout: &Path, descriptor: &Value) -> Result<Vec<u8>> {
    let digest = descriptor["digest"].as_str().context("a digest")?;
    let hexadecimal = digest.strip_prefix("sha256:").context("sha256")?;
    let bytes = std::fs::read(layout.join("blobs/sha256").join(hexadecimal))?;
    ensure!(hex::encode(Sha256::digest(&bytes)) == hexadecimal, "{digest} does not recompute");
    ensure!(descriptor["size"].as_u64() == Some(bytes.len() as u64), "{digest} has another size");
    Ok(bytes)
}

#[tokio::test]
#[ignore = "needs a Docker engine, emulation and a registry"]
async fn a_commit_becomes_an_image_for_two_architectures_in_two_places() -> Result<()> {
    let _engine = engine().await;
    let directory = tempfile::tempdir()?;
    let repository = format!("live/hello-{}", std::process::id());
    let remote = format!("docker://{}/{repository}", registry());
    let output = build(
        directory.path(),
        &site(),
        &[
            &format!("{}/hello.git", samples()),
            "--ref",
            "main",
            "--release",
            "1",
            "--to",
            "oci:out",
            "--to",
            &remote,
        ],
    )?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));

    let layout = directory.path().join("out");
    let index: Value = serde_json::from_slice(&std::fs::read(layout.join("index.json"))?)?;
    let entries = index["manifests"].as_array().context("entries")?;
    let digest = entries[0]["digest"].as_str().context("a digest")?.to_owned();
    ensure!(entries.iter().all(|entry| entry["digest"] == digest.as_str()), "only the index is tagged");
    ensure!(text.contains(&digest), "the digest of the index is shown:\n{text}");

    let list: Value = serde_json::from_slice(&blob(&layout, &entries[0])?)?;
    let mut architectures = Vec::new();
    for member in list["manifests"].as_array().context("members")? {
        let manifest: Value = serde_json::from_slice(&blob(&layout, member)?)?;
        let config: Value = serde_json::from_slice(&blob(&layout, &manifest["config"])?)?;
        ensure!(config["architecture"] == member["platform"]["architecture"]);
        architectures.push(config["architecture"].as_str().unwrap_or_default().to_owned());
        for layer in manifest["layers"].as_array().context("layers")? {
            blob(&layout, layer)?;
        }
    }
    ensure!(architectures == ["amd64", "arm64"], "{architectures:?}");

    let mut names = tags(&repository).await?;
    names.sort();
    ensure!(names.len() == 4, "{names:?}");
    ensure!(["1.0", "1.0-1", "latest"].iter().all(|name| names.iter().any(|n| n == name)), "{names:?}");

    let reference = format!("oci:{}:latest", layout.display());
    let raw = run(Command::new("skopeo").args(["inspect", "--raw", &reference]))?;
    ensure!(format!("sha256:{}", hex::encode(Sha256::digest(raw.as_bytes()))) == digest);
    let copies = [(reference.clone(), "copy-of-layout"), (format!("{remote}:1.0-1"), "copy-of-registry")];
    for (source, name) in copies {
        let target = format!("oci:{}:x", directory.path().join(name).display());
        let options = ["--insecure-policy", "copy", "--quiet", "--all", "--src-tls-verify=false"];
        run(Command::new("skopeo").args(options).args([&source, &target]))?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs a Docker engine, emulation and a registry"]
async fn the_image_carries_what_the_plan_says() -> Result<()> {
    let _engine = engine().await;
    let directory = tempfile::tempdir()?;
    let uri = format!("{}/hello.git", samples());
    let arguments = [
        uri.as_str(),
        "--release",
        "1",
        "--platform",
        "x86_64",
        "--label",
        "vendor=A \"B\" $C",
        "--output",
        "json",
    ];
    let output = build(directory.path(), &site(), &[&arguments[..], &["--to", "oci:out"]].concat())?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let settings = directory.path().join("build-site.yaml");
    let mut plan = Command::new(program("orchestrator"));
    plan.arg("plan").args(arguments).arg("--config").arg(settings);
    plan.arg("--build-arg").arg(format!("REGISTRY={}", registry()));
    let plan: Value = serde_json::from_str(&run(&mut plan)?)?;

    let layout = format!("oci:{}:latest", directory.path().join("out").display());
    let platform = ["inspect", "--override-arch", "amd64", "--config", &layout];
    let config: Value = serde_json::from_str(&run(Command::new("skopeo").args(platform))?)?;
    let labels = &config["config"]["Labels"];
    for (name, label) in plan["platforms"][0]["labels"].as_object().context("planned labels")? {
        // Each build has a date of its own.
        if name != "build-date" {
            ensure!(labels[name] == label["value"], "{name}: {} and {}", labels[name], label["value"]);
        }
    }
    ensure!(labels["vendor"] == "A \"B\" $C" && labels["build-date"].is_string(), "{labels}");
    ensure!(labels["com.redhat.build-host"].as_str().is_some_and(|host| !host.is_empty()), "{labels}");
    let history = config["history"].to_string();
    ensure!(history.contains("/root/buildinfo/"), "no copy of the Dockerfile: {history}");
    Ok(())
}

#[test]
#[ignore = "needs the built programs"]
fn every_program_says_its_version_and_contract() -> Result<()> {
    for name in ["orchestrator", "worker", "koji-bridge"] {
        let text = run(Command::new(program(name)).arg("--version"))?;
        ensure!(text.starts_with(name) && text.contains("sha256:"), "{text}");
    }
    Ok(())
}

/// An image that only the engine has, under a name that the registry does not
/// know. Gone with the test.
struct LocalImage(String);

impl LocalImage {
    fn tagged(name: &str) -> Result<Self> {
        let (base, image) = (format!("{}/base:1", registry()), format!("{}/{name}:1", registry()));
        run(Command::new("docker").args(["pull", "--quiet", &base]))?;
        run(Command::new("docker").args(["tag", &base, &image]))?;
        Ok(Self(image))
    }

    fn id(&self) -> Result<String> {
        let id = run(Command::new("docker").args(["inspect", "--format", "{{.Id}}", &self.0]))?;
        Ok(id.trim().to_owned())
    }
}

impl Drop for LocalImage {
    fn drop(&mut self) {
        let _gone = Command::new("docker").args(["rmi", &self.0]).output();
    }
}

#[tokio::test]
#[ignore = "needs a Docker engine and a registry"]
async fn a_parent_of_the_engine_alone_is_used_only_when_allowed_and_recorded_by_its_id() -> Result<()> {
    let _engine = engine().await;
    let directory = tempfile::tempdir()?;
    let parent = LocalImage::tagged("live/only-in-engine")?;
    let text = "ARG REGISTRY\nFROM ${REGISTRY}/live/only-in-engine:1\nRUN true\n";
    let repository = Repository::with(&[("Dockerfile", text)])?;
    let uri = repository.uri();
    let arguments = [uri.as_str(), "--platform", "x86_64", "--to", "oci:out", "--output", "json"];

    let output = build(directory.path(), &site(), &arguments)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.code() == Some(1) && text.contains("parent.not_found"), "{text}");
    ensure!(text.contains("--allow-local-parents"), "the advice names the way out: {text}");

    let allowed = [&arguments[..], &["--allow-local-parents"]].concat();
    let output = build(directory.path(), &site(), &allowed)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{text}");
    ensure!(text.contains("parent.local"), "a warning says so: {text}");
    let built =
        text.lines().find(|line| line.contains("x86_64/build_image") && line.contains("local_parents"));
    ensure!(built.context("the step's output")?.contains(&parent.id()?), "{text}");
    Ok(())
}
