//! `/`: the show, for a projector and for any visitor.

mod chart;
mod commands;
mod fighters;
mod header;
mod lag;
mod letters;
mod partitions;
mod pods;
mod presenter;
mod tasks;
mod verdict;

use leptos::prelude::*;

use crate::boot::Boot;
use crate::store::{Part, Store};
use commands::Commands;

/// The show; `store` holds the picture of `boot`.
pub(crate) fn page(boot: &Boot, store: Store) -> impl IntoView + use<> {
    let commands = boot.presenter.then(|| Commands::new(store));
    let class = Signal::derive(move || {
        let role = if commands.is_some() { "presenting" } else { "watching" };
        let data = store.read(&[Part::Outages], |picture| {
            if picture.kafka_outage().is_some() { "kafka-away" } else { "kafka-there" }
        });
        format!("show {role} {data} {}", store.link.get().class())
    });
    view! {
        <main class=class>
            {header::header(store, boot.presenter, boot.can_present)}
            {lag::lag(store)}
            {pods::pods(store, commands)}
            {partitions::partitions(store)}
            {verdict::verdict(store)}
            {fighters::fighters(store, boot, commands)}
            {commands.map(|commands| presenter::presenter(store, commands))}
        </main>
    }
}
