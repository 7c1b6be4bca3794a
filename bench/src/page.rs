//! The page's weight with all that it loads, and the time to its first numbers.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Url;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING};
use serde_json::json;
use tokio::time::Instant;

use crate::browser::Browser;
use crate::demo::Demo;
use crate::distribution::Distribution;
use crate::figure::{Digits, Figure};
use crate::show::Show;

/// How often to visit.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Cold visits
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=200))]
    visits: u32,
}

/// What a page's parts end with.
const KINDS: [&str; 8] = [".js", ".wasm", ".css", ".woff2", ".svg", ".png", ".ico", ".webmanifest"];
const LIMIT: Duration = Duration::from_secs(20);
/// When the first content was painted, in milliseconds since the navigation began; waits for that paint.
const FIRST_PAINT: &str = r"new Promise(done => new PerformanceObserver(list => {
    const paint = list.getEntriesByName('first-contentful-paint')[0];
    if (paint) done(paint.startTime);
}).observe({ type: 'paint', buffered: true }))";

/// Measures.
pub(crate) async fn run(demo: &Demo, options: &Options) -> Result<Vec<Figure>> {
    println!(
        "The document / and all scripts, modules, styles, fonts and pictures that it or its style sheets name, asked for with brotli; \
         bodies as transferred, without headers; kB = 1,000 bytes. Times: {} visits each on a new connection; in Chromium each in a new \
         context (nothing cached), until the first paint, which has the numbers because they are in the document.",
        options.visits
    );
    let http = client()?;
    let mut show = Show::open(demo, &http).await?;
    show.calm().await?;
    drop(show);
    let brotli = weigh(&http, demo, "br").await?;
    for (address, bytes) in &brotli {
        println!("  {bytes:>8} {}", address.path());
    }
    let gzip = weigh(&http, demo, "gzip").await?;
    println!("  with gzip, as over plain HTTP in a network: {} kB", Digits(kilobytes(&gzip)));
    let complete = complete_ms(demo, options.visits).await?;
    println!("  document complete, ms: {complete}");
    let mut figures =
        vec![Figure::new("page with everything it loads, brotli", kilobytes(&brotli), "kB").goal(160.0)];
    let in_browser = visit_in_browser(demo, options.visits).await?;
    if let Some(Visits { painted, received, floor }) = &in_browser {
        println!(
            "  for comparison, first paint of a page of one word (/healthz) in the same browser, ms: {floor}"
        );
        println!(
            "  first paint in the browser, ms: {painted}\n  received by the browser with headers, kB: {received}"
        );
        figures.push(Figure::new("page as Chromium receives it, with headers", received.median(), "kB"));
        figures.push(
            Figure::new("cold visit to first paint with numbers, median", painted.median(), "ms").goal(300.0),
        );
        figures.push(
            Figure::new("cold visit to first paint with numbers, longest", painted.max(), "ms").goal(300.0),
        );
    }
    let figure = Figure::new("cold visit to complete document with numbers, median", complete.median(), "ms");
    figures.push(figure.goal(300.0));
    Ok(figures)
}

/// A client without idle connections, so that each visit makes its own.
fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().pool_max_idle_per_host(0).timeout(LIMIT).build()?)
}

fn kilobytes(parts: &[(Url, usize)]) -> f64 {
    let bytes: usize = parts.iter().map(|(_, bytes)| bytes).sum();
    u32::try_from(bytes).map_or(f64::INFINITY, f64::from) / 1_000.0
}

/// The document and what it names, with the size of each body as transferred.
async fn weigh(http: &reqwest::Client, demo: &Demo, encoding: &str) -> Result<Vec<(Url, usize)>> {
    let document = Url::parse(&demo.url)?;
    let mut waiting = vec![document.clone()];
    let mut known = BTreeSet::from([document]);
    let mut parts = Vec::new();
    while let Some(address) = waiting.pop() {
        parts.push((address.clone(), body(http, &address, encoding).await?.len()));
        let path = address.path();
        let names_more = path == "/" || path.ends_with(".css");
        let text = if names_more { body(http, &address, "identity").await? } else { Vec::new() };
        for name in references(&String::from_utf8_lossy(&text)) {
            let part = address.join(&name).with_context(|| format!("{name} is no address"))?;
            if part.origin() != address.origin() {
                bail!("the page loads {part} from elsewhere");
            }
            if known.insert(part.clone()) {
                waiting.push(part);
            }
        }
    }
    Ok(parts)
}

