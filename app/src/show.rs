//! `/`: the show, for a projector and for any visitor.

mod chart;
mod desk;
mod fighters;
mod header;
mod lag;
mod partitions;
mod pods;
mod presenter;
mod verdict;

use leptos::prelude::*;

use crate::boot::Boot;
use crate::store::{Part, Store};
use desk::Desk;

/// The root of the show. `store` holds the picture of `boot`.
#[component]
pub fn ShowPage(
    /// What the page is rendered from.
    boot: Boot,
    /// The page's state.
    store: Store,
) -> impl IntoView {
    let desk = boot.presenter.then(|| Desk::new(store));
    let class = Signal::derive(move || {
        let role = if desk.is_some() { "presenting" } else { "watching" };
        let data = store
            .read(&[Part::Outages], |picture| if picture.kafka_outage().is_some() { "old" } else { "fresh" });
        format!("show {role} {data} {}", store.link.get().class())
    });
    view! {
        <main class=class>
            {header::header(store, boot.presenter, boot.can_present)}
            {lag::lag(store)}
            {pods::pods(store, desk)}
            {partitions::partitions(store)}
            {verdict::verdict(store)}
            {fighters::fighters(store, &boot)}
            {desk.map(|desk| presenter::presenter(store, desk))}
        </main>
    }
}
