use std::path::Path;

use super::*;

fn options(state: &Path, site: Site, foreground: bool) -> AppOptions {
    AppOptions {
        site,
        state_directory: state.to_owned(),
        listen: format!("unix:{}", state.join("socket").display()).parse().unwrap(),
        foreground,
        shutdown: Shutdown::new(),
    }
}

/// A site whose certificate is none.
fn broken_tls(state: &Path) -> Site {
    common::service::install_crypto_provider();
    let file = state.join("not-a-certificate");
    std::fs::write(&file, "nothing").unwrap();
    let mut site = Site::default();
    site.settings.service.tls.certificate_file = Some(file.clone());
    site.settings.service.tls.key_file = Some(file);
    site
}

#[tokio::test]
async fn a_service_that_failed_says_so_when_it_is_stopped() {
    let state = tempfile::tempdir().unwrap();
    let options = options(state.path(), broken_tls(state.path()), false);
    let shutdown = options.shutdown.clone();
    let running = App::start(options).await.unwrap();
    shutdown.token.cancelled().await;
    assert!(matches!(running.stop().await, Err(AppError::Serve(_))));
}

#[tokio::test]
async fn the_private_socket_of_a_build_has_no_tls() {
    let state = tempfile::tempdir().unwrap();
    let running = App::start(options(state.path(), broken_tls(state.path()), true)).await.unwrap();
    let socket = state.path().join("socket");
    tokio::net::UnixStream::connect(&socket).await.unwrap();
    running.stop().await.unwrap();
}

#[tokio::test]
async fn starting_removes_what_ended_builds_left() {
    let state = tempfile::tempdir().unwrap();
    let left = state.path().join("work/bld_1/image");
    std::fs::create_dir_all(&left).unwrap();
    let running = App::start(options(state.path(), Site::default(), false)).await.unwrap();
    assert!(!left.exists());
    running.stop().await.unwrap();
}

#[test]
fn a_build_puts_layouts_where_the_site_says() {
    let mut site = Site::default();
    let state = tempfile::tempdir().unwrap();
    let root = |site: &Site| parts::layout_root(site, true, state.path()).unwrap();
    assert_eq!(root(&site).path(), std::env::current_dir().unwrap());
    site.settings.publication.layout_root = Some("/srv/layouts".into());
    assert_eq!(root(&site).path(), Path::new("/srv/layouts"));
    assert!(!root(&site).is_a_fence());
}