async fn body(http: &reqwest::Client, address: &Url, encoding: &str) -> Result<Vec<u8>> {
    let request = http.get(address.clone()).header(ACCEPT_ENCODING, encoding).header(ACCEPT, "text/html,*/*");
    let response = request.send().await?.error_for_status()?;
    let used =
        response.headers().get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity");
    if used != encoding && !address.path().ends_with(".woff2") {
        println!("  {} came with the encoding {used}, not {encoding}", address.path());
    }
    Ok(response.bytes().await?.to_vec())
}

/// The parts that a document or a style sheet names, in quotes or in `url(..)`.
fn references(text: &str) -> BTreeSet<String> {
    let words = text.split(['"', '\'', '(', ')', '<', '>', ' ', '\n', '`']);
    words
        .filter(|word| KINDS.iter().any(|kind| word.ends_with(kind)) && !word.contains(['{', ',', '\\']))
        .filter(|word| !KINDS.contains(word))
        .map(str::to_owned)
        .collect()
}

/// Milliseconds from the connection to the end of the document.
async fn complete_ms(demo: &Demo, visits: u32) -> Result<Distribution> {
    let http = client()?;
    let mut took = Vec::new();
    for _ in 0..visits {
        let began = Instant::now();
        let document = body(&http, &Url::parse(&demo.url)?, "br").await?;
        took.push(began.elapsed().as_secs_f64() * 1_000.0);
        anyhow::ensure!(!document.is_empty(), "the document is empty");
    }
    Distribution::of("visits", took)
}

/// What a browser measures.
struct Visits {
    /// Milliseconds to the first paint.
    painted: Distribution,
    /// Kilobytes received, with headers.
    received: Distribution,
    /// Milliseconds to the first paint of next to nothing: what this machine needs for any page.
    floor: Distribution,
}

/// Visits the page, and in turn a page of one word.
async fn visit_in_browser(demo: &Demo, visits: u32) -> Result<Option<Visits>> {
    let Some(mut browser) = Browser::start().await? else { return Ok(None) };
    let (mut painted, mut received, mut floor) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..visits {
        let (at_ms, kilobytes) = visit(&mut browser, &demo.url).await?;
        painted.push(at_ms);
        received.push(kilobytes);
        floor.push(visit(&mut browser, &format!("{}/healthz", demo.url)).await?.0);
    }
    browser.end().await?;
    let received = Distribution::of("bytes", received)?;
    Ok(Some(Visits {
        painted: Distribution::of("paints", painted)?,
        received,
        floor: Distribution::of("paints", floor)?,
    }))
}

/// Milliseconds to the first paint, and kilobytes received, of one cold visit.
async fn visit(browser: &mut Browser, url: &str) -> Result<(f64, f64)> {
    let page = browser.open().await?;
    browser.on(&page, "Network.enable", json!({})).await?;
    browser.load(&page, url).await?;
    let painted = tokio::time::timeout(LIMIT, browser.evaluate(&page, FIRST_PAINT));
    let at_ms =
        painted.await.context("nothing was painted")??.as_f64().context("the browser measures no paint")?;
    let finished = browser.take_events(&page, "Network.loadingFinished");
    let bytes: f64 = finished.iter().filter_map(|event| event["params"]["encodedDataLength"].as_f64()).sum();
    browser.close(page).await?;
    Ok((at_ms, bytes / 1_000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_in_documents_and_style_sheets() {
        let html = r#"<link rel="stylesheet" href="/app-1a.css"><link id="wasm" href="/pkg/app-2b.wasm"><script>
            import('/pkg/app-3c.js')</script><p>see main.js</p>"#;
        let found: Vec<String> = references(html).into_iter().collect();
        assert_eq!(found, ["/app-1a.css", "/pkg/app-2b.wasm", "/pkg/app-3c.js", "main.js"]);
        let css = "@font-face{src:url(fonts/a-4d.woff2) format(\"woff2\")} .x{background:url('b.svg')}";
        let found: Vec<String> = references(css).into_iter().collect();
        assert_eq!(found, ["b.svg", "fonts/a-4d.woff2"]);
    }
}
