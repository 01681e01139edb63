//! Uploads of raw bytes beyond what is recorded.

use koji_bridge::xmlrpc::{Arguments, Value};
use testkit::hub::Effect;

use crate::support::{fault, start};

const PLACE: &str = "filename=a.txt&filepath=koji-upload%2Fx&fileverify=adler32";

fn number(answer: &Value, name: &str) -> i64 {
    answer.get(name).and_then(Value::as_i64).unwrap()
}

#[tokio::test]
async fn bytes_go_to_the_end_of_a_file_when_the_offset_is_minus_one() {
    let (hub, mut caller) = start().await;
    for (offset, body, at) in [("0", "hello ", 0), ("-1", "upload", 6)] {
        let answer = caller.upload(&format!("{PLACE}&offset={offset}"), body).await.unwrap().unwrap();
        assert_eq!(number(&answer, "offset"), at);
    }
    let file = hub.top_directory().join("work/koji-upload/x/a.txt");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "hello upload");
    let owner = std::fs::read_to_string(file.with_file_name(".user")).unwrap();
    assert_eq!(Some(owner.parse().unwrap()), hub.state(|state| state.user_id("osbs")));
}

#[tokio::test]
async fn what_is_in_the_way_is_refused() {
    let (hub, mut caller) = start().await;
    caller.upload(&format!("{PLACE}&offset=0"), "x").await.unwrap().unwrap();
    let directory = hub.top_directory().join("work/koji-upload/x");
    std::os::unix::fs::symlink("a.txt", directory.join("link")).unwrap();
    std::fs::create_dir(directory.join("directory")).unwrap();
    for (query, code, text) in [
        (
            "filename=link&filepath=koji-upload/x&fileverify=adler32&overwrite=1",
            1000,
            "destination is a symlink: TOP/link",
        ),
        (
            "filename=directory&filepath=koji-upload/x&fileverify=adler32",
            1000,
            "destination not a file: TOP/directory",
        ),
        ("filename=.user&filepath=koji-upload/x&fileverify=adler32", 1000, "Invalid upload filename: .user"),
        (
            "filename=b&filepath=koji-upload/../../x&fileverify=adler32",
            1000,
            "Invalid upload directory: koji-upload/../../x",
        ),
        ("filename=b&filepath=koji-upload/x&fileverify=sha1", 1000, "Unsupported verify type: sha1"),
        (
            "filename=b&filepath=koji-upload/x&fileverify=adler32&volume=nope",
            1000,
            "No such entry in table volume: nope",
        ),
        ("filename=b&filepath=tasks/5&fileverify=adler32", 1000, "Invalid task upload directory: tasks/5"),
        ("filepath=koji-upload/x&fileverify=adler32", 1, "<class 'KeyError'>: 'filename'"),
    ] {
        let answer = caller.upload(&format!("{query}&offset=0"), "y").await.unwrap();
        assert_eq!(fault(answer), (code, text.replace("TOP", &directory.display().to_string())), "{query}");
    }
    assert_eq!(fault(caller.upload("filename=b&filepath=q", "y").await.unwrap()).0, 1, "no kind of checksum");
}

#[tokio::test]
async fn a_file_is_written_by_one_upload_at_a_time() {
    let (hub, mut caller) = start().await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let stream = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    let mut slow = crate::support::Caller::login(&hub.url(), "osbs", "osbs-pw").await;
    let body = reqwest::Body::wrap_stream(stream);
    let file = hub.top_directory().join("work/koji-upload/x/a.txt");
    let query = format!("{PLACE}&offset=0&overwrite=1");
    let first = slow.upload(&query, body);
    let second = async {
        sender.send(Ok(b"first".to_vec())).await.unwrap();
        while !file.exists() {
            tokio::task::yield_now().await;
        }
        assert_eq!(fault(caller.upload(&query, "second").await.unwrap()).0, 1001);
        drop(sender);
    };
    let (first, ()) = tokio::join!(first, second);
    assert_eq!(number(&first.unwrap().unwrap(), "size"), 5);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "first");
    caller.upload(&query, "second").await.unwrap().unwrap();
}

#[tokio::test]
async fn an_upload_that_was_cut_goes_on_where_it_was() {
    let (hub, mut caller) = start().await;
    hub.fault("rawUpload", 1, Effect::CutUpload(4));
    assert!(caller.upload(&format!("{PLACE}&offset=0&overwrite=1"), "0123456789").await.is_none());
    let arguments = Arguments::none().with("koji-upload/x").with("a.txt");
    let check = caller.call("checkUpload", arguments.clone().named("verify", "sha256")).await.unwrap();
    assert_eq!(number(&check, "size"), 4);
    caller.upload(&format!("{PLACE}&offset=4&overwrite=1"), "456789").await.unwrap().unwrap();
    let tail = arguments.named("verify", "md5").named("tail", 3_i64);
    let check = caller.call("checkUpload", tail).await.unwrap();
    assert_eq!((number(&check, "size"), number(&check, "sumlength")), (10, 3));
    assert_eq!(check.get("hexdigest"), Some(&Value::from("68053af2923e00204c3ca7c6a3150cf7")));
    hub.fault("rawUpload", 1, Effect::WrongChecksum);
    let answer = caller.upload(&format!("{PLACE}&offset=0&overwrite=1"), "x").await.unwrap().unwrap();
    assert_eq!(answer.get("hexdigest"), Some(&Value::from("00000000")));
}

#[tokio::test]
async fn files_are_served_whole_and_from_a_position_on() {
    let (hub, mut caller) = start().await;
    caller.upload(&format!("{PLACE}&offset=0"), "hello upload").await.unwrap().unwrap();
    let address = format!("{}/work/koji-upload/x/a.txt", hub.files_url());
    let whole = caller.http.get(&address).send().await.unwrap();
    assert_eq!(whole.headers()["content-type"], "text/plain");
    assert_eq!(whole.text().await.unwrap(), "hello upload");
    let part = caller.http.get(&address).header("Range", "bytes=6-").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 6-11/12");
    assert_eq!(part.text().await.unwrap(), "upload");
    assert_eq!(caller.http.get(format!("{address}2")).send().await.unwrap().status(), 404);
}
