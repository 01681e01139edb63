//! Files through the bridge to a hub.

use futures::{StreamExt as _, stream};
use proto::v1::{
    PrepareUploadRequest, PrepareUploadResponse, UploadFileRequest,
    upload_file_request::{Header, Part},
};
use testkit::hub::Effect;
use tokio::sync::mpsc;

use crate::support::{Client, Stage};

const CONTENT: &[u8] = b"something";

async fn upload(mut client: Client, to: &PrepareUploadResponse, name: &str) {
    let header = Header {
        directory: to.directory.clone(),
        name: name.to_owned(),
        size: CONTENT.len() as u64,
        ticket: to.ticket.clone(),
        offset: 0,
        md5: String::new(),
    };
    let parts = [Part::Header(header), Part::Data(CONTENT.to_vec().into())];
    let messages = stream::iter(parts).map(|part| UploadFileRequest { part: Some(part) });
    let answer = client.upload_file(messages).await.unwrap().into_inner();
    assert_eq!(answer.size, CONTENT.len() as u64);
}

#[tokio::test]
async fn files_of_one_directory_begin_one_after_the_other() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    let request = PrepareUploadRequest { key: "bld_1".to_owned() };
    let to = client.prepare_upload(request).await.unwrap().into_inner();
    // The hub has the first block at once, and is slow to say so.
    stage.hub.fault("rawUpload", 1, Effect::Delay(1000));
    let (ended, mut order) = mpsc::unbounded_channel();
    let first = async {
        upload(client.clone(), &to, "first.log").await;
        ended.send("first").unwrap();
    };
    let second = async {
        while stage.hub.count("rawUpload") == 0 {
            tokio::task::yield_now().await;
        }
        upload(client.clone(), &to, "second.log").await;
        ended.send("second").unwrap();
    };
    tokio::join!(first, second);
    assert_eq!((order.recv().await, order.recv().await), (Some("first"), Some("second")));
}
