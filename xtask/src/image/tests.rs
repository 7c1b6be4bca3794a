//! Two images of the same files have the same digest, and hold what they should.

use std::collections::BTreeSet;
use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::base;
use super::oci::{Archive, Layer, digest};
use super::tree::Tree;

/// An image of two files, added in the order that is said.
pub(super) fn image(order: [usize; 2]) -> Archive {
    let files = [("usr/local/bin/server", "program", 0o755), ("usr/share/page.html", "page", 0o644)];
    let mut app = Tree::default();
    for index in order {
        let (path, content, mode) = files[index];
        app.add(path, content.into(), mode);
    }
    let base = base::tree(&BTreeSet::new()).unwrap();
    let layers = vec![Layer::new("base", &base).unwrap(), Layer::new("app", &app).unwrap()];
    Archive::new(layers, "1.2.3", "localhost/king-of-scaling", None).unwrap()
}

/// Path, mode, owner and time of each entry of a tar.
fn entries(tar: impl Read) -> Vec<(String, u32, u64, u64)> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let header = entry.header();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        (path, header.mode().unwrap(), header.uid().unwrap(), header.mtime().unwrap())
    });
    entries.collect()
}

#[test]
fn the_same_files_give_the_same_digest() {
    assert_eq!(image([0, 1]).digest(), image([1, 0]).digest());
}

#[test]
fn a_layer_is_sorted_and_knows_no_owner_and_no_time() {
    let layer = &image([1, 0]).layers[1];
    let expected = [
        ("usr/", 0o755),
        ("usr/local/", 0o755),
        ("usr/local/bin/", 0o755),
        ("usr/local/bin/server", 0o755),
        ("usr/share/", 0o755),
        ("usr/share/page.html", 0o644),
    ];
    let expected: Vec<_> = expected.map(|(path, mode)| (path.to_owned(), mode, 0, 0)).into();
    assert_eq!(entries(GzDecoder::new(layer.blob.as_slice())), expected);
    let mut tar = Vec::new();
    GzDecoder::new(layer.blob.as_slice()).read_to_end(&mut tar).unwrap();
    assert_eq!((digest(&tar), digest(&layer.blob)), (layer.diff_id.clone(), layer.digest.clone()));
}

#[test]
fn the_base_has_a_user_certificates_and_a_place_for_temporary_files() {
    let base = base::tree(&BTreeSet::new()).unwrap();
    let modes = entries({
        let mut tar = Vec::new();
        base.write(&mut tar).unwrap();
        std::io::Cursor::new(tar)
    });
    for (path, mode) in
        [("tmp/", 0o1777), ("etc/passwd", 0o644), ("etc/ssl/certs/ca-certificates.crt", 0o644)]
    {
        assert!(modes.iter().any(|(found, bits, ..)| found == path && *bits == mode), "{path}");
    }
    assert!(base.get("bin/sh").is_none());
}

#[test]
fn an_archive_holds_what_its_index_and_manifest_name() {
    let image = image([0, 1]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.tar");
    image.write(&file).unwrap();
    let mut blobs = std::collections::BTreeMap::new();
    for entry in tar::Archive::new(std::fs::File::open(&file).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        blobs.insert(path, content);
    }
    let blob = |descriptor: &Value| -> Vec<u8> {
        let digest = descriptor["digest"].as_str().unwrap();
        let content = &blobs[&format!("blobs/{}", digest.replace(':', "/"))];
        assert_eq!(self::digest(content), digest);
        assert_eq!(descriptor["size"], content.len());
        content.clone()
    };
    assert_eq!(blobs["oci-layout"], br#"{"imageLayoutVersion":"1.0.0"}"#);
    let index: Value = serde_json::from_slice(&blobs["index.json"]).unwrap();
    let names: Vec<&str> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["annotations"]["io.containerd.image.name"].as_str().unwrap())
        .collect();
    let by_digest = format!("localhost/king-of-scaling@{}", image.digest());
    assert_eq!(names, ["localhost/king-of-scaling:1.2.3", by_digest.as_str()]);
    let manifest: Value = serde_json::from_slice(&blob(&index["manifests"][0])).unwrap();
    let config: Value = serde_json::from_slice(&blob(&manifest["config"])).unwrap();
    assert_eq!(config["config"]["User"], "65532:65532");
    assert!(config.get("created").is_none());
    for (index, layer) in image.layers.iter().enumerate() {
        assert_eq!(blob(&manifest["layers"][index]), layer.blob);
        assert_eq!(config["rootfs"]["diff_ids"][index], layer.diff_id.as_str());
    }
}
