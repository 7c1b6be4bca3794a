//! The few things that a page asks of its browser. On the server they do nothing: they are only called from events.

#[cfg(feature = "hydrate")]
mod call;
// Its tests need no browser.
#[cfg(any(feature = "hydrate", test))]
mod json;
// What a key is called where a layout moves it: its tests need no browser.
#[cfg(any(feature = "hydrate", test))]
mod layout;
#[cfg(feature = "hydrate")]
mod real;

#[cfg(feature = "hydrate")]
pub(crate) use {
    call::{call, page_anew},
    json::from_json,
    real::*,
};

#[cfg(not(feature = "hydrate"))]
mod none {
    use leptos::server_fn::ServerFn;

    /// Calls a server function; the error is one sentence for a person.
    pub(crate) async fn call<F: ServerFn>(_request: F) -> Result<F::Output, String> {
        Err(String::new())
    }
    /// Loads the page again.
    pub(crate) fn reload() {}
    /// Opens or closes a `<details>` element.
    pub(crate) fn toggle_details(_id: &str) {}
    /// Calls back for every key that is not typed into a field; the answer says whether the key meant something.
    pub(crate) fn on_key(_pressed: impl Fn(&str) -> bool + 'static) {}
    /// A short vibration, where the device has one.
    pub(crate) fn vibrate() {}
}

#[cfg(not(feature = "hydrate"))]
pub(crate) use none::*;
