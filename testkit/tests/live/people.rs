//! What people do at a terminal: commands against a running service, and a
//! build in the foreground that they interrupt.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use serde_json::Value;
use testkit::registry::{Auth, InMemoryRegistry, Options};

use crate::{
    factory::{Factory, build, containers, engine, program, registry},
    repositories::{Repository, on_base},
};

fn orchestrator(arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let output = Command::new(program("orchestrator")).args(arguments).stdin(Stdio::null()).output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&text).into_owned()))
}

#[tokio::test]
#[ignore = "needs a Docker engine and a registry"]
async fn a_service_with_a_local_worker_is_used_by_commands_alone() -> Result<()> {
    let factory = Factory::start("workers:\n  local:\n    platforms: [x86_64]\n").await?;
    let repository = Repository::with(&[("Dockerfile", &on_base("RUN echo built by hand"))])?;
    let (server, uri) = (factory.server(), repository.uri());
    let argument = format!("REGISTRY={}", registry());
    let submit = ["--platform", "x86_64", "--build-arg", &argument, "--idempotency-key", "once", "--watch"];
    let (code, text) =
        orchestrator(&[&["builds", "submit", &uri, "--server", &server][..], &submit].concat())?;
    ensure!(code == Some(0) && text.contains("built by hand"), "{text}");

    let (_, again) = orchestrator(&[&["builds", "submit", &uri, "--server", &server][..], &submit].concat())?;
    ensure!(again.contains("succeeded"), "the same key is the same build, watched again:\n{again}");
    let (code, list) = orchestrator(&["builds", "list", "--server", &server, "--output", "json"])?;
    ensure!(code == Some(0), "{list}");
    ensure!(list.matches("bld_").count() == 1, "one build, although it was submitted twice:\n{list}");
    let id = &list[list.find("bld_").context("an id")?..][..36];

    let (code, shown) = orchestrator(&["builds", "show", id, "--server", &server])?;
    ensure!(code == Some(0) && shown.contains("succeeded") && shown.contains("sha256:"), "{shown}");
    let (code, log) = orchestrator(&["builds", "logs", &id[..30], "--server", &server])?;
    ensure!(code == Some(0) && log.contains("built by hand"), "{log}");
    let (code, none) = orchestrator(&["builds", "show", "bld_none", "--server", &server])?;
    ensure!(code != Some(0) && none.contains("bld_none"), "{none}");
    let (code, workers) = orchestrator(&["workers", "list", "--server", &server])?;
    ensure!(code == Some(0) && workers.contains("x86_64"), "{workers}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a Docker engine and a registry"]
async fn ctrl_c_cancels_a_build_in_the_foreground() -> Result<()> {
    let _engine = engine().await;
    let before = containers()?;
    let directory = tempfile::tempdir()?;
    let repository = Repository::with(&[("Dockerfile", &on_base("RUN echo has begun && sleep 1000"))])?;
    let site = directory.path().join("site.yaml");
    std::fs::write(&site, format!("registries:\n  - host: \"{}\"\n    plain_http: true\n", registry()))?;
    let mut child = Command::new(program("orchestrator"))
        .current_dir(directory.path())
        .args(["build", &repository.uri(), "--platform", "x86_64", "--to", "oci:out", "--config"])
        .arg(&site)
        .args(["--build-arg", &format!("REGISTRY={}", registry())])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
    let begun = lines.by_ref().map_while(Result::ok).any(|line| line.ends_with("| has begun"));
    ensure!(begun, "the build ended before it began");
    ensure!(Command::new("kill").args(["-INT", &child.id().to_string()]).status()?.success());
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let code = child.wait()?.code();
    ensure!(code == Some(130), "{code:?}\n{}", rest.join("\n"));
    ensure!(rest.iter().any(|line| line.contains("cancelled")), "{}", rest.join("\n"));
    ensure!(containers()? == before, "a container was left");
    let index = std::fs::read_to_string(directory.path().join("out/index.json")).unwrap_or_default();
    ensure!(!index.contains("digest"), "a tag was left: {index}");
    Ok(())
}

// The registry in memory answers while this test waits for a process.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker engine and a registry"]
async fn a_registry_that_wants_a_login_gets_the_one_from_the_file() -> Result<()> {
    let _engine = engine().await;
    let directory = tempfile::tempdir()?;
    let login = base64::engine::general_purpose::STANDARD.encode("builder:hunter2");
    let auth = Auth::Token(Some(format!("Basic {login}")));
    let target = InMemoryRegistry::start(Options { auth, ..Options::default() }).await?;
    let host = target.host();
    let credentials = directory.path().join("config.json");
    std::fs::write(&credentials, format!(r#"{{"auths": {{"{host}": {{"auth": "{login}"}}}}}}"#))?;
    let site = |credentials: &str| {
        format!(
            "registries:\n  - host: \"{}\"\n    plain_http: true\n  - host: \"{host}\"\n    plain_http: true\n{credentials}",
            registry()
        )
    };
    let repository = Repository::with(&[("Dockerfile", &on_base("RUN true"))])?;
    let (uri, to) = (repository.uri(), format!("docker://{host}/private/image"));
    let arguments = [uri.as_str(), "--platform", "x86_64", "--to", &to, "--output", "json"];

    let output = build(directory.path(), &site(""), &arguments)?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.code() == Some(1) && text.contains("registry.unauthorized"), "{text}");
    ensure!(!text.contains("build_image"), "it was found out before anything was built");

    let file = format!("    credentials_file: {}\n", credentials.display());
    let output = build(directory.path(), &site(&file), &arguments)?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let all = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    ensure!(!all.contains("hunter2") && !all.contains(&login), "a secret was printed");
    let last: Value = serde_json::from_str(text.lines().last().context("a line")?)?;
    let digest = last.to_string();
    ensure!(target.tags("private/image").values().all(|tag| digest.contains(tag.as_str())), "{digest}");
    ensure!(!target.tags("private/image").is_empty());
    Ok(())
}
