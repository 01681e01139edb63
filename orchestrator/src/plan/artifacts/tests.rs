//! Artifacts: which are meant, and fetching them from a real server.

use axum::http::Method;
use common::failure::Failure;
use testkit::web::{Effect, Fault, WebServer};

use super::{ArtifactOutcome, DIRECTORY, FetchArtifacts, ensure, resolve::archives_of};
use crate::{
    config::{Artifacts, Settings, Size},
    outside::{KojiArchive, KojiChecksum},
    plan::fixture::World,
    repository::inputs::{ArchiveMatcher, ArtifactWishes, KojiArtifacts, UrlArtifact},
    services::Reach,
};

const MD5: &str = "b1946ac92492d2347c6235b4d2611184";
const SHA1: &str = "f572d396fae9206628714fb2ce00f72e94f2258f";
const SHA256: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

fn archive(group: &str, filename: &str) -> KojiArchive {
    KojiArchive {
        filename: filename.to_owned(),
        group_id: group.to_owned(),
        artifact_id: "jaxb-core".to_owned(),
        version: "2.2.11".to_owned(),
        checksum: KojiChecksum::Md5(MD5.to_owned()),
        extra: serde_json::Value::Null,
    }
}

fn matcher(filename: Option<&str>, group: Option<&str>) -> ArchiveMatcher {
    ArchiveMatcher { filename: filename.map(str::to_owned), group_id: group.map(str::to_owned) }
}

