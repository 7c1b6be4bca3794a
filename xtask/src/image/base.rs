//! The layer below the programs: glibc and what else they load, CAs, names of users, and `/tmp`. No shell, no package
//! manager.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::tree::Tree;

/// Where systems keep the CAs that they trust, as one file.
const CERTIFICATES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];
/// Where the image has them.
pub(super) const CA_FILE: &str = "etc/ssl/certs/ca-certificates.crt";
/// Nobody in particular, as distroless images call them.
pub(super) const USER: &str = "65532:65532";

const PASSWD: &str =
    "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnonroot:x:65532:\n";
const NAMES: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

/// The layer's files.
pub(super) fn tree(libraries: &BTreeSet<PathBuf>) -> Result<Tree> {
    let mut tree = Tree::default();
    tree.add("etc/passwd", PASSWD.into(), 0o644);
    tree.add("etc/group", GROUP.into(), 0o644);
    tree.add("etc/nsswitch.conf", NAMES.into(), 0o644);
    tree.add_directory("tmp", 0o1777);
    let certificates = CERTIFICATES.iter().find(|file| Path::new(file).exists());
    let certificates =
        certificates.context("this machine has no CA certificates: install ca-certificates")?;
    tree.copy(CA_FILE, Path::new(certificates), 0o644)?;

    // The loader looks beside glibc without being told; a library from elsewhere is put there.
    let home = libraries.iter().find(|file| file.ends_with("libc.so.6")).and_then(|file| file.parent());
    for file in libraries {
        let name = file.file_name().unwrap_or_default();
        let is_loader = name.to_string_lossy().starts_with("ld-");
        let place = if is_loader { file.clone() } else { home.map_or(file.clone(), |home| home.join(name)) };
        tree.copy(place.to_string_lossy().trim_start_matches('/'), file, 0o755)?;
    }
    Ok(tree)
}
