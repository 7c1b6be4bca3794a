//! `/play`: the game, for phones.

use leptos::prelude::*;

use crate::boot::Boot;

/// The root of the phone's page.
#[component]
pub fn PlayPage(
    /// What the page is rendered from.
    boot: Boot,
) -> impl IntoView {
    let _ = boot;
    view! { <main class="play"></main> }
}
