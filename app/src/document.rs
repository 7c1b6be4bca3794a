//! The whole document, as the server sends it.

use leptos::prelude::*;

use crate::boot::{BOOT_ID, Boot, ELEMENTS, Page};
use crate::play::{self, Hand};
use crate::show;
use crate::store::Store;

/// The only script that is written into a page: it never changes, so a Content-Security-Policy can name its hash.
pub const START_SCRIPT: &str = "const at=id=>document.getElementById(id).href;\
    import(at('js')).then(app=>app.default({module_or_path:at('wasm')}));";

/// The HTML of a page. Needs no running executor: nothing in a page waits for anything.
#[must_use]
pub fn render(page: Page, mut boot: Boot) -> String {
    if page == Page::Play {
        boot.picture.history = model::history::History::default();
    }
    let html = Owner::new_root(None).with(|| shell(page, boot).to_html());
    let (head, body) = html.split_once(BODY).unwrap_or((&html, ""));
    format!("<!DOCTYPE html>{head}<body {ELEMENTS}=\"{}\">{body}", elements(body))
}

const BODY: &str = "<body>";

/// How many elements begin in a text of HTML. Nothing but a tag begins with `<` and a letter: texts and JSON are
/// escaped.
fn elements(html: &str) -> usize {
    let begins = |at: usize| html.as_bytes().get(at + 1).is_some_and(u8::is_ascii_alphabetic);
    html.match_indices('<').filter(|(at, _)| begins(*at)).count()
}

/// The document, from `<html>` on.
fn shell(page: Page, boot: Boot) -> impl IntoView {
    let json = boot_json(&boot);
    let site = boot.site.clone();
    let at_root = |path: &str| format!("/{}", path.trim_start_matches('/'));
    let font = |path: &String| {
        view! { <link rel="preload" href=at_root(path) r#as="font" r#type="font/woff2" crossorigin="anonymous" /> }
    };
    let (title, body) = match page {
        Page::Show => ("King of Scaling", {
            let store = Store::new(&boot);
            show::page(&boot, store).into_any()
        }),
        Page::Play => ("King of Scaling: play", play::page(Hand::from(&boot)).into_any()),
    };
    view! {
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover" />
                // Our numbers are no telephone's, and no dates.
                <meta name="format-detection" content="telephone=no, date=no, address=no, email=no" />
                <meta name="color-scheme" content="dark light" />
                <meta name="theme-color" content="#0c0e14" media="(prefers-color-scheme: dark)" />
                <meta name="theme-color" content="#f3f4f8" media="(prefers-color-scheme: light)" />
                <meta name="description" content="Record lag and pods, live: a real Kafka application is scaled while you watch." />
                <title>{title}</title>
                <link rel="icon" href=ICON />
                <link rel="stylesheet" href=at_root(&site.css) />
                {site.fonts.iter().map(font).collect_view()}
                <link id="js" rel="modulepreload" href=at_root(&site.js) />
                <link id="wasm" rel="preload" href=at_root(&site.wasm) r#as="fetch" crossorigin="anonymous" />
            </head>
            <body>
                {body}
                <script type="application/json" id=BOOT_ID inner_html=json></script>
                <script type="module" inner_html=START_SCRIPT></script>
            </body>
        </html>
    }
}

/// A crown, drawn here so that no browser asks for `/favicon.ico`.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
    %3Cpath fill='%23ffb000' d='M1 4l4 3 3-5 3 5 4-3-2 9H3z'/%3E%3C/svg%3E";

/// JSON that is safe inside a `<script>` element.
fn boot_json(boot: &Boot) -> String {
    serde_json::to_string(boot).unwrap_or_default().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::snapshot::Leader;

    #[test]
    fn a_page_carries_its_numbers_and_what_it_was_rendered_from() {
        let mut boot = Boot::default();
        boot.picture.snapshot.players.count = 214;
        boot.site.js = "pkg/app-1.js".into();
        let html = render(Page::Show, boot.clone());
        assert!(html.starts_with("<!DOCTYPE html><html"));
        assert!(html.contains("214") && html.contains("href=\"/pkg/app-1.js\""));
        let (_, json) = html.split_once("id=\"boot\">").unwrap();
        let (json, _) = json.split_once("</script>").unwrap();
        let read: Boot = serde_json::from_str(json).unwrap();
        assert_eq!(read.picture, boot.picture);
    }

    #[test]
    fn an_unknown_is_a_dash_and_never_a_zero() {
        let html = render(Page::Show, Boot::default());
        assert!(html.contains("waiting for the first sample"));
        assert!(html.contains("<dd>–</dd>"));
    }

    #[test]
    fn a_page_says_how_many_elements_it_has() {
        assert_eq!(elements("<main><p>1 &lt; 2<br/></p><!><!-- no --></main><script>a=>b</script>"), 4);
        let html = render(Page::Play, Boot::default());
        let (_, rest) = html.split_once("<body data-elements=\"").unwrap();
        let (count, body) = rest.split_once("\">").unwrap();
        assert_eq!(count.parse::<usize>().unwrap(), elements(body));
    }

    #[test]
    fn nothing_in_the_json_ends_its_element() {
        let mut boot = Boot::default();
        let fighter = "</script><script>alert(1)".to_owned();
        boot.picture.snapshot.players.leaders.push(Leader { fighter, score: 1, last_ms: None });
        assert!(!render(Page::Show, boot).contains("<script>alert"));
    }

    #[test]
    fn a_stranger_gets_no_button() {
        let stranger = render(Page::Show, Boot::default());
        assert!(!stranger.contains("<button"));
        let presenter = render(Page::Show, Boot { presenter: true, ..Boot::default() });
        assert!(presenter.contains("<button"));
    }
}
