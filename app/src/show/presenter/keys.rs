//! The presenter's keys, for a keyboard and for a clicker, which sends the keys that turn pages.

use leptos::prelude::*;
use model::command::Command;
use model::controls::Manner;
use model::load::Shape;

use crate::browser;
use crate::erased::ErasedOnServer;
use crate::show::commands::{Commands, Place};

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
pub(super) fn listen(commands: Commands) {
    browser::on_key(move |key| {
        match key {
            "2" => burst(commands, 2),
            "5" => burst(commands, 5),
            "0" | "PageDown" => burst(commands, 10),
            "1" => shape(commands, None),
            "6" => shape(commands, Some(Shape::Step)),
            "7" => shape(commands, Some(Shape::Ramp)),
            "8" => shape(commands, Some(Shape::Sine)),
            "9" => shape(commands, Some(Shape::Trace)),
            "k" => commands.kill(Place::Bar, None, Manner::Graceful),
            "c" | "PageUp" => commands.kill(Place::Bar, None, Manner::Crash),
            "r" => commands.send(Place::Bar, Command::RestartAll { confirmed: false }),
            "u" => commands.send(Place::Bar, Command::Roll { capacity: None }),
            "a" => super::toggle_autoscaler(commands),
            "+" => super::step_replicas(commands, 1),
            "-" => super::step_replicas(commands, -1),
            "y" => commands.yes(),
            "n" | "Escape" => commands.no(),
            "?" => browser::toggle_details("keys"),
            _ => return false,
        }
        true
    });
}

fn burst(commands: Commands, factor: u32) {
    commands.send(Place::Bar, Command::Burst { factor });
}

fn shape(commands: Commands, shape: Option<Shape>) {
    commands.send(Place::Bar, Command::Shape { shape });
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
