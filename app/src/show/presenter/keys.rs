//! The presenter's keys, for a keyboard and for a clicker, which sends the keys that turn pages.

use leptos::prelude::*;
use model::command::Command;
use model::controls::Manner;
use model::load::Shape;

use crate::browser;
use crate::erased::ErasedOnServer;
use crate::show::desk::{Desk, Place};

/// What a key does, as the help says it.
const KEYS: [(&str, &str); 13] = [
    ("2  5  0", "load ×2, ×5, ×10 for 20 s"),
    ("6  7  8  9", "load as a step, a ramp, a sine, a day"),
    ("1", "normal load"),
    ("K", "kill a random pod (SIGTERM)"),
    ("C", "crash a random pod (SIGKILL)"),
    ("R", "restart all pods"),
    ("U", "rolling upgrade"),
    ("A", "autoscaler on or off"),
    ("+  −", "one pod more or fewer, by hand"),
    ("Y  N  Esc", "answer a question"),
    ("?", "this help"),
    ("clicker →  (Page Down)", "load ×10"),
    ("clicker ←  (Page Up)", "crash a random pod"),
];

/// Listens to the whole page, but for fields that a person types into.
pub(super) fn listen(desk: Desk) {
    browser::on_key(move |key| {
        match key {
            "2" => burst(desk, 2),
            "5" => burst(desk, 5),
            "0" | "PageDown" => burst(desk, 10),
            "1" => shape(desk, None),
            "6" => shape(desk, Some(Shape::Step)),
            "7" => shape(desk, Some(Shape::Ramp)),
            "8" => shape(desk, Some(Shape::Sine)),
            "9" => shape(desk, Some(Shape::Trace)),
            "k" => desk.kill(Place::Bar, None, Manner::Graceful),
            "c" | "PageUp" => desk.kill(Place::Bar, None, Manner::Crash),
            "r" => desk.send(Place::Bar, Command::RestartAll { confirmed: false }),
            "u" => desk.send(Place::Bar, Command::Roll { capacity: None }),
            "a" => super::toggle_autoscaler(desk),
            "+" => super::step_replicas(desk, 1),
            "-" => super::step_replicas(desk, -1),
            "y" => desk.yes(),
            "n" | "Escape" => desk.no(),
            "?" => browser::toggle_details("keys"),
            _ => return false,
        }
        true
    });
}

fn burst(desk: Desk, factor: u32) {
    desk.send(Place::Bar, Command::Burst { factor });
}

fn shape(desk: Desk, shape: Option<Shape>) {
    desk.send(Place::Bar, Command::Shape { shape });
}

/// The small help.
pub(super) fn help() -> impl IntoView {
    let line = |(key, does): (&'static str, &'static str)| view! { <dt>{key}</dt><dd>{does}</dd> };
    view! {
        <details class="help" id="keys">
            <summary aria-label="Keys">"?"</summary>
            <dl>{KEYS.map(line).collect_view()}</dl>
        </details>
    }
    .erased_on_server()
}
