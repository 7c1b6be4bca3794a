//! The last hits, and what happened to them.

use leptos::prelude::*;
use model::play::{Direction, Impact, Key, Stage, Tap};

use super::hand::{Hand, progress, remark};
use crate::erased::ErasedOnServer;

pub(super) fn hits(hand: Hand) -> impl IntoView {
    let rows = move || hand.taps.get().into_iter().map(row).collect_view();
    view! {
        <section class="hits" aria-labelledby="hits-title">
            <h2 id="hits-title" class="unseen">"Your last hits"</h2>
            <p class="trouble" role="status">{hand.trouble}</p>
            <ol>{rows}</ol>
        </section>
    }
    .erased_on_server()
}

fn row(tap: Tap) -> impl IntoView {
    let class = match (&tap.stage, tap.impact) {
        (Stage::Waiting { .. }, _) => "waits",
        (Stage::PutAside { .. }, _) => "aside",
        (_, Impact::Fatal | Impact::Critical) => "strong",
        (_, Impact::Missed) => "missed",
        _ => "",
    };
    let counts = !matches!(tap.stage, Stage::PutAside { .. });
    let points = if counts && tap.points > 0 { format!("+{}", tap.points) } else { "0".to_owned() };
    view! {
        <li class=class>
            <span class="what">{what(&tap)}</span><span class="points">{points}</span>
            <span class="back">{progress(&tap)}</span>
            <span class="hurt">{remark(&tap)}</span>
        </li>
    }
    .erased_on_server()
}

/// `Critical ↑ X`
fn what(tap: &Tap) -> String {
    let impact = match tap.impact {
        Impact::Fatal => "Fatal",
        Impact::Critical => "Critical",
        Impact::Special => "Special",
        Impact::Direct => "Direct",
        Impact::Missed => "Missed",
    };
    let key = match tap.key {
        Key::X => "X",
        Key::O => "O",
    };
    match tap.direction {
        Some(direction) => format!("{impact} {} {key}", arrow(direction)),
        None => format!("{impact} {key}"),
    }
}

/// The direction's sign.
pub(super) const fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "↑",
        Direction::Down => "↓",
        Direction::Left => "←",
        Direction::Right => "→",
    }
}
