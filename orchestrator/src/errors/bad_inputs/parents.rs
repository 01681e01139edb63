//! Parents that a registry does not have, or not as they are needed.

use common::{request::BuildRequest, work::ManifestFormat};
use serde_json::json;
use testkit::registry::{InMemoryRegistry, Options};

use super::{
    all, held, none_of,
    world::{Entry::Text, plan, repository, site},
};
use crate::services::Reach;

/// Name, Dockerfile, code, what the message says. `base` is there for x86_64
/// alone, and is private.
const ROWS: &[(&str, &str, &str, &str)] = &[
    ("a parent that is not there", "FROM missing:1\n", "parent.not_found", "missing:1"),
    ("a parent for another platform", "FROM base:1\n", "parent.lacks_platform", "linux/arm64"),
    (
        "wider than its parent",
        "FROM base:1\nLABEL distribution-scope=public\n",
        "policy.distribution_scope",
        "private",
    ),
];

pub(super) fn codes() -> Vec<&'static str> {
    ROWS.iter().map(|row| row.2).collect()
}

async fn registry() -> InMemoryRegistry {
    let registry = InMemoryRegistry::start(Options::default()).await.unwrap();
    let format = ManifestFormat::Oci;
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": { "Labels": { "distribution-scope": "private" } },
        "rootfs": { "type": "layers", "diff_ids": [] },
    })
    .to_string();
    let size = config.len();
    let config = registry.put_blob("base", config);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": format.manifest(), "layers": [],
        "config": { "mediaType": format.config(), "digest": config.as_str(), "size": size },
    });
    registry.put_manifest("base", Some("1"), format.manifest(), manifest.to_string());
    registry
}

#[tokio::test]
async fn each_reason_has_its_own_answer() {
    common::service::install_crypto_provider();
    let registry = registry().await;
    let host = registry.host();
    let site =
        site(&format!("source_registry: '{host}'\nregistries: [{{host: '{host}', plain_http: true}}]\n"));
    let mut failures = Vec::new();
    for (name, dockerfile, code, says) in ROWS {
        let text: &'static str = Box::leak((*dockerfile).to_owned().into_boxed_str());
        let repository = repository(&[("Dockerfile", Text(text))]);
        let platforms: &[&str] = match *code {
            "parent.lacks_platform" => &["x86_64", "aarch64"],
            _ => &["x86_64"],
        };
        let request = BuildRequest {
            platforms: platforms.iter().map(|name| name.parse().unwrap()).collect(),
            ..BuildRequest::new(&repository.path().display().to_string(), None)
        };
        let told = all(plan(site.clone(), request, Reach::Questions).await.problems);
        failures.push(held(name, code, says, &told));
    }
    none_of(failures);
}
