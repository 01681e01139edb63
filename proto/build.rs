//! Compiles the protobuf sources in pure Rust, without a system `protoc`.
//!
//! Three things come out: the generated types, the descriptor set that gRPC
//! reflection serves (comments included), and the digest that orchestrator and
//! worker compare when they meet (comments excluded, so that a better comment
//! does not part them).

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;
use sha2::{Digest as _, Sha256};

const SERVICES: &[&str] = &["reactor/v1/build.proto", "reactor/v1/worker.proto", "reactor/v1/koji.proto"];
/// Messages with a ticket: the crate writes their `Debug` by hand, without it.
const SECRET: &[&str] = &[
    "reactor.v1.WorkOrder",
    "reactor.v1.FetchContextRequest",
    "reactor.v1.FindBlobsRequest",
    "reactor.v1.UploadBlobRequest.Header",
    "reactor.v1.KojiUpload",
    "reactor.v1.ReserveBuildResponse",
    "reactor.v1.RefundBuildRequest",
    "reactor.v1.PrepareUploadResponse",
    "reactor.v1.UploadFileRequest.Header",
    "reactor.v1.FindUploadRequest",
    "reactor.v1.ImportBuildRequest",
];
const WORKER_CONTRACT: &str = "reactor/v1/worker.proto";

#[expect(
    clippy::disallowed_methods,
    reason = "Cargo tells a build script its folders through the environment"
)]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=reactor/v1");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let descriptors = protox::compile(SERVICES, ["."])?;
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;

    let mut contract = protox::compile([WORKER_CONTRACT], ["."])?;
    for file in &mut contract.file {
        file.source_code_info = None;
    }
    let digest = Sha256::digest(contract.encode_to_vec());
    fs::write(out.join("contract_digest"), format!("sha256:{}", hex::encode(digest)))?;

    tonic_prost_build::configure()
        .bytes(".")
        .btree_map(".")
        .skip_debug(SECRET.iter().copied())
        .compile_fds(descriptors)?;
    Ok(())
}
