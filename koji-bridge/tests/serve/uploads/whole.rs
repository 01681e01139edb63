//! Uploads that nothing comes in the way of.

use super::{BLOCK, Target, adler, bridge, content, hub, messages, upload_settings};

#[tokio::test]
async fn files_of_all_sizes_arrive_whole_in_messages_of_all_sizes() {
    let hub = hub().await;
    let bridge = bridge(&hub, upload_settings()).await;
    let target = Target::new(&bridge).await;
    for (name, size, message) in [
        ("empty", 0, 1),
        ("one", 1, 1),
        ("many-small", 5000, 1),
        ("a-block", BLOCK, BLOCK),
        ("a-block-and-one", BLOCK + 1, 1000),
        ("largest-messages", 1_000_000, 256 << 10),
        ("docker-image-sha256:1.x86_64.tar.gz", 700_001, 4096),
    ] {
        let content = content(size as u64, size);
        let header = target.header(name, &content, 0);
        let answer = target.send(messages(header, &content, message)).await.unwrap();
        assert_eq!((answer.size, answer.adler32), (size as u64, adler(&content)), "{name}");
        assert!(target.on_disk(&hub, name).as_deref() == Some(&content), "{name}");
        assert_eq!(target.find(name).await, size as u64, "{name}");
    }
    assert_eq!(target.find("another").await, 0);
}

#[tokio::test]
async fn a_file_is_replaced_and_an_upload_goes_on_anywhere_in_it() {
    let hub = hub().await;
    let bridge = bridge(&hub, upload_settings()).await;
    let target = Target::new(&bridge).await;
    target.upload("x", &content(1, 300_000), 0).await.unwrap();
    let shorter = content(2, 200_000);
    assert!(!target.upload("x", &shorter, 0).await.unwrap().verified);
    assert!(target.on_disk(&hub, "x").as_deref() == Some(&shorter));
    // In the middle of what was a block.
    let mut longer = shorter[..100_001].to_vec();
    longer.extend(content(3, 250_000));
    let answer = target.upload("x", &longer, 100_001).await.unwrap();
    assert_eq!((answer.verified, answer.adler32), (true, adler(&longer[100_001..])));
    assert!(target.on_disk(&hub, "x").as_deref() == Some(&longer));
    // What the hub has beyond the end goes also where nothing is sent.
    let answer = target.upload("x", &longer[..70_000], 70_000).await.unwrap();
    assert_eq!((answer.verified, answer.adler32.as_str()), (true, "00000001"));
    assert!(target.on_disk(&hub, "x").as_deref() == Some(&longer[..70_000]));
    // An empty file replaces one, too.
    target.upload("x", &[], 0).await.unwrap();
    assert_eq!(target.on_disk(&hub, "x").unwrap(), b"");
}

#[tokio::test]
async fn bytes_that_went_to_the_hub_are_counted() {
    let hub = hub().await;
    let bridge = bridge(&hub, upload_settings()).await;
    let target = Target::new(&bridge).await;
    target.upload("x", &content(1, 123_456), 0).await.unwrap();
    let text =
        reqwest::get(format!("http://{}/metrics", bridge.metrics)).await.unwrap().text().await.unwrap();
    for line in
        ["koji_uploaded_bytes_total 123456", "koji_requests_total{method=\"UploadFile\",code=\"Ok\"} 1"]
    {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
}
