//! Archives made by hand, in both layouts.

use std::io::Read as _;

use flate2::read::GzDecoder;

use super::*;

/// A piece of an archive.
enum Piece<'a> {
    File(&'a str, &'a [u8]),
    Link(&'a str, &'a str),
}

use Piece::{File, Link};

fn archive(pieces: &[Piece<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for piece in pieces {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        match piece {
            File(name, content) => {
                header.set_size(content.len() as u64);
                archive.append_data(&mut header, name, *content).unwrap();
            }
            Link(name, target) => {
                header.set_size(0);
                header.set_entry_type(tar::EntryType::Symlink);
                archive.append_link(&mut header, name, target).unwrap();
            }
        }
    }
    archive.into_inner().unwrap()
}

fn layer_tar(content: &str) -> Vec<u8> {
    archive(&[File("etc/file", content.as_bytes())])
}

fn config(architecture: &str, layers: &[&[u8]]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", Digest::of(layer))).collect();
    // Spaces that no serializer would write: the bytes have to stay.
    format!(
        r#"{{"architecture":"{architecture}",  "os":"linux","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        ids.join(",")
    )
    .into_bytes()
}

fn manifest(config: &str, layers: &[&str]) -> Vec<u8> {
    serde_json::to_vec(&serde_json::json!([{ "Config": config, "RepoTags": null, "Layers": layers }]))
        .unwrap()
}

fn read(pieces: &[Piece<'_>]) -> Result<(SpooledImage, Vec<Vec<u8>>), ExportError> {
    let directory = tempfile::tempdir().unwrap();
    let image = read_archive(&archive(pieces)[..], directory.path(), &Architecture::plain("amd64"))?;
    let contents = image.layers.iter().map(|layer| {
        let mut plain = Vec::new();
        GzDecoder::new(std::fs::File::open(&layer.blob.path).unwrap()).read_to_end(&mut plain).unwrap();
        plain
    });
    let contents = contents.collect();
    assert_eq!(Digest::of(&std::fs::read(&image.config.path).unwrap()), image.config.digest);
    Ok((image, contents))
}

#[test]
fn the_layout_with_layer_directories_is_read() {
    let (a, b) = (layer_tar("a"), layer_tar("b"));
    let config = config("amd64", &[&a, &b, &a]);
    let manifest = manifest("c0ffee.json", &["11/layer.tar", "22/layer.tar", "33/layer.tar"]);
    let (image, contents) = read(&[
        File("11/VERSION", b"1.0"),
        File("11/json", b"{}"),
        File("11/layer.tar", &a),
        File("22/layer.tar", &b),
        Link("33/layer.tar", "../11/layer.tar"),
        File("c0ffee.json", &config),
        File("manifest.json", &manifest),
        File("repositories", b"{}"),
    ])
    .unwrap();
    assert_eq!(contents, [a.clone(), b, a]);
    assert_eq!(image.config.digest, Digest::of(&config));
    assert_eq!(image.layers[0], image.layers[2]);
}

#[test]
fn a_link_may_come_before_its_target_and_the_manifest_first() {
    let a = layer_tar("a");
    let config = config("amd64", &[&a, &a]);
    let manifest = manifest("c.json", &["00/layer.tar", "11/layer.tar"]);
    let (_, contents) = read(&[
        File("manifest.json", &manifest),
        File("c.json", &config),
        Link("00/layer.tar", "../11/layer.tar"),
        File("11/layer.tar", &a),
    ])
    .unwrap();
    assert_eq!(contents, [a.clone(), a]);
}

#[test]
fn the_layout_with_blobs_is_read_in_any_order() {
    let (a, b) = (layer_tar("a"), layer_tar("b"));
    let config = config("amd64", &[&a, &b]);
    let path = |content: &[u8]| format!("blobs/sha256/{}", Digest::of(content).hex());
    let (pa, pb, pc) = (path(&a), path(&b), path(&config));
    let manifest = manifest(&pc, &[&pa, &pb]);
    let oci = br#"{"schemaVersion":2,"manifests":[]}"#;
    let pieces = || {
        vec![
            File(&pa, &a),
            File(&pc, &config),
            File("blobs/sha256/0123", oci),
            File(&pb, &b),
            File("index.json", oci),
            File("manifest.json", &manifest),
            File("oci-layout", b"{}"),
        ]
    };
    let forward = read(&pieces()).unwrap();
    assert_eq!(forward.1, [a.clone(), b.clone()]);
    let backward: Vec<Piece<'_>> = pieces().into_iter().rev().collect();
    let backward = read(&backward).unwrap();
    assert_eq!(backward.1, [a, b]);
    assert_eq!(forward.0.config.digest, backward.0.config.digest);
}

#[test]
fn a_layer_that_begins_like_json_is_still_a_layer() {
    let odd = archive(&[File("{odd", b"x")]);
    assert_eq!(odd[0], b'{');
    let config = config("amd64", &[&odd]);
    let manifest = manifest("c.json", &["l.tar"]);
    let (_, contents) =
        read(&[File("l.tar", &odd), File("c.json", &config), File("manifest.json", &manifest)]).unwrap();
    assert_eq!(contents, [odd]);
}

#[test]
fn an_image_without_layers_is_an_image() {
    let config = config("amd64", &[]);
    let manifest = br#"[{"Config":"c.json","Layers":null}]"#;
    let (image, _) = read(&[File("c.json", &config), File("manifest.json", manifest)]).unwrap();
    assert!(image.layers.is_empty());
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let (a, b) = (layer_tar("a"), layer_tar("b"));
    let one = manifest("c.json", &["l.tar"]);
    let right = config("amd64", &[&a]);
    let wrong_layer = config("amd64", &[&b]);
    let two_layers = config("amd64", &[&a, &b]);
    let foreign = config("arm64", &[&a]);
    for (pieces, says) in [
        (
            vec![File("l.tar", &a), File("c.json", &wrong_layer), File("manifest.json", &one)],
            "layer 1 of the image",
        ),
        (
            vec![File("l.tar", &a), File("c.json", &two_layers), File("manifest.json", &one)],
            "configuration says 2",
        ),
        (
            vec![File("l.tar", &a), File("c.json", &foreign), File("manifest.json", &one)],
            "made for linux/arm64",
        ),
        (vec![File("c.json", &right), File("manifest.json", &one)], "layer l.tar is missing"),
        (vec![File("l.tar", &a), File("manifest.json", &one)], "c.json is missing"),
        (vec![File("l.tar", &a), File("c.json", &right)], "no manifest.json"),
        (vec![File("manifest.json", b"[]")], "or none"),
        (
            vec![Link("l.tar", "l.tar"), File("c.json", &right), File("manifest.json", &one)],
            "l.tar is missing",
        ),
    ] {
        let error = read(&pieces).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn an_archive_that_breaks_off_is_an_error() {
    let a = layer_tar("a");
    let config = config("amd64", &[&a]);
    let manifest = manifest("c.json", &["l.tar"]);
    let whole = archive(&[File("l.tar", &a), File("c.json", &config), File("manifest.json", &manifest)]);
    let directory = tempfile::tempdir().unwrap();
    for length in [0, 700, 1024, 3000] {
        let result = read_archive(&whole[..length], directory.path(), &Architecture::plain("amd64"));
        assert!(result.is_err(), "{length}");
    }
}
