//! The official client logs in by certificate.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::hub::{ClientCertificates, HubSettings, KojiHub};

use super::{client::OfficialClient, document, furnish};

/// Logs in by certificate and reserves a build. Arguments: certificate, authority, user
/// to act for.
const RESERVE: &str = r#"
certificate, authority, proxied = ARGUMENTS
hub = koji.ClientSession(URL, PATIENCE)
failed = failure(hub.ssl_login, certificate, None, authority, proxyuser=proxied or None)
if failed:
    answer(failed[0])
else:
    made = hub.CGInitBuild("atomic-reactor", {"name": "hello-container", "version": "1.0", "release": "1"})
    answer([hub.getLoggedInUser()["name"], hub.getBuild(made["build_id"])["owner_name"]])
"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the official Koji client"]
async fn a_certificate_is_a_login() -> Result<()> {
    let rows: &[(ClientCertificates, &str, &str, fn() -> Value)] = &[
        (ClientCertificates::Optional, "osbs", "", || json!(["osbs", "osbs"])),
        (ClientCertificates::Demanded, "osbs", "", || json!(["osbs", "osbs"])),
        (ClientCertificates::AskedLate, "osbs", "", || json!("AuthError")),
        (ClientCertificates::Optional, "door", "osbs", || json!(["osbs", "osbs"])),
        (ClientCertificates::Optional, "alice", "osbs", || json!("AuthError")),
    ];
    for (certificates, user, proxied, expected) in rows {
        let settings = HubSettings {
            client_certificates: *certificates,
            proxy_users: vec!["door".to_owned()],
            ..HubSettings::default()
        };
        let hub = KojiHub::start_tls(settings).await?;
        furnish(&hub)?;
        let client = OfficialClient::of(&hub)?;
        let authority = hub.authority().context("a hub with TLS has an authority")?;
        let (certificate, trusted) = (client.file("client.pem"), client.file("ca.pem"));
        std::fs::write(&certificate, authority.client(user)?)?;
        std::fs::write(&trusted, authority.certificate())?;
        let arguments = [&*certificate.to_string_lossy(), &*trusted.to_string_lossy(), proxied];
        let answer = client.script(RESERVE, &arguments).await?;
        ensure!(answer == expected(), "{certificates:?}, {user} for {proxied:?}: {answer}");
        hub.stop().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the official Koji client"]
async fn the_command_line_logs_in_by_certificate() -> Result<()> {
    let hub = KojiHub::start_tls(HubSettings::default()).await?;
    furnish(&hub)?;
    let client = OfficialClient::of(&hub)?;
    let authority = hub.authority().context("a hub with TLS has an authority")?;
    let (certificate, trusted, files) =
        (client.file("client.pem"), client.file("ca.pem"), client.file("files"));
    std::fs::write(&certificate, authority.client("osbs")?)?;
    std::fs::write(&trusted, authority.certificate())?;
    document::write(&files, "1")?;
    let (certificate, trusted) = (certificate.to_string_lossy(), trusted.to_string_lossy());
    let (metadata, files) = (files.join("metadata.json"), files.to_string_lossy().into_owned());
    client.configure(&format!("authtype = ssl\ncert = {certificate}\nserverca = {trusted}\n"))?;
    let metadata = metadata.to_string_lossy();
    for (arguments, part) in [
        (&["hello"][..], "Authenticated via client certificate"),
        (&["import-cg", "--noprogress", &metadata, &files], "Imported build hello-container-1.0-1"),
        (
            &["tag-build", "--wait", "f44-container-candidate", "hello-container-1.0-1"],
            "completed successfully",
        ),
    ] {
        let ended = client.anonymous(arguments).await?;
        ensure!(ended.code == Some(0) && ended.text.contains(part), "{arguments:?}: {ended:?}");
    }
    Ok(())
}
