//! Round trips and refusals of worker.proto.

use std::{collections::BTreeMap, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    image::Digest,
    request::Limits,
    work::{BuildEnvironment, Descriptor, KojiFile},
};

use super::*;

fn blob(content: &[u8]) -> Descriptor {
    Descriptor { media_type: "application/x-tar".into(), digest: Digest::of(content), size: 1 }
}

fn order() -> WorkOrder {
    WorkOrder {
        id: "wo_1-aarch64-1".parse().unwrap(),
        build: "bld_1".parse().unwrap(),
        platform: "aarch64".parse().unwrap(),
        engine_platform: "linux/arm64".into(),
        attempt: 1,
        context: blob(b"context"),
        dockerfile_path: "Dockerfile".into(),
        dockerfile: b"FROM scratch\n".as_slice().into(),
        build_args: BTreeMap::from([("A".into(), "1".into())]),
        labels: BTreeMap::from([("vendor".into(), "x".into())]),
        host_label: Some("com.redhat.build-host".into()),
        limits: Limits { memory_bytes: None, time: Some(Duration::from_secs(60)) },
        use_cache: true,
        parents: vec![
            Parent { written_as: "base:1".into(), pinned: Some("r.example.org/base@sha256:0".into()) },
            Parent { written_as: "local".into(), pinned: None },
        ],
        manifest_format: ManifestFormat::Docker,
        ticket: Secret::new("ticket-of-this-order"),
        koji_upload: None,
        list_packages: false,
    }
}

fn image() -> PlatformImage {
    PlatformImage {
        platform: "aarch64".parse().unwrap(),
        manifest: b"{}".as_slice().into(),
        format: ManifestFormat::Oci,
        config: blob(b"config"),
        layers: vec![Layer { blob: blob(b"layer"), diff_id: Digest::of(b"diff"), uncompressed_size: 7 }],
        local_parents: BTreeMap::from([("local".into(), "sha256:1".into())]),
        build_host: "build07.example.org".into(),
        build_time: Duration::from_millis(1500),
        packages: Some(blob(b"packages")),
        koji_files: vec![KojiFile {
            name: "docker-image-sha256:1.aarch64.tar.gz".into(),
            size: 5,
            md5: "9e107d9d372bb6826bd81d3542a419d6".into(),
        }],
        environment: BuildEnvironment {
            operating_system: "Debian".into(),
            architecture: "aarch64".into(),
            kernel_architecture: "aarch64".into(),
            tools: vec![("docker".into(), "20.10".into())],
        },
    }
}

#[test]
fn work_orders_round_trip() {
    let there: WorkOrder = v1::WorkOrder::from(order()).try_into().unwrap();
    assert!(there.ticket.matches("ticket-of-this-order"));
    // Debug shows every field but the ticket, which the line before compares.
    assert_eq!(format!("{there:?}"), format!("{:?}", order()));
}

#[test]
fn bad_work_orders_name_the_field() {
    type Spoil = fn(&mut v1::WorkOrder);
    let cases: &[(&str, Spoil)] = &[
        ("id", |o| o.id = "bld_1".into()),
        ("build_id", |o| o.build_id.clear()),
        ("attempt", |o| o.attempt = 0),
        ("context", |o| o.context = None),
        ("context.digest", |o| o.context = Some(v1::Descriptor { digest: "x".into(), ..blob(b"x").into() })),
        ("dockerfile_path", |o| o.dockerfile_path.clear()),
        ("parents[0].pinned", |o| o.parents[0].pinned.clear()),
        ("parents[1].pinned", |o| o.parents[1].local = false),
        ("manifest_media_type", |o| o.manifest_media_type = ManifestFormat::Oci.index().into()),
        ("ticket", |o| o.ticket.clear()),
    ];
    for (field, spoil) in cases {
        let mut message = v1::WorkOrder::from(order());
        spoil(&mut message);
        assert_eq!(WorkOrder::try_from(message).unwrap_err().field, *field);
    }
}

#[test]
fn results_round_trip() {
    let id: WorkOrderId = "wo_1".parse().unwrap();
    let failure = Failure::new(FailureClass::Source, "build.failed", "RUN false");
    for outcome in [Ok(image()), Err(failure)] {
        let message = v1::WorkResult::from((id.clone(), outcome.clone()));
        assert_eq!(message.try_into(), Ok((id.clone(), outcome)));
    }
}

#[test]
fn bad_results_name_the_field() {
    let convert = |result: v1::WorkResult| <(WorkOrderId, WorkOutcome)>::try_from(result).unwrap_err().field;
    assert_eq!(convert(v1::WorkResult { work_order_id: "wo_1".into(), outcome: None }), "outcome");
    let bad = v1::PlatformImage { manifest: Default::default(), ..image().into() };
    let outcome = Some(Outcome::Image(bad));
    assert_eq!(convert(v1::WorkResult { work_order_id: "wo_1".into(), outcome }), "image.manifest");
    let outcome = Some(Outcome::Failure(v1::Failure { code: "x".into(), ..Default::default() }));
    assert_eq!(convert(v1::WorkResult { work_order_id: "wo_1".into(), outcome }), "failure.class");
}

#[test]
fn progress_round_trips() {
    let id: WorkOrderId = "wo_1".parse().unwrap();
    for phase in [WorkPhase::FetchingContext, WorkPhase::Building, WorkPhase::Exporting, WorkPhase::Uploading]
    {
        let progress = (id.clone(), phase, 3, 7);
        assert_eq!(v1::Progress::from(progress.clone()).try_into(), Ok(progress));
    }
    let unset = v1::Progress { work_order_id: "wo_1".into(), ..Default::default() };
    let error = <(WorkOrderId, WorkPhase, u64, u64)>::try_from(unset).unwrap_err();
    assert_eq!(error.field, "phase");
}

#[test]
fn an_image_says_no_more_than_can_be_recorded() {
    let many = (0..1000).map(|number| (format!("p{number}"), String::new())).collect();
    for (field, image) in [
        ("local_parents", PlatformImage { local_parents: many, ..image() }),
        ("build_host", PlatformImage { build_host: "h".repeat(1000), ..image() }),
        ("layers", PlatformImage { layers: vec![image().layers[0].clone(); 1000], ..image() }),
    ] {
        assert_eq!(PlatformImage::try_from(v1::PlatformImage::from(image)).unwrap_err().field, field);
    }
}
