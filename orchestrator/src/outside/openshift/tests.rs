use serde_json::json;

use super::{fixture::Cluster, *};

fn follow(insecure: bool) -> FollowedTag {
    FollowedTag { image: "r.example.org/team/hello:latest".to_owned(), insecure }
}

/// A tag as a cluster tells it.
fn stored(image: &str, scheduled: bool, insecure: Option<bool>) -> Value {
    let mut policy = json!({ "scheduled": scheduled });
    if let Some(insecure) = insecure {
        policy["insecure"] = insecure.into();
    }
    json!({
        "metadata": { "name": "hello:latest", "resourceVersion": "7" },
        "tag": { "from": { "kind": "DockerImage", "name": image }, "importPolicy": policy },
    })
}

#[tokio::test]
async fn a_tag_is_changed_only_where_it_differs() {
    let image = "r.example.org/team/hello:latest";
    let rows = [
        ("I05 tag 404", None, false, true),
        ("I05 the same", Some(stored(image, true, Some(false))), false, false),
        ("I05 the same, nothing said", Some(stored(image, true, None)), false, false),
        ("I05 other insecure", Some(stored(image, true, Some(true))), false, true),
        ("another image", Some(stored("r.example.org/old:latest", true, None)), false, true),
        ("not scheduled", Some(stored(image, false, None)), false, true),
        ("insecure as the site says", Some(stored(image, true, None)), true, true),
    ];
    for (case, now, insecure, changes) in rows {
        let cluster = Cluster::start().await;
        let was_there = now.is_some();
        if let Some(now) = now {
            cluster.put("imagestreamtags/hello:latest", now);
        }
        let tag = Tag::latest();
        let changed = cluster.client().ensure_tag("hello", &tag, &follow(insecure)).await.unwrap();
        assert_eq!(changed, changes, "{case}");
        let put = usize::from(changes);
        assert_eq!(cluster.changes(), vec!["PUT imagestreamtags/hello:latest"; put], "{case}");
        let stored = cluster.document("imagestreamtags/hello:latest").unwrap();
        assert!(follow(insecure).is_followed_by(&stored), "{case}: {stored}");
        let version = stored["metadata"]["resourceVersion"].as_str();
        assert_eq!(version, was_there.then_some("7"), "{case}");
        assert!(
            !cluster.client().ensure_tag("hello", &tag, &follow(insecure)).await.unwrap(),
            "{case} again"
        );
    }
}

#[tokio::test]
async fn a_conflict_is_tried_again_and_other_errors_are_not() {
    let rows: [(&str, &[u16], Option<&str>, usize); 5] = [
        ("I06 two conflicts", &[409, 409], None, 3),
        ("I06 nothing but conflicts", &[409; 9], Some("openshift.conflict"), 8),
        ("I05 tag 500", &[500], Some("openshift.refused"), 1),
        ("busy for a moment", &[503], None, 2),
        ("not allowed", &[403], Some("openshift.unauthorized"), 1),
    ];
    for (case, faults, code, puts) in rows {
        let cluster = Cluster::start().await;
        cluster.fail(faults.iter().copied());
        let result = cluster.client().ensure_tag("hello", &Tag::latest(), &follow(false)).await;
        let failure = result.map_err(Failure::from).err();
        assert_eq!(failure.as_ref().map(|failure| failure.code.as_str()), code, "{case}");
        assert!(failure.is_none_or(|failure| failure.message.contains("a bad day")), "{case}");
        assert_eq!(cluster.changes().len(), puts, "{case}");
    }
}

#[tokio::test]
async fn a_stream_is_made_once() {
    let cluster = Cluster::start().await;
    // Somebody else was faster.
    cluster.fail([409]);
    assert!(cluster.client().ensure_stream("hello").await.unwrap());
    assert!(!cluster.client().ensure_stream("hello").await.unwrap());
    assert_eq!(cluster.changes(), ["POST imagestreams", "POST imagestreams"]);
    assert_eq!(cluster.document("imagestreams/hello").unwrap()["kind"], "ImageStream");
}

#[tokio::test]
async fn the_token_is_read_each_time_and_never_told() {
    let cluster = Cluster::start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let setting = config::OpenShift { token_file: Some(file.clone()), ..cluster.setting() };
    let client = OpenShift::of_site(&setting).unwrap().unwrap().with_patience(fixture::QUICK);
    let failure = Failure::from(client.ensure_stream("hello").await.unwrap_err());
    assert_eq!(failure.code, "openshift.no_token");
    for token in ["first", "second"] {
        std::fs::write(&file, format!("{token}\n")).unwrap();
        client.ensure_stream("hello").await.unwrap();
        assert_eq!(cluster.seen().last().unwrap().authorization, format!("Bearer {token}"));
    }
    std::fs::write(&file, "third-token").unwrap();
    cluster.fail([403]);
    let failure = Failure::from(client.ensure_stream("other").await.unwrap_err());
    assert!(!format!("{failure:?}").contains("third-token"), "{failure:?}");
}

#[test]
fn a_site_without_a_usable_address_is_told_apart_from_one_without_any() {
    let setting = |url: Option<&str>| config::OpenShift {
        certificate_directory: None,
        url: url.map(str::to_owned),
        insecure: false,
        namespace: "default".to_owned(),
        token_file: None,
    };
    assert!(OpenShift::of_site(&setting(None)).unwrap().is_none());
    for bad in ["not an address", "mailto:x@example.org"] {
        let failure = Failure::from(OpenShift::of_site(&setting(Some(bad))).unwrap_err());
        assert_eq!(failure.code, "openshift.invalid_url", "{bad}");
    }
}
