//! `Debug` of the messages that carry a ticket or a token: what they are about,
//! never the secret, so that a traced message cannot leak it.

use std::fmt::{Debug, Formatter, Result};

use crate::v1;

impl Debug for v1::WorkOrder {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("WorkOrder")
            .field("id", &self.id)
            .field("platform", &self.platform)
            .field("attempt", &self.attempt)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

impl Debug for v1::FetchContextRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("FetchContextRequest")
            .field("work_order_id", &self.work_order_id)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl Debug for v1::FindBlobsRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("FindBlobsRequest")
            .field("work_order_id", &self.work_order_id)
            .field("digests", &self.digests)
            .finish_non_exhaustive()
    }
}

impl Debug for v1::upload_blob_request::Header {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Header")
            .field("work_order_id", &self.work_order_id)
            .field("digest", &self.digest)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Debug for v1::KojiUpload {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("KojiUpload").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Debug for v1::ReserveBuildResponse {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("ReserveBuildResponse").field("nvr", &self.nvr).finish_non_exhaustive()
    }
}

impl Debug for v1::RefundBuildRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("RefundBuildRequest").field("build_id", &self.build_id).finish_non_exhaustive()
    }
}

impl Debug for v1::PrepareUploadResponse {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("PrepareUploadResponse").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Debug for v1::upload_file_request::Header {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Header")
            .field("directory", &self.directory)
            .field("name", &self.name)
            .field("size", &self.size)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl Debug for v1::FindUploadRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("FindUploadRequest")
            .field("directory", &self.directory)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Debug for v1::ImportBuildRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("ImportBuildRequest").field("directory", &self.directory).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ticket_is_printed() {
        let (ticket, work_order_id) = ("hunter2".to_owned(), "wo_1".to_owned());
        let header = v1::upload_blob_request::Header {
            work_order_id: work_order_id.clone(),
            ticket: ticket.clone(),
            ..Default::default()
        };
        let order = v1::WorkOrder { id: work_order_id.clone(), ticket: ticket.clone(), ..Default::default() };
        let messages: [&dyn Debug; 4] = [
            &v1::AttachResponse { message: Some(v1::attach_response::Message::WorkOrder(order)) },
            &v1::FetchContextRequest {
                work_order_id: work_order_id.clone(),
                ticket: ticket.clone(),
                offset: 0,
            },
            &v1::FindBlobsRequest { work_order_id, ticket, digests: vec![] },
            &v1::UploadBlobRequest { part: Some(v1::upload_blob_request::Part::Header(header)) },
        ];
        for message in messages {
            let text = format!("{message:?}");
            assert!(text.contains("wo_1") && !text.contains("hunter2"), "{text}");
        }
    }
}
