//! Binding, on real sockets.

use tempfile::tempdir;

use super::*;

fn unix_address(path: &Path) -> ServiceAddress {
    ServiceAddress::Unix(path.to_owned())
}

#[tokio::test]
async fn port_0_is_replaced_by_the_real_one_and_a_second_bind_says_why_it_fails() {
    let first = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = first.local_address().clone();
    assert!(matches!(address, ServiceAddress::Tcp { port, .. } if port > 0));
    let error = Listener::bind(&address).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {address}: it is in use by another process"));
}

#[tokio::test]
async fn a_socket_is_for_owner_and_group_and_goes_away() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = Listener::bind(&unix_address(&path)).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
    let error = Listener::bind(&unix_address(&path)).await.unwrap_err();
    assert!(error.to_string().ends_with("in use by another process"), "{error}");
    drop(listener);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("s");
    // The standard library's listener leaves its file behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    Listener::bind(&unix_address(&path)).await.unwrap();
}

#[tokio::test]
async fn a_file_in_the_way_is_kept() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("precious");
    std::fs::write(&path, "x").unwrap();
    let error = Listener::bind(&unix_address(&path)).await.unwrap_err();
    assert!(error.to_string().contains("not a socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "x");
}

#[tokio::test]
async fn the_file_of_a_successor_is_kept() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("s");
    let first = Listener::bind(&unix_address(&path)).await.unwrap();
    std::fs::rename(&path, directory.path().join("moved")).unwrap();
    let _second = Listener::bind(&unix_address(&path)).await.unwrap();
    drop(first);
    assert!(path.exists());
}
