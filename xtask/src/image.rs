//! `cargo xtask image`: one image with all programs and the page, as an OCI archive, without a container engine.
//!
//! Two layers: what the programs need of this machine (`base`), and the programs with the page (`app`). The same
//! programs, page and system libraries give the same bytes, and so the same digest.

mod base;
mod libraries;
mod oci;
mod push;
mod sbom;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::binaries::{self, Programs};
use crate::workspace::Workspace;
use crate::{console, prerequisites, stop};

pub(crate) use oci::{Archive, Layer};
pub(crate) use tree::Tree;

/// Where the page lies.
const SITE: &str = "usr/share/king-of-scaling/site";
/// Where the list of everything inside lies.
const SBOM: &str = "usr/share/king-of-scaling/sbom.cdx.json";
/// What a registry has to carry to each node at most, in bytes.
const LARGEST: usize = 40_000_000;

/// What can be chosen.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How the programs are built: `dist` takes minutes and makes them small, `release` is what the demo runs
    #[arg(long, value_enum, default_value_t = Profile::Dist)]
    pub profile: Profile,
    /// Pack what was built before
    #[arg(long)]
    pub no_build: bool,
    /// The archive [default: image/king-of-scaling.tar in the target directory]; the list of its contents is written
    /// beside it
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Send it to a registry: HOST/PATH, with a tag or else this version's. Who we are is in docker's configuration
    #[arg(long, value_name = "REPOSITORY")]
    pub push: Option<String>,
}

/// A profile of cargo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Small and quick; slow to build.
    Dist,
    /// As the demo has it.
    Release,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Dist => "dist",
            Self::Release => "release",
        }
    }

    fn programs(self) -> Programs {
        match self {
            Self::Dist => Programs::AllForAnImage,
            Self::Release => Programs::All,
        }
    }
}

/// A finished image.
#[derive(Debug)]
pub(crate) struct Image {
    /// The archive.
    pub archive: PathBuf,
    /// `sha256:...` of the manifest: what names it for good.
    pub digest: String,
    /// Where it can be had: a repository without tag.
    pub repository: String,
}

/// The repository of an image that was sent nowhere. No registry has this name.
const NOWHERE: &str = "localhost/king-of-scaling";

/// Builds the image, and sends it if that is asked for.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    stop::on_signals(|| {})?;
    let image = make(&Workspace::find()?, options)?;
    console::plain(format_args!("{}@{}", image.repository, image.digest));
    Ok(ExitCode::SUCCESS)
}

/// Builds the image.
pub(crate) fn make(workspace: &Workspace, options: &Options) -> Result<Image> {
    if !cfg!(target_os = "linux") {
        bail!(
            "An image holds programs for Linux: on this system build it with a container engine (deploy/image/Containerfile)."
        );
    }
    if !options.no_build {
        build(workspace, options.profile)?;
    }
    let (archive, bill) = pack(workspace, options.profile)?;
    let file = options.output.clone().unwrap_or_else(|| workspace.target.join("image/king-of-scaling.tar"));
    write(&archive, &bill, &file)?;
    console::step(format_args!(
        "{}: {:.1} MB compressed ({})",
        workspace.short(&file),
        megabytes(archive.compressed()),
        archive
            .layers
            .iter()
            .map(|layer| format!("{} {:.1}", layer.name, megabytes(layer.blob.len())))
            .collect::<Vec<_>>()
            .join(", "),
    ));
    if options.profile == Profile::Dist && archive.compressed() > LARGEST {
        bail!("The image is larger than {:.0} MB: what has grown?", megabytes(LARGEST));
    }
    let repository = match &options.push {
        Some(reference) => push::send(&archive, reference)?,
        None => NOWHERE.to_owned(),
    };
    Ok(Image { archive: file, digest: archive.digest().to_owned(), repository })
}

fn build(workspace: &Workspace, profile: Profile) -> Result<()> {
    prerequisites::to_build()?;
    // Not where the demo's page is: that directory keeps files of former builds for a while.
    let site = site(workspace);
    let _ = std::fs::remove_dir_all(&site);
    binaries::build_all(workspace, profile.name(), profile.programs(), &site)
}

/// The page, for images only.
fn site(workspace: &Workspace) -> PathBuf {
    workspace.target.join("image/site")
}

/// The archive, and the list of what is inside.
fn pack(workspace: &Workspace, profile: Profile) -> Result<(Archive, Vec<u8>)> {
    let programs = profile.programs();
    let folder = workspace.target.join(profile.name());
    let files: Vec<PathBuf> = programs.names().iter().map(|name| folder.join(name)).collect();
    if let Some(missing) = files.iter().find(|file| !file.exists()) {
        bail!("{} is not built yet: leave `--no-build` out.", workspace.short(missing));
    }
    let libraries = libraries::of(&files)?;
    let bill = sbom::describe(workspace, programs, &libraries)?;

    let mut app = Tree::default();
    for (name, file) in programs.names().iter().zip(&files) {
        app.copy(&format!("usr/local/bin/{name}"), file, 0o755)?;
    }
    app.copy_tree(SITE, &site(workspace)).context("the page is not built yet: leave `--no-build` out")?;
    app.add(SBOM, bill.clone(), 0o644);
    let layers = vec![Layer::new("base", &base::tree(&libraries)?)?, Layer::new("app", &app)?];
    Ok((Archive::new(layers, env!("CARGO_PKG_VERSION"), NOWHERE, None)?, bill))
}

fn write(archive: &Archive, bill: &[u8], file: &Path) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // Whoever loads it meanwhile never sees half of it.
    let unfinished = file.with_extension("unfinished");
    archive.write(&unfinished).with_context(|| format!("cannot write {}", unfinished.display()))?;
    std::fs::rename(&unfinished, file).with_context(|| format!("cannot write {}", file.display()))?;
    let beside = file.with_extension("cdx.json");
    std::fs::write(&beside, bill).with_context(|| format!("cannot write {}", beside.display()))
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