#[test]
fn archives_are_chosen_by_any_matcher() {
    let group = "org.glassfish.jaxb";
    let names = ["a.jar", "a-javadoc.jar", "a.pom", "a-sources.jar"];
    let mut archives: Vec<_> = names.iter().map(|name| archive(group, name)).collect();
    archives.extend(names.iter().map(|name| archive("other.group", name)));
    type Row = (&'static str, Vec<ArchiveMatcher>, Result<usize, usize>);
    let rows: Vec<Row> = vec![
        ("ART-1", vec![], Ok(8)),
        ("ART-2", vec![matcher(Some("*javadoc*"), Some(group))], Ok(1)),
        ("ART-3", vec![matcher(Some("*gboss"), None), matcher(None, Some("glassfish.org"))], Err(2)),
        // In 2018 the second of these was in the shadow of the first, and failed.
        ("ART-4 differs", vec![matcher(Some("*"), None), matcher(None, Some(group))], Ok(8)),
        ("both", vec![matcher(Some("*.pom"), None), matcher(Some("*sources*"), None)], Ok(4)),
        ("bad pattern", vec![matcher(Some("[a"), None)], Err(1)),
    ];
    for (id, archives_wished, expected) in rows {
        let wish = KojiArtifacts { nvr: "jaxb-2.2.11-1".parse().unwrap(), archives: archives_wished };
        let found = archives_of(&wish, &archives, "https://koji/packages/jaxb/2.2.11/1/maven");
        assert_eq!(found.map(|f| f.len()).map_err(|f| f.each().len()), expected, "{id}");
    }
    let wish = KojiArtifacts { nvr: "jaxb-2.2.11-1".parse().unwrap(), archives: vec![] };
    let found = archives_of(&wish, &[archive(group, "a b#.jar")], "https://koji/maven/").unwrap();
    assert_eq!(found[0].destination, "org/glassfish/jaxb/jaxb-core/2.2.11/a b#.jar");
    assert_eq!(found[0].url.as_str(), "https://koji/maven/org/glassfish/jaxb/jaxb-core/2.2.11/a%20b%23.jar");
    let hostile = archives_of(&wish, &[archive(group, "../../../../../../etc/x")], "https://koji/maven");
    assert_eq!(hostile.unwrap_err().code, "artifacts.unsafe_destination");
}

fn by_url(url: &str, target: Option<&str>) -> UrlArtifact {
    UrlArtifact {
        url: url.parse().unwrap(),
        target: target.map(str::to_owned),
        md5: Some(MD5.to_owned()),
        sha1: Some(SHA1.to_owned()),
        sha256: Some(SHA256.to_uppercase()),
    }
}

fn world(directory: &std::path::Path, reach: Reach, domains: &[&str]) -> World {
    let allowed_domains = domains.iter().map(|&domain| domain.to_owned()).collect();
    let artifacts = Artifacts { allowed_domains, max_size: Size::from_bytes(1000), ..Artifacts::default() };
    World::new(directory, reach, Settings { artifacts, ..Settings::default() })
}

async fn fetch(world: &World, urls: Vec<UrlArtifact>) -> Result<ArtifactOutcome, Failure> {
    let wishes = ArtifactWishes { koji: vec![], urls };
    world.flow().run(FetchArtifacts { wishes: &wishes }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_fetched_checked_and_fetched_again_when_lost() {
    let server = WebServer::start().await.unwrap();
    server.put("/eggs/eggs.jar", "hello\n");
    server.put("/eggs/a%20b.jar", "hello\n");
    let directory = tempfile::tempdir().unwrap();
    let world = world(directory.path(), Reach::Everything, &[server.host()]);
    let url = |path: &str| server.url(path).unwrap().to_string();
    let wanted =
        vec![by_url(&url("/eggs/eggs.jar"), Some("sgge.jar")), by_url(&url("/eggs/a%20b.jar"), None)];
    let found = fetch(&world, wanted).await.unwrap().fetched;
    let places: Vec<_> = found.iter().map(|file| file.destination.as_str()).collect();
    assert_eq!(places, ["sgge.jar", "a b.jar"], "ART-7");
    let file = directory.path().join(DIRECTORY).join(SHA256);
    assert_eq!((std::fs::read(&file).unwrap(), found[0].size), (b"hello\n".to_vec(), 6));
    let before = server.requests().len();
    assert_eq!(ensure(&world.services, &found[0]).await.unwrap(), file);
    assert_eq!(server.requests().len(), before);
    for damage in [None, Some("torn")] {
        std::fs::remove_file(&file).unwrap();
        if let Some(text) = damage {
            std::fs::write(&file, text).unwrap();
        }
        ensure(&world.services, &found[0]).await.unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"hello\n");
    }
    std::fs::remove_file(&file).unwrap();
    server.put("/eggs/eggs.jar", "olleh\n");
    assert_eq!(ensure(&world.services, &found[0]).await.unwrap_err().code, "artifacts.changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_as_promised_fails() {
    let rows: [(&str, Effect, &str); 5] = [
        ("ART-5 body", Effect::Body(b"changed"), "artifacts.checksum_mismatch"),
        ("ART-5 404", Effect::Status(404, vec![], ""), "http.not_found"),
        ("too large", Effect::Body(&[0; 2000]), "http.too_large"),
        ("cut", Effect::CutAnswer(2), "http.unreachable"),
        ("foreign redirect", Effect::Redirect("http://127.0.0.1:1".to_owned()), "http.redirect_refused"),
    ];
    for (id, effect, code) in rows {
        let server = WebServer::start().await.unwrap();
        server.put("/f", "hello\n");
        server.add_fault(Fault::once(Method::GET, "/f", effect).always());
        let directory = tempfile::tempdir().unwrap();
        let world = world(directory.path(), Reach::Everything, &[server.host()]);
        let failure =
            fetch(&world, vec![by_url(server.url("/f").unwrap().as_str(), None)]).await.unwrap_err();
        assert_eq!(failure.code, code, "{id}");
        let left = std::fs::read_dir(directory.path().join(DIRECTORY)).unwrap().count();
        assert_eq!(left, 0, "{id}: nothing wrong is left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_problems_are_found_before_anything_is_fetched() {
    let server = WebServer::start().await.unwrap();
    let good = server.url("/f").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let world = world(directory.path(), Reach::Everything, &[server.host()]);
    let unproven = UrlArtifact { md5: None, sha1: None, sha256: None, ..by_url(good.as_str(), Some("b")) };
    let urls = vec![
        by_url(good.as_str(), None),
        by_url(good.as_str(), Some("x/../../../etc/passwd")),
        by_url(good.as_str(), Some("/etc/passwd")),
        by_url(&format!("{good}/"), None),
        by_url("https://filer.com.evil.org/x", Some("c")),
        unproven,
        by_url(good.as_str(), Some("f")),
        by_url(good.as_str(), Some("f/below")),
    ];
    let wishes = ArtifactWishes {
        koji: vec![KojiArtifacts { nvr: "a-1-1".parse().unwrap(), archives: vec![] }],
        urls,
    };
    let failure = world.flow().run(FetchArtifacts { wishes: &wishes }).await.unwrap_err();
    let codes: Vec<_> = failure.each().into_iter().map(|failure| failure.code).collect();
    let expected = [
        "artifacts.no_koji",
        "artifacts.unsafe_destination",
        "artifacts.unsafe_destination",
        "artifacts.unsafe_destination",
        "artifacts.domain_not_allowed",
        "artifacts.no_checksum",
        "artifacts.duplicate_destination",
        "artifacts.duplicate_destination",
    ];
    assert_eq!(codes, expected);
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_comes_from_allowed_places_only() {
    let server = WebServer::start().await.unwrap();
    server.put("/f", "hello\n");
    let directory = tempfile::tempdir().unwrap();
    let world = world(directory.path(), Reach::Everything, &[server.host()]);
    let url = server.url("/f").unwrap();
    let found = fetch(&world, vec![by_url(url.as_str(), None)]).await.unwrap().fetched;
    assert!(found[0].is_asked);
    std::fs::remove_file(directory.path().join(DIRECTORY).join(SHA256)).unwrap();
    let elsewhere = Effect::Redirect("http://127.0.0.1:1".to_owned());
    server.add_fault(Fault::once(Method::GET, "/f", elsewhere).always());
    let failure = ensure(&world.services, &found[0]).await.unwrap_err();
    assert_eq!(failure.code, "http.redirect_refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_an_address_is_told() {
    let server = WebServer::start().await.unwrap();
    server.put("/f", "hello\n");
    let directory = tempfile::tempdir().unwrap();
    let world = world(directory.path(), Reach::Everything, &[server.host()]);
    let url = format!("{}?token=s3cret", server.url("/f").unwrap());
    let found = fetch(&world, vec![by_url(&url, None)]).await.unwrap().fetched;
    assert!(!found[0].shown_url().contains("s3cret"));
    assert!(!world.told().contains("s3cret"), "{}", world.told());
    let wrong = UrlArtifact { md5: Some("0".repeat(32)), ..by_url(&url, None) };
    let gone = by_url(&url.replace("/f?", "/gone?"), Some("g"));
    let elsewhere = by_url("https://elsewhere.example.org/x?token=s3cret", Some("h"));
    let with_user = by_url(&url.replace("http://", "http://me:s3cret@"), Some("i"));
    for (wish, code) in [
        (wrong, "artifacts.checksum_mismatch"),
        (gone, "http.not_found"),
        (elsewhere, "artifacts.domain_not_allowed"),
        (with_user, "artifacts.credentials_in_url"),
    ] {
        let world = self::world(directory.path(), Reach::Everything, &[server.host()]);
        let failure = fetch(&world, vec![wish]).await.unwrap_err();
        assert_eq!(failure.code, code);
        assert!(!format!("{failure:?}").contains("s3cret"), "{failure:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_can_be_recorded_is_refused_before_it_is_fetched() {
    let server = WebServer::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let world = world(directory.path(), Reach::Everything, &[]);
    let url = server.url("/f").unwrap();
    let long = "x".repeat(200);
    let many = (0..1000).map(|number| by_url(url.as_str(), Some(&format!("{long}/{number}")))).collect();
    assert_eq!(fetch(&world, many).await.unwrap_err().code, "artifacts.too_many");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_fetches_nothing() {
    let server = WebServer::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let world = world(directory.path(), Reach::Questions, &[]);
    let found = fetch(&world, vec![by_url(server.url("/f").unwrap().as_str(), None)]).await.unwrap();
    assert_eq!((found.wanted.len(), found.fetched.len(), server.requests().len()), (1, 0, 0));
}
