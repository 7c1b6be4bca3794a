//! Writing the site: names with a hash of the content, compressed forms beside them, and nothing written twice.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// What compresses well; fonts are compressed already.
const TEXT: [&str; 5] = ["css", "js", "json", "svg", "wasm"];

/// The site's directory, and which of its files this build uses.
pub(super) struct Assets {
    site: PathBuf,
    used: Mutex<HashSet<PathBuf>>,
}

/// The first 64 bits of a SHA-256, in hexadecimal.
pub(super) fn hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl Assets {
    /// Writes into this directory.
    pub(super) fn new(site: &Path) -> Result<Self> {
        std::fs::create_dir_all(site.join("pkg"))
            .with_context(|| format!("cannot create {}", site.display()))?;
        Ok(Self { site: site.to_owned(), used: Mutex::default() })
    }

    /// Adds `pkg/NAME-HASH.EXTENSION` and returns its path in the site.
    pub(super) fn add(&self, name: &str, extension: &str, content: &[u8]) -> Result<String> {
        let file = format!("pkg/{name}-{}.{extension}", hash(content));
        self.write(Path::new(&file), content)?;
        Ok(file)
    }

    /// Adds a folder's files under their own names.
    pub(super) fn add_tree(&self, from: &Path, to: &Path) -> Result<()> {
        for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
            let entry = entry?;
            let to = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.add_tree(&entry.path(), &to)?;
            } else {
                self.write(&to, &super::read(&entry.path())?)?;
            }
        }
        Ok(())
    }

    /// Writes a file and its compressed forms, unless they are there with this content.
    pub(super) fn write(&self, file: &Path, content: &[u8]) -> Result<()> {
        let path = self.site.join(file);
        let same = std::fs::read(&path).is_ok_and(|found| found == content);
        if !same {
            replace(&path, content)?;
        }
        self.use_file(&path);
        if !path.extension().is_some_and(|found| TEXT.iter().any(|text| found == *text))
            || file == Path::new("manifest.json")
        {
            return Ok(());
        }
        for (suffix, compress) in [("br", brotli as fn(&[u8]) -> Result<Vec<u8>>), ("gz", gzip)] {
            let compressed = PathBuf::from(format!("{}.{suffix}", path.display()));
            if !same || !compressed.exists() {
                replace(&compressed, &compress(content)?)?;
            }
            self.use_file(&compressed);
        }
        Ok(())
    }

    /// Removes what no build since `before` used.
    pub(super) fn forget_unused(&self, before: SystemTime) -> Result<()> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in std::fs::read_dir(self.site.join("pkg"))? {
            let path = entry?.path();
            let changed = path.metadata()?.modified()?;
            if path.is_file() && changed < before && !used.contains(&path) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn use_file(&self, path: &Path) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }
}

/// Whole or not at all: a server may be reading.
fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let new = PathBuf::from(format!("{}.new", path.display()));
        std::fs::write(&new, content)?;
        std::fs::rename(&new, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn brotli(content: &[u8]) -> Result<Vec<u8>> {
    let mut compressed = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 24, ..Default::default() };
    brotli::BrotliCompress(&mut &content[..], &mut compressed, &parameters)
        .context("cannot compress with brotli")?;
    Ok(compressed)
}

fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_its_content_and_compressed_beside_it() {
        let site = std::env::temp_dir().join(format!("king-assets-{}", std::process::id()));
        let assets = Assets::new(&site).unwrap();
        let text = "a { color: red }\n".repeat(50);
        let path = assets.add("king", "css", text.as_bytes()).unwrap();
        assert_eq!(path, format!("pkg/king-{}.css", hash(text.as_bytes())));
        let file = site.join(&path);
        let brotli = std::fs::metadata(format!("{}.br", file.display())).unwrap();
        assert!(brotli.len() < file.metadata().unwrap().len() / 4);
        std::fs::remove_dir_all(&site).unwrap();
    }
}
