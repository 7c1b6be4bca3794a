//! The page's files, as `cargo xtask` leaves them in one directory: hashed names, compressed twins, a manifest.

use std::path::{Path, PathBuf};

use anyhow::Context;
use app::SiteFiles;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::header::{CACHE_CONTROL, HeaderValue, VARY};
use http::{Method, StatusCode};
use process::ConfigError;
use tower_http::services::ServeDir;

/// A name with a hash in it never means other bytes.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const MANIFEST: &str = "manifest.json";

/// Where the files are, and what they are called now.
#[derive(Debug, Clone)]
pub struct Site {
    directory: PathBuf,
    /// Their names, for the pages.
    pub files: SiteFiles,
}

impl Site {
    /// Reads the manifest.
    ///
    /// # Errors
    /// When there is none, or it is none.
    pub fn load(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join(MANIFEST);
        let missing = || {
            let path = path.display();
            ConfigError::new(format!("--site: cannot read {path}: build the page with `cargo xtask demo`"))
        };
        let text = std::fs::read(&path).with_context(missing)?;
        let files = serde_json::from_slice(&text).with_context(missing)?;
        Ok(Self { directory: directory.to_owned(), files })
    }

    /// Serves the files, the smallest form that the browser takes; 304 for what it has.
    pub fn router(&self) -> Router {
        let files = ServeDir::new(&self.directory)
            .precompressed_br()
            .precompressed_gzip()
            .append_index_html_on_directories(false);
        Router::new().fallback_service(files).layer(from_fn(cache))
    }
}

async fn cache(request: Request, next: Next) -> Response {
    let is_hashed = request.method() != Method::POST && !request.uri().path().ends_with(MANIFEST);
    let mut response = next.run(request).await;
    if is_hashed && (response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED) {
        response.headers_mut().insert(CACHE_CONTROL, IMMUTABLE);
        // A cache between must not give the compressed twin to somebody who cannot read it.
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}
