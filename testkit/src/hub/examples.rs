//! Builds to import: metadata with the files that it tells of.

use std::{fs, io, path::Path};

use md5::{Digest as _, Md5};
use serde_json::{Value as Json, json};

/// The content generator that the examples are from.
pub const CONTENT_GENERATOR: &str = "atomic-reactor";

/// Metadata of a build and the files to upload.
#[derive(Debug, Clone)]
pub struct ExampleBuild {
    /// The metadata, version 0.
    pub metadata: Json,
    /// Files by name.
    pub files: Vec<(String, Vec<u8>)>,
}

/// A container build of one platform, with an image and two logs.
pub fn example_build(name: &str, version: &str, release: &str) -> ExampleBuild {
    let digest = "ab".repeat(32);
    let image_id = "27".repeat(32);
    let image = format!("docker-image-sha256:{image_id}.x86_64.tar.gz");
    let files = vec![
        (image.clone(), format!("an image of {name}\n").into_bytes()),
        ("x86_64-build.log".to_owned(), b"Step 1/3 : FROM fedora:latest\n".to_vec()),
        ("orchestrator.log".to_owned(), b"build has started\n".to_vec()),
    ];
    let repository = format!("registry.example.test/{name}");
    let mut output: Vec<Json> = files.iter().map(|(name, content)| log(name, content)).collect();
    if let Some(output) = output.first_mut() {
        output["type"] = json!("docker-image");
        output["components"] = json!([rpm("bash", "4.4.12", "13.fc27")]);
        output["extra"] = json!({
            "image": {"arch": "x86_64"},
            "docker": {
                "id": format!("sha256:{image_id}"),
                "parent_id": format!("sha256:{digest}"),
                "repositories": [
                    format!("{repository}:{version}-{release}"),
                    format!("{repository}@sha256:{digest}"),
                ],
                "layer_sizes": [{"diff_id": format!("sha256:{digest}"), "size": 10_240}],
                "tags": [format!("candidate-{release}-x86_64")],
                "config": {"architecture": "amd64", "os": "linux"},
                "digests": {
                    "application/vnd.docker.distribution.manifest.v2+json": format!("sha256:{digest}"),
                },
            },
        });
    }
    let metadata = json!({
        "metadata_version": 0,
        "build": {
            "name": name,
            "version": version,
            "release": release,
            "source": format!("git://git.example.test/{name}#{}", "9".repeat(40)),
            "start_time": 1_524_680_960,
            "end_time": 1_524_681_060,
            "owner": "osbs",
            "extra": {
                "image": {"autorebuild": false, "isolated": false, "help": null},
                "submitter": "osbs",
            },
        },
        "buildroots": [{
            "id": "x86_64-1",
            "host": {"os": "Fedora 27 (Workstation Edition)", "arch": "x86_64"},
            "content_generator": {"name": CONTENT_GENERATOR, "version": "1.6.32"},
            "container": {"type": "docker", "arch": "x86_64"},
            "tools": [{"name": "docker", "version": "1.13.1"}],
            "components": [rpm("glibc", "2.26", "27.fc27")],
            "extra": {"osbs": {"build_id": format!("{name}-1-build")}},
        }],
        "output": output,
    });
    ExampleBuild { metadata, files }
}

fn log(name: &str, content: &[u8]) -> Json {
    json!({
        "filename": name,
        "filesize": content.len(),
        "checksum": hex::encode(Md5::digest(content)),
        "checksum_type": "md5",
        "type": "log",
        "arch": "x86_64",
        "buildroot_id": "x86_64-1",
    })
}

fn rpm(name: &str, version: &str, release: &str) -> Json {
    json!({
        "type": "rpm",
        "name": name,
        "version": version,
        "release": release,
        "epoch": null,
        "arch": "x86_64",
        "sigmd5": "0123456789abcdef0123456789abcdef",
        "signature": "f55e7430f5282ee4",
    })
}

impl ExampleBuild {
    /// Puts the files and the metadata, as `metadata.json`, into an upload directory of
    /// a hub as if they had been uploaded.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn put(&self, top_directory: &Path, directory: &str) -> io::Result<()> {
        let directory = top_directory.join("work").join(directory);
        fs::create_dir_all(&directory)?;
        for (name, content) in &self.files {
            fs::write(directory.join(name), content)?;
        }
        fs::write(directory.join("metadata.json"), self.metadata.to_string())
    }
}
