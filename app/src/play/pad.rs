//! The pad, the keys and the energy: what the thumbs touch. It never moves.

use std::time::Duration;

use leptos::ev::{MouseEvent, PointerEvent};
use leptos::prelude::*;
use model::play::{Direction, Key, TAPS_PER_SECOND};

use super::hand::{FULL, Hand};
use super::hits::arrow;
use crate::browser;
use crate::erased::ErasedOnServer;
use crate::words::percent;

pub(super) fn pad(hand: Hand) -> impl IntoView {
    browser::on_key(move |key| {
        match key {
            "ArrowUp" => hand.aim(Direction::Up),
            "ArrowDown" => hand.aim(Direction::Down),
            "ArrowLeft" => hand.aim(Direction::Left),
            "ArrowRight" => hand.aim(Direction::Right),
            "x" => hand.hit(Key::X),
            "o" => hand.hit(Key::O),
            _ => return false,
        }
        true
    });
    recover(hand);
    let width = Signal::derive(move || format!("width:{}", percent(hand.energy.get() / FULL)));
    view! {
        <section class="pad" aria-label="Pad">
            <div class="arrows" role="group" aria-label="Direction">
                {direction(hand, Direction::Up, "up", "Up")}
                {direction(hand, Direction::Left, "left", "Left")}
                {direction(hand, Direction::Right, "right", "Right")}
                {direction(hand, Direction::Down, "down", "Down")}
            </div>
            <div class="keys" role="group" aria-label="Hit">
                {key(hand, Key::X, "x", "X")}
                {key(hand, Key::O, "o", "O")}
            </div>
            <div class="energy">
                <div aria-hidden="true"><i style=width></i></div>
                <p>{format!("energy: {TAPS_PER_SECOND} hits a second")}</p>
            </div>
        </section>
    }
    .erased_on_server()
}

/// A finger acts when it touches; the click that follows is left alone. A key of a keyboard sends a click alone.
fn pressed(act: impl Fn() + Copy + 'static) -> (impl Fn(PointerEvent) + Copy, impl Fn(MouseEvent) + Copy) {
    let down = move |event: PointerEvent| {
        event.prevent_default();
        act();
    };
    let click = move |event: MouseEvent| {
        if event.detail() == 0 {
            act();
        }
    };
    (down, click)
}

fn direction(hand: Hand, direction: Direction, class: &'static str, label: &'static str) -> impl IntoView {
    let (down, click) = pressed(move || hand.aim(direction));
    let aimed = Signal::derive(move || (hand.aim.get() == Some(direction)).to_string());
    view! {
        <button type="button" class=class aria-label=label aria-pressed=aimed on:pointerdown=down on:click=click>
            {arrow(direction)}
        </button>
    }
    .erased_on_server()
}

fn key(hand: Hand, key: Key, class: &'static str, label: &'static str) -> impl IntoView {
    let (down, click) = pressed(move || hand.hit(key));
    view! { <button type="button" class=class on:pointerdown=down on:click=click>{label}</button> }
}

/// Energy comes back by the second, while the page lives.
fn recover(hand: Hand) {
    const EVERY: Duration = Duration::from_millis(200);
    Effect::new(move || {
        set_interval(
            move || {
                if hand.energy.get_untracked() < FULL {
                    let gained = f64::from(TAPS_PER_SECOND) * EVERY.as_secs_f64();
                    hand.energy.update(|energy| *energy = (*energy + gained).min(FULL));
                }
            },
            EVERY,
        );
    });
}
