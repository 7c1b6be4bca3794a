//! The finished page (`<target>/site`, where a demo serves it): JavaScript, WebAssembly, one style sheet and the fonts.
//!
//! Every file's name holds a hash of its content, so that a browser may keep it for ever, and lies beside its
//! compressed forms. The server reads `manifest.json` to learn the names.

mod assets;
mod code;

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::workspace::Workspace;
use assets::Assets;

/// Files of former builds stay this long: a demo that runs now may still serve them.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// What the server puts into the page: paths from the root of the site.
#[derive(Debug, Serialize)]
struct Manifest {
    js: String,
    wasm: String,
    css: String,
    fonts: Vec<String>,
}

/// Makes the page from what cargo built and from `style/`.
pub(crate) fn build(workspace: &Workspace, site: &Path) -> Result<()> {
    let code = code::build(workspace)?;
    let assets = Assets::new(site)?;

    let wasm = assets.add("king", "wasm", &read(&code.join("king_bg.wasm"))?)?;
    let js = String::from_utf8(read(&code.join("king.js"))?).context("the JavaScript is not text")?;
    // Whoever starts the page without naming the WebAssembly finds it all the same.
    let js = js.replace("king_bg.wasm", file_name(&wasm));
    let js = assets.add("king", "js", js.as_bytes())?;
    // Inline JavaScript of our dependencies, by names that wasm-bindgen hashed already.
    let snippets = code.join("snippets");
    if snippets.is_dir() {
        assets.add_tree(&snippets, Path::new("pkg/snippets"))?;
    }

    let style = workspace.root.join("style");
    let fonts = add_fonts(&assets, &style.join("fonts"))?;
    let css = assets.add("king", "css", style_sheet(&style, &fonts)?.as_bytes())?;
    let public = style.join("public");
    if public.is_dir() {
        assets.add_tree(&public, Path::new(""))?;
    }

    let fonts = fonts.into_iter().map(|(_, path)| path).collect();
    let manifest = serde_json::to_vec_pretty(&Manifest { js, wasm, css, fonts })?;
    assets.write(Path::new("manifest.json"), &manifest)?;
    assets.forget_unused(SystemTime::now() - KEPT)
}

/// The fonts of the page: (name in `style/fonts`, path in the site).
fn add_fonts(assets: &Assets, folder: &Path) -> Result<Vec<(String, String)>> {
    let mut fonts = Vec::new();
    for file in files(folder, "woff2")? {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        fonts.push((format!("{stem}.woff2"), assets.add(&stem, "woff2", &read(&file)?)?));
    }
    Ok(fonts)
}

/// All of `style/*.css` in the order of their names; a font's `url(...)` names the hashed file, which lies beside the
/// style sheet.
fn style_sheet(folder: &Path, fonts: &[(String, String)]) -> Result<String> {
    let mut css = String::new();
    for file in files(folder, "css")? {
        css.push_str(
            &std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?,
        );
        css.push('\n');
    }
    for (name, path) in fonts {
        for prefix in ["/fonts/", "./fonts/", "fonts/"] {
            css = css.replace(&format!("{prefix}{name}"), file_name(path));
        }
    }
    Ok(without_comments(&css))
}

fn without_comments(css: &str) -> String {
    let mut kept = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, after)) = rest.split_once("/*") {
        kept.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The files of a folder that end so; a page without any of them is broken, and nobody would say why.
fn files(folder: &Path, extension: &str) -> Result<Vec<std::path::PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<_> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    if files.is_empty() {
        bail!("there is no .{extension} in {}: the page needs it", folder.display());
    }
    Ok(files)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_indents_are_not_sent_to_phones() {
        assert_eq!(without_comments("/* why */\na {\n  b: c; /* d */\n}\n\n"), "a {\nb: c;\n}");
    }
}
