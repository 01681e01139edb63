//! Repository files from a real server.

use common::failure::Failure;
use testkit::web::WebServer;

use super::{ByPlatform, FetchRepositories};
use crate::{
    config::{Repositories, Settings},
    plan::fixture::World,
    repository::repo_file::RepositoryFile,
    services::Reach,
};

const GOOD: &str = "[a]\nname=A\nbaseurl=http://a/$basearch\n";

async fn fetch(
    asked: &[String],
    composed: &ByPlatform<String>,
    repositories: Repositories,
    reach: Reach,
) -> Result<ByPlatform<RepositoryFile>, Failure> {
    let directory = tempfile::tempdir().unwrap();
    let world = World::new(directory.path(), reach, Settings { repositories, ..Settings::default() });
    world.flow().run(FetchRepositories { asked, composed }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_fetched_once_and_none_overwrites_another() {
    let server = WebServer::start().await.unwrap();
    server.put("/x/example%20repo.repo", GOOD);
    server.put("/y/example%20repo.repo", GOOD);
    let url = |path: &str| server.url(path).unwrap().to_string();
    let (x, y) = (url("/x/example%20repo.repo"), url("/y/example%20repo.repo"));
    let platform = "x86_64".parse().unwrap();
    let composed = ByPlatform {
        everywhere: vec![],
        platforms: [(platform, vec![x.clone(), y.clone()])].into_iter().collect(),
    };
    let proxy = Repositories { proxy: Some("http://proxy:3128".to_owned()), ..Repositories::default() };
    let found = fetch(std::slice::from_ref(&x), &composed, proxy, Reach::Everything).await.unwrap();
    assert_eq!(found.everywhere.len(), 1);
    let file = &found.everywhere[0];
    assert_eq!((file.name.as_str(), &file.from), ("example repo.repo", &x), "YUM-4");
    assert_eq!(
        file.content,
        format!("{GOOD}proxy = http://proxy:3128\n"),
        "defect 12: the proxy is not lost"
    );
    let names: Vec<_> = found.platforms.values().flatten().map(|file| file.name.as_str()).collect();
    assert_eq!((names.len(), names[0]), (2, "example repo.repo"));
    assert_ne!(names[1], names[0], "7162269b: one does not overwrite the other");
    assert_eq!(server.requests().len(), 2);
    let offline = fetch(&[x], &composed, Repositories::default(), Reach::Nothing).await.unwrap();
    assert!(offline.is_empty() && server.requests().len() == 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_for_all_files() {
    let server = WebServer::start().await.unwrap();
    server.put("/page.repo", "<html>");
    server.put("/bytes.repo", &b"[a]\nname=\xff\n"[..]);
    server.put("/large.repo", "#".repeat(70_000));
    let url = |path: &str| server.url(path).unwrap().to_string();
    let none = ByPlatform::default();
    let asked = ["/page.repo", "/bytes.repo", "/large.repo", "/gone.repo"].map(url);
    let failure = fetch(&asked, &none, Repositories::default(), Reach::Everything).await.unwrap_err();
    let mut codes: Vec<_> = failure.each().into_iter().map(|failure| failure.code).collect();
    codes.sort();
    assert_eq!(codes, ["http.not_found", "http.too_large", "repositories.bad_file", "repositories.bad_file"]);
    let allowed = Repositories { allowed_domains: vec!["example.org".to_owned()], ..Repositories::default() };
    let asked = [asked[0].clone(), "ftp://example.org/x.repo".to_owned(), "x".to_owned()];
    let failure = fetch(&asked, &none, allowed, Reach::Everything).await.unwrap_err();
    let codes: Vec<_> = failure.each().into_iter().map(|failure| failure.code).collect();
    assert_eq!(codes, ["repositories.domain_not_allowed", "repositories.bad_url", "repositories.bad_url"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_an_address_is_told() {
    let server = WebServer::start().await.unwrap();
    server.put("/good.repo", GOOD);
    server.put("/page.repo", "<html>");
    let url = |path: &str| format!("{}?token=s3cret", server.url(path).unwrap());
    let directory = tempfile::tempdir().unwrap();
    let settings = |allowed: &[&str]| {
        let allowed_domains = allowed.iter().map(|&place| place.to_owned()).collect();
        let repositories = Repositories { allowed_domains, ..Repositories::default() };
        Settings { repositories, ..Settings::default() }
    };
    let none = ByPlatform::default();
    let world = World::new(directory.path(), Reach::Everything, settings(&[]));
    let asked = [url("/good.repo")];
    let found = world.flow().run(FetchRepositories { asked: &asked, composed: &none }).await.unwrap();
    assert!(!format!("{found:?} {}", world.told()).contains("s3cret"));
    let bad = ["ftp://me:s3cret@h/x?s3cret", "me:s3cret@h/x?token=s3cret", "http://me:s3cret@bad host/x"];
    let bad = bad.map(str::to_owned);
    for (asked, allowed) in [
        (vec![url("/page.repo")], &[][..]),
        (vec![url("/gone.repo")], &[]),
        (vec![url("/good.repo")], &["example.org"]),
        (bad.to_vec(), &[]),
    ] {
        let world = World::new(directory.path(), Reach::Everything, settings(allowed));
        let step = FetchRepositories { asked: &asked, composed: &none };
        let failure = world.flow().run(step).await.unwrap_err();
        assert!(!format!("{failure:?}").contains("s3cret"), "{failure:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_for_the_record_is_refused() {
    let server = WebServer::start().await.unwrap();
    let mut asked = Vec::new();
    for n in 0..4 {
        server.put(&format!("/{n}.repo"), format!("{GOOD}{}", "# comment\n".repeat(6000)));
        asked.push(server.url(&format!("/{n}.repo")).unwrap().to_string());
    }
    let found = fetch(&asked, &ByPlatform::default(), Repositories::default(), Reach::Everything).await;
    assert_eq!(found.unwrap_err().code, "repositories.too_large");
}
