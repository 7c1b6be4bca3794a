//! Brings the page that the server rendered to life.

use leptos::mount::hydrate_body;
use wasm_bindgen_futures::spawn_local;
use web_sys::Document;

use crate::boot::{BOOT_ID, Boot, ELEMENTS, Page};
use crate::browser::{from_json, page_anew};
use crate::live;
use crate::play::{self, Hand};
use crate::show;
use crate::store::Store;

/// Takes over the document: reads what it was rendered from, attaches to its elements, and follows the stream.
///
/// What translators and extensions have put between the elements cannot be attached to: such a page is taken from the
/// server again.
pub fn hydrate() {
    let Some(document) = web_sys::window().and_then(|window| window.document()) else { return };
    if is_as_rendered(&document) {
        return attach(&document);
    }
    spawn_local(async move {
        // Without an answer the old one is all there is.
        let _ = page_anew().await;
        attach(&document);
    });
}

/// Whether there are as many elements as the server sent.
fn is_as_rendered(document: &Document) -> bool {
    let Some(body) = document.body() else { return true };
    let sent = body.get_attribute(ELEMENTS).and_then(|sent| sent.parse().ok());
    sent.is_none_or(|sent: u32| body.get_elements_by_tag_name("*").length() == sent)
}

fn attach(document: &Document) {
    let json = document.get_element_by_id(BOOT_ID).and_then(|element| element.text_content());
    let Some(boot) = json.and_then(|json| from_json::<Boot>(&json)) else { return };
    let path = web_sys::window().and_then(|window| window.location().pathname().ok());
    match Page::at(&path.unwrap_or_default()) {
        Page::Show => hydrate_body(move || {
            let now_ms = boot.now_ms;
            let store = Store::new(&boot);
            live::show(store, now_ms);
            show::page(&boot, store)
        }),
        Page::Play => hydrate_body(move || {
            let hand = Hand::from(&boot);
            live::phone(hand, boot.now_ms);
            play::page(hand)
        }),
    }
    // For tests, which must not click before anybody listens.
    if let Some(html) = document.document_element() {
        let _ = html.set_attribute("data-live", "");
    }
}
