//! The browser's own side.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{Element, Event, KeyboardEvent};

use super::layout::at_position;

/// Loads the page again.
pub(crate) fn reload() {
    if let Some(window) = web_sys::window() {
        let _ = window.location().reload();
    }
}

/// Opens or closes a `<details>` element.
pub(crate) fn toggle_details(id: &str) {
    let Some(details) = web_sys::window().and_then(|w| w.document()).and_then(|d| d.get_element_by_id(id))
    else {
        return;
    };
    let _ = if details.has_attribute("open") {
        details.remove_attribute("open")
    } else {
        details.set_attribute("open", "")
    };
}

/// Calls back for every key that is not typed into a field; the answer says whether the key meant something.
pub(crate) fn on_key(pressed: impl Fn(&str) -> bool + 'static) {
    listen("keydown", move |event: KeyboardEvent| {
        let target: Option<Element> = event.target().and_then(|target| target.dyn_into().ok());
        let is_typing =
            target.is_some_and(|t| matches!(t.tag_name().as_str(), "INPUT" | "SELECT" | "TEXTAREA"));
        if is_typing || event.ctrl_key() || event.meta_key() || event.alt_key() || event.repeat() {
            return;
        }
        let key = event.key();
        let key = if key.len() == 1 { key.to_ascii_lowercase() } else { key };
        // What the key says counts; what stands there on other keyboards, only if that means nothing.
        if pressed(&key) || at_position(&event.code()).is_some_and(|key| pressed(&key)) {
            event.prevent_default();
        }
    });
}

/// Calls back when the page is shown or hidden, or the device wakes.
pub(crate) fn on_attention(changed: impl Fn() + Clone + 'static) {
    for name in ["visibilitychange", "resume"] {
        let changed = changed.clone();
        listen(name, move |_: Event| changed());
    }
}

/// A short vibration, where the device has one.
pub(crate) fn vibrate() {
    if let Some(window) = web_sys::window() {
        let _ = window.navigator().vibrate_with_duration(12);
    }
}

/// Listens to the whole document for as long as the page lives.
fn listen<E: wasm_bindgen::convert::FromWasmAbi + 'static>(name: &str, heard: impl Fn(E) + 'static) {
    let Some(document) = web_sys::window().and_then(|window| window.document()) else { return };
    let heard = Closure::<dyn Fn(E)>::new(heard);
    let _ = document.add_event_listener_with_callback(name, heard.as_ref().unchecked_ref());
    heard.forget();
}
