//! The same against software of others: the `docker-registry` of Debian, and
//! skopeo, which has to accept what we write.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends there")]

mod fixture;

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use common::{image::Host, platform::Architecture, work::ManifestFormat};
use fixture::{client, descriptor, noise, plain, remote, tag, write_index};
use registry_client::{
    BlobSource, HostSettings, Layout, Registry, RegistryError, Selector,
    copy::copy_manifest_by_digest,
    resolve::resolve,
    verify::{Depth, verify},
};

/// A `docker-registry` process with its contents in a directory of its own.
struct DockerRegistry {
    child: Child,
    host: Host,
    _directory: tempfile::TempDir,
}

impl DockerRegistry {
    async fn start(more: &str) -> Self {
        Self::with_deletion(true, more).await
    }

    async fn with_deletion(enabled: bool, more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let config = directory.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: \
             {{enabled: {enabled}}}\nhttp:\n  addr: 127.0.0.1:{port}\n{more}",
            directory.path().join("data").display()
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new("docker-registry").arg("serve").arg(&config).stderr(Stdio::null()).spawn();
        let child = child.expect("docker-registry can be started");
        let registry =
            Self { child, host: format!("127.0.0.1:{port}").parse().unwrap(), _directory: directory };
        for _ in 0..500 {
            if tokio::net::TcpStream::connect(registry.host.as_str()).await.is_ok() {
                return registry;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("docker-registry does not listen");
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn skopeo(arguments: &[&str]) -> Output {
    let output = Command::new("skopeo").arg("--insecure-policy").args(arguments).output().unwrap();
    assert!(output.status.success(), "skopeo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn oci(directory: &Path, tag: &str) -> String {
    format!("oci:{}:{tag}", directory.display())
}

#[tokio::test]
#[ignore = "needs docker-registry and skopeo"]
async fn a_real_registry_takes_and_gives_everything() {
    let registry = DockerRegistry::start("").await;
    let (first, second) = (remote(&registry.host, "team/first"), remote(&registry.host, "second"));
    let index = write_index(&first, ManifestFormat::Docker, "1").await;
    verify(&first, &index, Depth::Content).await.unwrap();
    assert_eq!(first.head_manifest(&tag("1")).await.unwrap().as_ref(), Some(&index));

    let copied = copy_manifest_by_digest(&first, &second, &index).await.unwrap();
    assert_eq!((copied.manifests, copied.mounted, copied.sent), (3, 4, 0));
    verify(&second, &index, Depth::Content).await.unwrap();
    assert!(second.tags().await.unwrap().is_empty());
    let image = resolve(&second, &Selector::from(index.digest.clone()), &Architecture::plain("arm64")).await;
    assert_eq!(image.unwrap().unwrap().labels["name"], "sample");

    let raw =
        skopeo(&["inspect", "--tls-verify=false", "--raw", &format!("docker://{}:1", first.describe())]);
    assert_eq!(descriptor(&raw.stdout).digest, index.digest);

    let content = noise(3_000_000);
    let blob = descriptor(&content);
    let settings = HostSettings { upload_chunk_bytes: Some(1_000_000), ..plain() };
    let in_pieces = client(settings).repository(&registry.host, &"pieces".parse().unwrap());
    in_pieces.write_blob(&blob, &BlobSource::Bytes(content)).await.unwrap();
    assert!(in_pieces.has_blob(&blob).await.unwrap());

    assert_eq!(first.tags().await.unwrap(), ["1".parse().unwrap()]);
    assert!(first.delete_manifest(&index.digest).await.unwrap());
    assert_eq!(first.manifest(&tag("1")).await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn a_real_registry_loses_one_tag_and_nothing_else() {
    let registry = DockerRegistry::start("").await;
    let remote = remote(&registry.host, "team/tags");
    let index = write_index(&remote, ManifestFormat::Docker, "1").await;
    assert_eq!(write_index(&remote, ManifestFormat::Docker, "2").await, index);
    assert!(remote.delete_tag(&"1".parse().unwrap()).await.unwrap());
    assert!(!remote.delete_tag(&"1".parse().unwrap()).await.unwrap());
    assert_eq!(remote.head_manifest(&tag("1")).await.unwrap(), None);
    assert_eq!(remote.tags().await.unwrap(), ["2".parse().unwrap()]);
    assert_eq!(remote.head_manifest(&tag("2")).await.unwrap().as_ref(), Some(&index));
    verify(&remote, &index, Depth::Content).await.unwrap();
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn a_real_registry_without_deletion_keeps_the_tag() {
    let registry = DockerRegistry::with_deletion(false, "").await;
    let remote = remote(&registry.host, "a");
    let index = write_index(&remote, ManifestFormat::Oci, "1").await;
    let refused = remote.delete_tag(&"1".parse().unwrap()).await.unwrap_err();
    assert!(matches!(refused, RegistryError::DeletionDisabled { .. }), "{refused}");
    assert_eq!(remote.head_manifest(&tag("1")).await.unwrap(), Some(index));
    assert!(!remote.delete_tag(&"2".parse().unwrap()).await.unwrap());
}

#[tokio::test]
#[ignore = "needs docker-registry and openssl"]
async fn a_private_authority_is_trusted_when_the_site_says_so() {
    let scratch = tempfile::tempdir().unwrap();
    let openssl = |arguments: &str| {
        let key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
        let arguments = format!("{key} {arguments}");
        let made = Command::new("openssl").args(arguments.split(' ')).current_dir(&scratch).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    openssl("-subj /CN=authority -keyout ca.key -out ca.pem");
    openssl(
        "-subj /CN=registry -CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE \
         -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out certificate.pem",
    );
    let path = |name: &str| scratch.path().join(name);
    let tls = format!(
        "  tls: {{certificate: {}, key: {}}}\n",
        path("certificate.pem").display(),
        path("key.pem").display()
    );
    let registry = DockerRegistry::start(&tls).await;
    let repository = "a".parse().unwrap();

    let trusting = HostSettings { ca_file: Some(path("ca.pem")), ..HostSettings::default() };
    let remote = client(trusting).repository(&registry.host, &repository);
    let index = write_index(&remote, ManifestFormat::Oci, "1").await;
    verify(&remote, &index, Depth::Content).await.unwrap();

    let wary = client(HostSettings::default()).repository(&registry.host, &repository);
    let error = wary.manifest(&tag("1")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Certificate { .. }), "{error:?}");
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn a_password_opens_a_real_registry() {
    let scratch = tempfile::tempdir().unwrap();
    let (users, file) = (scratch.path().join("htpasswd"), scratch.path().join("config.json"));
    // The bcrypt hash of `hunter2`.
    std::fs::write(&users, "user:$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.\n").unwrap();
    let auth = format!("auth:\n  htpasswd: {{realm: test, path: {}}}\n", users.display());
    let registry = DockerRegistry::start(&auth).await;
    let auths = format!(r#"{{"auths":{{"{}":{{"auth":"dXNlcjpodW50ZXIy"}}}}}}"#, registry.host);
    std::fs::write(&file, auths).unwrap();
    let settings = HostSettings { credentials_file: Some(file), ..plain() };
    let known = client(settings).repository(&registry.host, &"a".parse().unwrap());
    let index = write_index(&known, ManifestFormat::Oci, "1").await;
    verify(&known, &index, Depth::Content).await.unwrap();
    let unknown = remote(&registry.host, "a").manifest(&tag("1")).await.unwrap_err();
    assert_eq!(unknown.status(), Some(401));
}

#[tokio::test]
#[ignore = "needs skopeo"]
async fn skopeo_accepts_our_layouts() {
    let directory = tempfile::tempdir().unwrap();
    let ours = directory.path().join("ours");
    let layout = Layout::create(&ours).await.unwrap();
    let index = write_index(&layout, ManifestFormat::Oci, "1.0-3").await;
    write_index(&layout, ManifestFormat::Oci, "latest").await;
    let raw = skopeo(&["inspect", "--raw", &oci(&ours, "1.0-3")]);
    assert_eq!(descriptor(&raw.stdout).digest, index.digest);

    let theirs = directory.path().join("theirs");
    skopeo(&["copy", "--all", &oci(&ours, "1.0-3"), &oci(&theirs, "copied")]);
    let copied = Layout::open(&theirs).await.unwrap();
    let found = copied.head_manifest(&tag("copied")).await.unwrap().unwrap();
    assert_eq!(found, index);
    verify(&copied, &index, Depth::Content).await.unwrap();

    // And the other way: a layout that skopeo began goes on.
    copied.put_manifest(&tag("again"), &index.media_type, raw.stdout.into()).await.unwrap();
    skopeo(&["inspect", "--raw", &oci(&theirs, "again")]);
    skopeo(&["inspect", "--raw", &oci(&theirs, "copied")]);
}
