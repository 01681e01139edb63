//! A build for Koji as a content generator describes it: two platforms, three logs, and
//! the files themselves.

use std::path::Path;

use anyhow::Result;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

/// Name of the package.
pub(super) const NAME: &str = "hello-container";
/// Its version.
pub(super) const VERSION: &str = "1.0";

/// Name, version and release.
pub(super) fn nvr(release: &str) -> String {
    format!("{NAME}-{VERSION}-{release}")
}

/// Writes the files into a directory and answers with the document. The files are the
/// same for every release; so are the names, as they follow from the content.
///
/// # Errors
/// A file cannot be written.
pub(super) fn write(directory: &Path, release: &str) -> Result<Value> {
    std::fs::create_dir_all(directory)?;
    let mut outputs = Vec::new();
    for platform in ["x86_64", "aarch64"] {
        let id = format!("sha256:{}", hex::encode(<sha2::Sha256 as sha2::Digest>::digest(platform)));
        // Big enough for several blocks of an upload.
        let content = platform.repeat(50_000);
        outputs.push(output(directory, &format!("docker-image-{id}.{platform}.tar.gz"), &content, platform)?);
        if let Some(Value::Object(output)) = outputs.last_mut() {
            output.insert("type".to_owned(), json!("docker-image"));
            output.insert("components".to_owned(), json!([component("bash", platform)]));
            output.insert("extra".to_owned(), image(&id, platform, release));
        }
        let name = format!("{platform}-build.log");
        outputs.push(output(directory, &name, &format!("Step 1 on {platform}\n"), platform)?);
    }
    let mut log = output(directory, "orchestrator.log", "It began, and it ended: ¡sí!\n", "x86_64")?;
    if let Some(log) = log.as_object_mut() {
        log.insert("arch".to_owned(), json!("noarch"));
    }
    outputs.push(log);
    let document = json!({
        "metadata_version": 0,
        "build": {
            "name": NAME, "version": VERSION, "release": release,
            "source": "git://git.example.org/hello#4f1c2d0000000000000000000000000000000000",
            "start_time": 1_795_420_000, "end_time": 1_795_420_060, "owner": super::USER.0,
            "extra": {
                "submitter": super::USER.0,
                "image": {
                    "autorebuild": false, "isolated": false, "help": null,
                    "media_types": ["application/vnd.docker.distribution.manifest.list.v2+json"],
                    "index": {
                        "tags": [format!("{VERSION}-{release}")],
                        "floating_tags": ["latest", VERSION],
                        "pull": [format!("registry.example.org/hello:{VERSION}-{release}")],
                        "digests": {"application/vnd.docker.distribution.manifest.list.v2+json": digest("index")},
                    },
                },
            },
        },
        "buildroots": [buildroot("x86_64"), buildroot("aarch64")],
        "output": outputs,
    });
    std::fs::write(directory.join("metadata.json"), serde_json::to_vec_pretty(&document)?)?;
    Ok(document)
}

fn digest(of: &str) -> String {
    format!("sha256:{}", hex::encode(<sha2::Sha256 as sha2::Digest>::digest(of)))
}

fn output(directory: &Path, name: &str, content: &str, platform: &str) -> Result<Value> {
    std::fs::write(directory.join(name), content)?;
    Ok(json!({
        "filename": name, "filesize": content.len(),
        "checksum": hex::encode(Md5::digest(content)), "checksum_type": "md5",
        "type": "log", "arch": platform, "buildroot_id": format!("{platform}-1"),
    }))
}

fn image(id: &str, platform: &str, release: &str) -> Value {
    json!({
        "image": {"arch": platform},
        "docker": {
            "id": id, "parent_id": digest("parent"),
            "repositories": [
                format!("registry.example.org/hello:{VERSION}-{release}"),
                format!("registry.example.org/hello@{}", digest(platform)),
            ],
            // More than fits into 32 bits.
            "layer_sizes": [{"diff_id": digest("layer"), "size": 5_000_000_000_i64}],
            "tags": [format!("candidate-1-20261123000000-{platform}")],
            "config": {"architecture": platform, "os": "linux", "config": {"Cmd": ["world"]}},
            "digests": {"application/vnd.docker.distribution.manifest.v2+json": digest(platform)},
        },
    })
}

fn component(name: &str, platform: &str) -> Value {
    json!({
        "type": "rpm", "name": name, "version": "5.2", "release": "1.fc44", "epoch": null, "arch": platform,
        "sigmd5": "fedcba9876543210fedcba9876543210", "signature": "f55e7430f5282ee4",
    })
}

fn buildroot(platform: &str) -> Value {
    json!({
        "id": format!("{platform}-1"),
        "host": {"os": "Debian GNU/Linux 12", "arch": platform},
        "content_generator": {"name": "atomic-reactor", "version": "0.1.0"},
        "container": {"type": "docker", "arch": platform},
        "tools": [{"name": "docker", "version": "20.10.24"}],
        "components": [component("glibc", platform)],
        "extra": {},
    })
}
