//! `/play`: the game, for phones. A tap becomes a record in Kafka, and the phone shows its way back.

mod hand;
mod hits;
mod pad;
mod pick;
mod top;
mod way;

use leptos::prelude::*;

use crate::boot::Boot;
pub use hand::Hand;

/// The phone's page; `hand` holds what the phone knows.
pub(crate) fn page(hand: Hand) -> impl IntoView {
    let class = Signal::derive(move || {
        let role = if hand.player.with(Option::is_some) { "playing" } else { "picking" };
        format!("play {role} {}", hand.link.get().class())
    });
    // Who plays is known when the page is rendered, and another player is another page.
    let plays = hand.player.with_untracked(Option::is_some);
    view! {
        <main class=class>
            {top::top(hand)}
            {top::tiles(hand)}
            {(!plays).then(|| pick::pick(hand))}
            {plays.then(|| (way::way(hand), hits::hits(hand), pad::pad(hand)))}
        </main>
    }
}

/// What the phone knows when its page is rendered.
impl From<&Boot> for Hand {
    fn from(boot: &Boot) -> Self {
        let snapshot = &boot.picture.snapshot;
        let cluster = snapshot.cluster.as_ref();
        let replicas = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self::new(
            boot.player.clone(),
            model::play::PhoneTick {
                at_ms: snapshot.at_ms,
                lag: snapshot.lag.as_ref().and_then(|lag| {
                    let (topic, records) = lag.worst()?;
                    Some((lag.topics.noun(topic).to_owned(), records))
                }),
                ready: cluster.map(|cluster| replicas(cluster.ready())),
                desired: cluster.map(|cluster| cluster.desired),
                stale_since_ms: snapshot.outages.kafka.as_ref().map(|outage| outage.since_ms),
                players: snapshot.players.count,
                standing: boot.player.as_ref().map(|player| player.standing),
                taps: Vec::new(),
            },
            boot.now_ms,
        )
    }
}
