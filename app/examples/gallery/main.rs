//! Renders the pages from invented pictures, to look at states that are rare in life: twelve pods, a lag of ten
//! million, an outage, nothing known yet.
//!
//! `cargo run --release -p app --features ssr --example gallery -- DIRECTORY`, then serve that directory over HTTP.

mod scenes;

use std::path::Path;
use std::{env, fs, io};

use app::{Page, SiteFiles};

fn main() -> io::Result<()> {
    let directory = env::args().nth(1).unwrap_or_else(|| "gallery".to_owned());
    let directory = Path::new(&directory);
    let style = Path::new(env!("CARGO_MANIFEST_DIR")).join("../style");
    copy_style(&style, directory)?;
    let mut index = String::from("<!DOCTYPE html><title>Gallery</title><ul>");
    for (name, page, mut boot) in scenes::all() {
        boot.site = SiteFiles { css: "gallery.css".to_owned(), ..SiteFiles::default() };
        fs::write(directory.join(format!("{name}.html")), app::render(page, boot))?;
        index.push_str(&format!(
            "<li><a href={name}.html>{name}</a> {}",
            if page == Page::Play { "(phone)" } else { "" }
        ));
    }
    fs::write(directory.join("index.html"), index)
}

/// All style sheets as one, and the fonts beside it.
fn copy_style(style: &Path, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory.join("fonts"))?;
    let mut sheets = Vec::new();
    for entry in fs::read_dir(style)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "css") {
            sheets.push(path);
        }
    }
    sheets.sort();
    let css = sheets.iter().map(fs::read_to_string).collect::<io::Result<String>>()?;
    fs::write(directory.join("gallery.css"), css)?;
    for entry in fs::read_dir(style.join("fonts"))? {
        let path = entry?.path();
        if let Some(name) = path.file_name() {
            fs::copy(&path, directory.join("fonts").join(name))?;
        }
    }
    Ok(())
}
