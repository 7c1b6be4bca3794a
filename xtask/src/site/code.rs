//! From cargo's WebAssembly to what a browser loads: wasm-bindgen's JavaScript beside it, and `wasm-opt` when npm can
//! get it.
//!
//! The result is kept with a key of everything it depends on: an unchanged page costs one hash.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use wasm_bindgen_cli_support::Bindgen;

use super::assets::hash;
use super::read;
use crate::workspace::Workspace;
use crate::{console, tool};

/// Rust's own targets for the browser use these; wasm-bindgen drops the section that would tell.
const OPTIMISE: [&str; 8] = [
    "-Oz",
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--strip-producers",
];

/// The folder with `king.js`, `king_bg.wasm` and perhaps `snippets/`.
pub(super) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let wasm = read(&workspace.target.join("wasm32-unknown-unknown/wasm/frontend.wasm"))?;
    let optimiser = Optimiser::find(workspace)?;
    let folder = workspace.target.join("site-code");
    let key_file = folder.join("key");
    let key = format!("{} {} {}", hash(&wasm), optimiser.key(), hash(OPTIMISE.concat().as_bytes()));
    if std::fs::read_to_string(&key_file).is_ok_and(|found| found == key) {
        return Ok(folder);
    }
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    console::step("binding the page's WebAssembly to JavaScript");
    bind(wasm, &folder)?;
    optimiser.run(&folder)?;
    std::fs::write(&key_file, key).with_context(|| format!("cannot write {}", key_file.display()))?;
    Ok(folder)
}

fn bind(wasm: Vec<u8>, folder: &Path) -> Result<()> {
    // wasm-bindgen's error type is an anyhow of its own.
    let failed = |error| anyhow!("wasm-bindgen failed: {error:#}");
    let mut bindgen = Bindgen::new();
    bindgen
        .input_bytes("king", wasm)
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true);
    bindgen.web(true).map_err(failed)?;
    bindgen.generate(folder).map_err(failed)
}

/// `wasm-opt`, or the reason to go without.
enum Optimiser {
    Program { program: PathBuf, version: String },
    Missing(&'static str),
}

impl Optimiser {
    /// npm's binaryen by our lock file, fetched the first time; the system's own where there is no npm.
    fn find(workspace: &Workspace) -> Result<Self> {
        let package = workspace.root.join("xtask/package.json");
        let lock = read(&package.with_file_name("package-lock.json"))?;
        let folder = workspace.target.join("binaryen");
        let program = folder.join("node_modules/.bin/wasm-opt");
        let done = folder.join("done");
        let version = hash(&lock);
        if std::fs::read_to_string(&done).is_ok_and(|found| found == version)
            && tool::find(&["node"]).is_some()
        {
            return Ok(Self::Program { program, version });
        }
        if tool::find(&["npm"]).is_none() || tool::find(&["node"]).is_none() {
            return Ok(match tool::find(&["wasm-opt"]) {
                Some(program) => Self::Program { program, version: "system".to_owned() },
                None => Self::Missing("there is neither npm nor wasm-opt"),
            });
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        std::fs::copy(&package, folder.join("package.json")).context("cannot copy package.json")?;
        std::fs::write(folder.join("package-lock.json"), lock).context("cannot copy package-lock.json")?;
        let _waiting = console::Waiting::on("fetching wasm-opt with npm");
        let mut command = Command::new("npm");
        command.args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder);
        match tool::quiet(&command, &folder.join("npm.log")) {
            Ok(()) => {
                std::fs::write(&done, &version)?;
                Ok(Self::Program { program, version })
            }
            Err(error) if error.is::<crate::stop::Stopped>() => Err(error),
            Err(_) => Ok(Self::Missing("npm could not fetch it")),
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::Program { version, .. } => version,
            Self::Missing(_) => "none",
        }
    }

    fn run(&self, folder: &Path) -> Result<()> {
        let program = match self {
            Self::Program { program, .. } => program,
            Self::Missing(reason) => {
                console::step(format_args!(
                    "leaving out wasm-opt, because {reason}: the page works, and is about a tenth larger"
                ));
                return Ok(());
            }
        };
        let _waiting = console::Waiting::on("making the page's WebAssembly smaller with wasm-opt");
        let wasm = folder.join("king_bg.wasm");
        let smaller = folder.join("smaller.wasm");
        let mut command = Command::new(program);
        command.args(OPTIMISE).arg(&wasm).arg("-o").arg(&smaller);
        tool::quiet(&command, &folder.join("wasm-opt.log"))?;
        std::fs::rename(&smaller, &wasm).context("cannot replace the WebAssembly")
    }
}
