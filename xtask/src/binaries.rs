//! What cargo builds: the programs, and the page for the browser.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use crate::packages::Build;
use crate::workspace::Workspace;
use crate::{console, openssl, site, stop, tool};

/// Which programs, and with what inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Programs {
    /// Those of a demo on this machine: they know nothing of Kubernetes, whose libraries take minutes to build.
    Demo,
    /// All, with everything inside.
    All,
    /// The same, with an OpenSSL that is in them.
    AllForAnImage,
}

impl Programs {
    /// What they are called.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Demo => &["server", "datagen", "streams"],
            Self::All | Self::AllForAnImage => &["server", "lag-api", "datagen", "streams"],
        }
    }

    /// The arguments of cargo that choose their OpenSSL.
    pub(crate) fn openssl(self) -> &'static [&'static str] {
        match self {
            Self::Demo | Self::All => openssl::features(),
            Self::AllForAnImage => &openssl::VENDORED,
        }
    }

    /// The arguments of cargo that choose them.
    fn selection(self) -> Vec<&'static str> {
        let mut selection: Vec<_> = self.names().iter().flat_map(|name| ["-p", name]).collect();
        selection.extend(self.openssl());
        if self == Self::Demo {
            selection.push("--no-default-features");
        }
        selection
    }
}

/// The arguments of cargo that choose the page.
const PAGE: [&str; 4] = ["-p", "frontend", "--target", "wasm32-unknown-unknown"];

/// Builds programs with a profile, and the page beside them, into `site`: while one waits for its longest library, the
/// other has the processor. Programs are always built together: alone, each would have its libraries built once more
/// with other features. The compiler's words on the page are in a file, since both would draw over each other's.
pub(crate) fn build_all(workspace: &Workspace, profile: &str, programs: Programs, site: &Path) -> Result<()> {
    std::fs::create_dir_all(&workspace.target)
        .with_context(|| format!("cannot create {}", workspace.target.display()))?;
    let names = programs.names().join(", ");
    let programs = Build::new(workspace, profile, &programs.selection());
    let page = Build::new(workspace, "wasm", &PAGE);
    let left = {
        let (programs, page) = (programs.progress(), page.progress());
        move || format!("built of the programs: {programs}; of the page: {page}")
    };
    let _waiting = console::Waiting::beside_progress(
        format!("building {names} (profile {profile}), and the page beside them"),
        left,
    );
    std::thread::scope(|scope| {
        let page = scope.spawn(|| {
            page.quiet(&workspace.target.join("build-page.log")).context("the page does not build")?;
            site::build(workspace, site)
        });
        let built = succeed(programs.show(), "the programs do not build");
        if built.is_err() {
            // Nobody needs the page then.
            stop::ask();
        }
        let page = page.join().map_err(|_| anyhow!("the thread that builds the page died"))?;
        built.and(page)
    })
}

/// Says what is missing when nothing may be built.
pub(crate) fn check_built(workspace: &Workspace, programs: Programs) -> Result<()> {
    let missing = Programs::Demo
        .names()
        .iter()
        .map(|name| workspace.binary(name))
        .chain([workspace.site().join("manifest.json")])
        .find(|file| !file.exists());
    match missing {
        Some(file) => bail!("{} is not built yet: start once without `--no-build`.", workspace.short(&file)),
        None if programs != Programs::Demo && !knows_kubernetes(workspace) => {
            bail!("The server was built for local pods only: start once without `--no-build`.")
        }
        None => Ok(()),
    }
}

fn knows_kubernetes(workspace: &Workspace) -> bool {
    let help = tool::output(Command::new(workspace.binary("server")).arg("--help"));
    help.is_some_and(|help| help.contains("--kubeconfig"))
}

fn succeed(built: Result<bool>, problem: &str) -> Result<()> {
    if built? { Ok(()) } else { bail!("Stopped, because {problem}: the compiler says why above.") }
}
