//! The files of a layer, sorted by path, and their reproducible tar: no owner, no time, no order of the disk.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

/// A file or a directory, with its permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// A directory and its mode.
    Directory(u32),
    /// A file's content and its mode.
    File(Vec<u8>, u32),
}

/// Paths from the root, without a leading slash.
#[derive(Debug, Default)]
pub(crate) struct Tree(BTreeMap<String, Entry>);

impl Tree {
    /// Adds a file, and the directories that lead to it.
    pub(super) fn add(&mut self, path: &str, content: Vec<u8>, mode: u32) {
        self.add_parents(path);
        self.0.insert(path.to_owned(), Entry::File(content, mode));
    }

    /// Adds a directory with a mode of its own.
    pub(super) fn add_directory(&mut self, path: &str, mode: u32) {
        self.add_parents(path);
        self.0.insert(path.to_owned(), Entry::Directory(mode));
    }

    /// Adds a file of this machine. Where it is a link, what it leads to.
    pub(crate) fn copy(&mut self, path: &str, file: &Path, mode: u32) -> Result<()> {
        let content = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        self.add(path, content, mode);
        Ok(())
    }

    /// Adds all files of a directory of this machine.
    pub(super) fn copy_tree(&mut self, path: &str, folder: &Path) -> Result<()> {
        let entries =
            std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let path = format!("{path}/{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                self.copy_tree(&path, &entry.path())?;
            } else {
                self.copy(&path, &entry.path(), 0o644)?;
            }
        }
        Ok(())
    }

    /// What is there at a path.
    #[cfg(test)]
    pub(super) fn get(&self, path: &str) -> Option<&Entry> {
        self.0.get(path)
    }

    /// Writes the tar.
    pub(super) fn write(&self, output: impl Write) -> Result<()> {
        let mut tar = tar::Builder::new(output);
        for (path, entry) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            match entry {
                Entry::Directory(mode) => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(*mode);
                    header.set_size(0);
                    tar.append_data(&mut header, format!("{path}/"), std::io::empty())?;
                }
                Entry::File(content, mode) => {
                    header.set_entry_type(tar::EntryType::Regular);
                    header.set_mode(*mode);
                    header.set_size(content.len() as u64);
                    tar.append_data(&mut header, path, content.as_slice())?;
                }
            }
        }
        tar.into_inner()?.flush().context("cannot finish the archive")
    }

    fn add_parents(&mut self, path: &str) {
        for (slash, _) in path.match_indices('/') {
            self.0.entry(path[..slash].to_owned()).or_insert(Entry::Directory(0o755));
        }
    }
}
