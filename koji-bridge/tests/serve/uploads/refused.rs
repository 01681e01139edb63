//! Uploads that cannot be: refused with a code of their own, and nothing written.

use bytes::Bytes;
use proto::v1::{
    self,
    upload_file_request::{Header, Part},
};
use testkit::hub::Effect;
use tonic::Code;

use super::{BLOCK, Target, bridge, content, hub, message, messages, upload_settings};
use crate::support::told;

#[tokio::test]
async fn headers_that_cannot_be_are_refused() {
    let hub = hub().await;
    let bridge = bridge(&hub, upload_settings()).await;
    let (target, other) = (Target::new(&bridge).await, Target::new(&bridge).await);
    let content = content(1, 100);
    let good = target.header("x", &content, 0);
    let ticket = |ticket: &str| Header { ticket: ticket.into(), ..good.clone() };
    let name = |name: &str| Header { name: name.into(), ..good.clone() };
    let swapped = {
        let (_, hash) = good.ticket.split_once('.').unwrap();
        format!("bld_2.{hash}")
    };
    let refused = [
        (ticket(""), Code::PermissionDenied, "koji.upload_ticket"),
        (ticket("bld_1.00"), Code::PermissionDenied, "koji.upload_ticket"),
        (ticket(&swapped), Code::PermissionDenied, "koji.upload_ticket"),
        (ticket(&other.ticket), Code::PermissionDenied, "koji.upload_ticket"),
        (
            Header { directory: "tasks/1/1".into(), ..good.clone() },
            Code::PermissionDenied,
            "koji.upload_ticket",
        ),
        (name(""), Code::InvalidArgument, "koji.upload_place"),
        (name(".user"), Code::InvalidArgument, "koji.upload_place"),
        (name("a/b"), Code::InvalidArgument, "koji.upload_place"),
        (name("a\nb"), Code::InvalidArgument, "koji.upload_place"),
        (name(&"n".repeat(256)), Code::InvalidArgument, "koji.upload_place"),
        (Header { offset: 101, ..good.clone() }, Code::InvalidArgument, "koji.upload_length"),
        (Header { offset: u64::MAX, ..good.clone() }, Code::InvalidArgument, "koji.upload_length"),
        (Header { offset: 1, ..good.clone() }, Code::InvalidArgument, "koji.upload_gap"),
        (Header { offset: 100, ..good.clone() }, Code::InvalidArgument, "koji.upload_gap"),
        (Header { md5: "abc".into(), ..good.clone() }, Code::InvalidArgument, "koji.upload_md5"),
        (Header { md5: "g".repeat(32), ..good.clone() }, Code::InvalidArgument, "koji.upload_md5"),
    ];
    for (header, code, stable) in refused {
        let status = target.send(messages(header.clone(), &content, 10)).await.unwrap_err();
        let (found, failure, failed) = told(&status);
        assert_eq!((found, failed.as_str()), (code, stable), "{header:?}");
        assert!(!failure.is_worth_another_try(), "{header:?}");
        assert!(!status.message().contains(&good.ticket), "{}", status.message());
    }
    assert_eq!(hub.count("rawUpload"), 0);
    let request = v1::FindUploadRequest {
        directory: target.directory.clone(),
        name: "x".into(),
        ticket: other.ticket.clone(),
    };
    let status = target.client.clone().find_upload(request).await.unwrap_err();
    assert_eq!(told(&status).2, "koji.upload_ticket");
}

#[tokio::test]
async fn data_that_does_not_fit_the_header_is_refused() {
    let hub = hub().await;
    let bridge = bridge(&hub, upload_settings()).await;
    let target = Target::new(&bridge).await;
    let content = content(1, BLOCK * 2);
    let header = |size| Header { size, md5: String::new(), ..target.header("x", &content, 0) };
    let data = |size| message(Part::Data(Bytes::from(vec![0; size])));
    let all = content.len() as u64;
    for (messages, stable) in [
        (messages(header(all + 1), &content, 1000), "koji.upload_length"),
        (messages(header(all - 1), &content, 1000), "koji.upload_length"),
        (messages(header(1), &content, 1000), "koji.upload_length"),
        (messages(header(1), &[], 1), "koji.upload_length"),
        (vec![message(Part::Header(header(all))), message(Part::Header(header(all)))], "koji.upload_message"),
        (
            vec![message(Part::Header(header(all))), v1::UploadFileRequest { part: None }],
            "koji.upload_message",
        ),
        (vec![message(Part::Header(header(all))), data((256 << 10) + 1)], "koji.upload_message"),
        (vec![message(Part::Header(header(all))), data(8 << 20)], "koji.upload_message"),
    ] {
        let (code, failure, failed) = told(&target.send(messages).await.unwrap_err());
        assert_eq!((code, failed.as_str()), (Code::InvalidArgument, stable));
        assert!(!failure.is_worth_another_try());
    }
    let no_header = [vec![], vec![data(1)], vec![v1::UploadFileRequest { part: None }]];
    for messages in no_header {
        assert_eq!(target.send(messages).await.unwrap_err().code(), Code::InvalidArgument);
    }
    // The place is free again.
    target.upload("x", &content, 0).await.unwrap();
}

#[tokio::test]
async fn a_file_that_the_hub_has_otherwise_is_not_taken_for_the_right_one() {
    let hub = hub().await;
    let bridge = bridge(&hub, upload_settings()).await;
    let target = Target::new(&bridge).await;
    let right = content(1, BLOCK * 3);
    target.upload("x", &content(2, BLOCK), 0).await.unwrap();
    let status = target.upload("x", &right, BLOCK as u64).await.unwrap_err();
    let (code, failure, stable) = told(&status);
    assert_eq!((code, stable.as_str()), (Code::Unavailable, "koji.upload_damaged"));
    assert!(failure.is_worth_another_try());
    assert_eq!(target.find("x").await, 0, "what is wrong is not gone on with");
    // A sum that comes back wrong is tried again, a few times at once and then by the client.
    hub.fault("rawUpload", 3, Effect::WrongChecksum);
    let (_, failure, stable) = told(&target.upload("x", &right, 0).await.unwrap_err());
    assert_eq!((failure.is_worth_another_try(), stable.as_str()), (true, "koji.upload_damaged"));
    target.upload("x", &right, 0).await.unwrap();
    assert!(target.on_disk(&hub, "x").as_deref() == Some(&right));
}
