//! `/`: the show, for a projector and for any visitor.

mod chart;
mod desk;
mod fighters;
mod header;
mod lag;
mod letters;
mod partitions;
mod pods;
mod presenter;
mod verdict;

use leptos::prelude::*;

use crate::boot::Boot;
use crate::store::{Part, Store};
use desk::Desk;

/// The show; `store` holds the picture of `boot`.
pub(crate) fn page(boot: &Boot, store: Store) -> impl IntoView + use<> {
    let desk = boot.presenter.then(|| Desk::new(store));
    let class = Signal::derive(move || {
        let role = if desk.is_some() { "presenting" } else { "watching" };
        let data = store.read(&[Part::Outages], |picture| {
            if picture.kafka_outage().is_some() { "kafka-away" } else { "kafka-there" }
        });
        format!("show {role} {data} {}", store.link.get().class())
    });
    view! {
        <main class=class>
            {header::header(store, boot.presenter, boot.can_present)}
            {lag::lag(store)}
            {pods::pods(store, desk)}
            {partitions::partitions(store)}
            {verdict::verdict(store)}
            {fighters::fighters(store, boot, desk)}
            {desk.map(|desk| presenter::presenter(store, desk))}
        </main>
    }
}
