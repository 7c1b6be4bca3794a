//! The last hits, and what happened to them.

use leptos::prelude::*;
use model::figures::duration;
use model::play::{Direction, Impact, Key, Stage, Tap};

use super::hand::{Hand, progress};

pub(super) fn hits(hand: Hand) -> impl IntoView {
    let rows = move || hand.taps.get().into_iter().map(row).collect_view();
    view! {
        <section class="hits" aria-labelledby="hits-title">
            <h2 id="hits-title" class="unseen">"Your last hits"</h2>
            <p class="trouble" role="status">{hand.trouble}</p>
            <ol>{rows}</ol>
        </section>
    }
}

fn row(tap: Tap) -> impl IntoView {
    let class = match (&tap.stage, tap.impact) {
        (Stage::Waiting { .. }, _) => "waits",
        (_, Impact::Fatal | Impact::Critical) => "strong",
        (_, Impact::Missed) => "missed",
        _ => "",
    };
    let hurt = match &tap.stage {
        Stage::Counted { hurt: Some(pod), total_ms, .. } => {
            format!("{pod} was killed: this hit waited {}", duration((*total_ms).into()))
        }
        _ => String::new(),
    };
    let points = if tap.points == 0 { "0".to_owned() } else { format!("+{}", tap.points) };
    view! {
        <li class=class>
            <span class="what">{what(&tap)}</span><span class="points">{points}</span>
            <span class="back">{progress(&tap)}</span>
            <span class="hurt">{hurt}</span>
        </li>
    }
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
