//! The official Koji client against the stand-in hub: its command line and its
//! library, on hubs that run in the test's own process. What they do here is what
//! the bridge has to do as well; [`facts`] tells what a hub then knows of a build, and
//! whether two builds are the same but for what must differ.

mod client;
mod command_line;
mod document;
mod facts;
mod library;
mod tls;

use std::io;

use testkit::hub::{HubSettings, KojiHub};

/// Who imports, and the password.
const USER: (&str, &str) = ("osbs", "osbs-pw");

/// A hub where [`USER`] may import, with a target and tags that list the package of
/// [`document`].
async fn hub(settings: HubSettings) -> io::Result<KojiHub> {
    let hub = KojiHub::start_with(settings).await?;
    furnish(&hub)?;
    Ok(hub)
}

fn furnish(hub: &KojiHub) -> io::Result<()> {
    hub.with_user("admin", "admin-pw")?;
    hub.permit("admin", "admin")?;
    hub.with_user(USER.0, USER.1)?;
    hub.grant(USER.0, "atomic-reactor")?;
    hub.add_tag("f44-container", "", &[])?;
    hub.add_package("f44-container", document::NAME, USER.0)?;
    hub.add_tag("f44-container-build", "x86_64 aarch64", &["f44-container"])?;
    hub.add_tag("f44-container-candidate", "", &["f44-container"])?;
    hub.add_target("f44-container-candidate", "f44-container-build", "f44-container-candidate")?;
    hub.add_repository("f44-container-build")?;
    Ok(())
}

#[test]
fn the_annotated_settings_of_the_bridge_are_its_defaults() -> anyhow::Result<()> {
    let read = |text: &str| common::yaml::read::<koji_bridge::settings::Settings>("test", text.as_bytes());
    let annotated = read(include_str!("../../../../deploy/koji-bridge.yaml"))?;
    let bare = read(
        "koji: {hub_url: https://koji.example.org/kojihub, files_url: https://kojipkgs.example.org, \
         login: {certificate_directory: /run/secrets/reactor/koji}}",
    )?;
    anyhow::ensure!(annotated == bare, "{annotated:#?}\n{bare:#?}");
    Ok(())
}
