//! Who plays and how well; how far behind the application is and how many pods it has.

use leptos::prelude::*;
use model::figures::count;
use model::play::PhoneTick;

use super::hand::{Hand, place};
use crate::erased::ErasedOnServer;
use crate::link::Link;
use crate::words;

pub(super) fn top(hand: Hand) -> impl IntoView {
    let name = Signal::derive(move || {
        hand.player.with(|player| player.as_ref().map_or("King of Scaling".to_owned(), |p| p.fighter.clone()))
    });
    let trouble =
        Signal::derive(move || match (hand.link.get(), hand.tick.with(|tick| tick.stale_since_ms)) {
            (Link::Live | Link::Connecting, None) => String::new(),
            (Link::Live | Link::Connecting, Some(since_ms)) => {
                format!("Kafka away since {}", words::age(hand.now_ms.get().saturating_sub(since_ms)))
            }
            (link, _) => link.words(),
        });
    let fine = Signal::derive(move || trouble.with(String::is_empty));
    view! {
        <header>
            <h1>{name}</h1>
            <p class="standing">
                <span>{hand.text(place)}</span>
                <b>{hand.text(|tick| tick.standing.map(|s| words::score(s.score)).unwrap_or_default())}</b>
            </p>
            <p class="chip away" role="status" hidden=fine>{trouble}</p>
        </header>
    }
    .erased_on_server()
}

pub(super) fn tiles(hand: Hand) -> impl IntoView {
    view! {
        <dl class="tiles">
            <div class="panel"><dt>{hand.text(whose)}</dt><dd class="worst">{hand.text(lag)}</dd></div>
            <div class="panel"><dt>"Pods ready"</dt><dd class="ready">{hand.text(pods)}</dd></div>
        </dl>
    }
    .erased_on_server()
}

fn whose(tick: &PhoneTick) -> String {
    tick.lag.as_ref().map_or_else(|| "Lag".to_owned(), |(noun, _)| format!("Lag: {noun}"))
}

fn lag(tick: &PhoneTick) -> String {
    words::count_or_unknown(tick.lag.as_ref().map(|(_, lag)| *lag))
}

fn pods(tick: &PhoneTick) -> String {
    match (tick.ready, tick.desired) {
        (Some(ready), Some(desired)) => format!("{} of {desired}", count(ready.into())),
        _ => words::UNKNOWN.to_owned(),
    }
}
