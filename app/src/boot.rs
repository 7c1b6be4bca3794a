//! What a page is rendered from. The server renders it and writes it into the document; the browser reads it back, so
//! that both render the same.

use model::Millis;
use model::play::{Player, Standing, Tap};
use model::wire::Picture;
use serde::{Deserialize, Serialize};

/// The `id` of the element that carries the [`Boot`] as JSON.
pub const BOOT_ID: &str = "boot";

/// The attribute of `<body>` that says how many elements are in it.
pub(crate) const ELEMENTS: &str = "data-elements";

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Page {
    /// `/`
    Show,
    /// `/play`
    Play,
}

impl Page {
    /// Which page lives at a path.
    #[must_use]
    pub fn at(path: &str) -> Self {
        if path.trim_end_matches('/').ends_with("/play") { Self::Play } else { Self::Show }
    }
}

/// All that a page is rendered from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Boot {
    /// Now, and the last ten minutes; a phone needs no history.
    pub picture: Picture,
    /// Whether whoever asks is the presenter.
    pub presenter: bool,
    /// Whether they could become it: over loopback or TLS.
    pub can_present: bool,
    /// The player that this phone is, if it has joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerView>,
    /// Where players join; a phone is there already.
    pub join_url: String,
    /// Whether that leads here only from this machine itself.
    pub join_is_local: bool,
    /// The same as a QR code: an `<svg>` element. It is in the page once, not again in the JSON.
    #[serde(skip)]
    pub qr_svg: String,
    /// Where the page's files are.
    #[serde(skip)]
    pub site: SiteFiles,
    /// When the page was rendered, by the server's clock.
    pub now_ms: Millis,
}

/// A player as its own phone shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlayerView {
    /// Who.
    pub player: Player,
    /// Score and place.
    pub standing: Standing,
    /// The last taps, oldest first.
    pub taps: Vec<Tap>,
}

/// The page's files, relative to the site's root: `site/manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SiteFiles {
    /// The loader of the WASM module.
    pub js: String,
    /// The WASM module.
    pub wasm: String,
    /// The style sheet.
    pub css: String,
    /// Fonts that every page needs at once.
    pub fonts: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_page() {
        for (path, page) in
            [("/", Page::Show), ("", Page::Show), ("/play", Page::Play), ("/play/", Page::Play)]
        {
            assert_eq!(Page::at(path), page, "{path}");
        }
    }
}
