//! The shapes of the load, each as a button with a sketch of its curve.

use std::fmt::Write;

use leptos::prelude::*;
use model::Millis;
use model::command::Command;
use model::load::{LoadSettings, Running, Shape};
use model::wire::Picture;

use super::load_of;
use crate::show::commands::{Commands, Place};
use crate::store::{Part, Store};
use crate::words;

/// A sketch's box.
const WIDTH: u32 = 36;
const HEIGHT: u32 = 18;
/// What a sketch shows of a shape that has no length of its own.
const SPAN_MS: Millis = 60_000;

/// The row of buttons; the first one goes back to the base rate.
pub(super) fn shapes(store: Store, commands: Commands) -> impl IntoView {
    let button = move |shape: Option<Shape>| {
        let is_on = store.text_now(&[Part::Load], move |picture, now_ms| {
            load_of(picture).is_some_and(|load| shape_at(load, now_ms) == shape).to_string()
        });
        let class = Signal::derive(move || if is_on.get() == "true" { "shape on" } else { "shape" });
        view! {
            <button type="button" class=class aria-pressed=is_on aria-label=name(shape) title=title(shape)
                on:click=move |_| commands.send(Place::Bar, Command::Shape { shape })>
                <svg aria-hidden="true" viewBox=format!("0 0 {WIDTH} {HEIGHT}")><path d=sketch(shape) /></svg>
            </button>
        }
    };
    let all = std::iter::once(None).chain(Shape::ALL.map(Some));
    view! { <span class="shapes" role="group" aria-label="Shape of the load">{all.map(button).collect_view()}</span> }
}

/// What runs, and how long still; nothing on a normal day.
pub(super) fn running(picture: &Picture, now_ms: Millis) -> Option<String> {
    let load = load_of(picture)?;
    let left = |until_ms: Millis| format!("{} left", words::age(until_ms.saturating_sub(now_ms) + 999));
    if let Some(burst) = load.burst.filter(|_| load.factor(now_ms) > 1) {
        return Some(format!("×{}, {}", burst.factor, left(burst.until_ms)));
    }
    let running = load.running(now_ms)?;
    let ends = running.until_ms().map_or_else(|| "until ended".to_owned(), left);
    Some(format!("{}, {ends}", running.shape.word()))
}

fn shape_at(load: &LoadSettings, now_ms: Millis) -> Option<Shape> {
    load.running(now_ms).map(|running| running.shape)
}

fn name(shape: Option<Shape>) -> &'static str {
    match shape {
        None => "Normal load",
        Some(Shape::Step) => "Load as a step",
        Some(Shape::Ramp) => "Load as a ramp",
        Some(Shape::Sine) => "Load as a sine",
        Some(Shape::Trace) => "Load of a recorded day",
    }
}

fn title(shape: Option<Shape>) -> &'static str {
    match shape {
        None => "Normal: the base rate",
        Some(Shape::Step) => "Step: ×4 until ended",
        Some(Shape::Ramp) => "Ramp: to ×8 within a minute",
        Some(Shape::Sine) => "Sine: ×1 to ×5 and back each minute, until ended",
        Some(Shape::Trace) => "Day: a recorded day with its rush in 4 minutes",
    }
}

/// The curve from a little before it is picked to its end, as the server and the generator compute it.
fn sketch(shape: Option<Shape>) -> String {
    const MARGIN: u32 = 2;
    let length_ms = shape.map_or(0, |shape| shape.curve().length_ms());
    let span_ms = if length_ms > 0 { length_ms } else { SPAN_MS };
    // In thousandths, with a sixth of the span before it begins.
    let begins_ms = span_ms / 6;
    let load = LoadSettings {
        base: 1_000,
        shape: shape.map(|shape| Running { shape, from_ms: begins_ms }),
        ..LoadSettings::default()
    };
    let at = |x: u32| load.target(u64::from(x) * (span_ms + begins_ms) / u64::from(WIDTH));
    let highest = (0..=WIDTH).map(at).max().unwrap_or(1).max(2_000);
    let mut path = String::new();
    for x in 0..=WIDTH {
        let y = HEIGHT - MARGIN - at(x) * (HEIGHT - 2 * MARGIN) / highest;
        // Writing into a string does not fail.
        let _ = write!(path, "{}{x} {y}", if x == 0 { 'M' } else { 'L' });
    }
    path
}

#[cfg(test)]
mod tests {
    use model::load::Burst;

    use super::*;

    #[test]
    fn what_runs_is_told_with_the_time_that_is_left() {
        let said = |burst, shape: Option<Shape>, now_ms| {
            let mut picture = Picture::default();
            let shape = shape.map(|shape| Running { shape, from_ms: 0 });
            picture.snapshot.load = Some(LoadSettings { burst, shape, ..LoadSettings::default() });
            running(&picture, now_ms).map(|said| said.replace('\u{a0}', " "))
        };
        let burst = Some(Burst { factor: 5, from_ms: 0, until_ms: 20_000 });
        assert_eq!(said(None, None, 0), None);
        assert_eq!(said(burst, Some(Shape::Ramp), 7_500).as_deref(), Some("×5, 13 s left"));
        assert_eq!(said(burst, Some(Shape::Ramp), 26_000).as_deref(), Some("ramp, 34 s left"));
        assert_eq!(said(None, Some(Shape::Sine), 1_000_000).as_deref(), Some("sine, until ended"));
        assert_eq!(said(None, Some(Shape::Ramp), 60_000), None);
        assert_eq!(running(&Picture::default(), 0), None);
    }

    #[test]
    fn sketches_differ_and_stay_in_their_box() {
        let sketches: Vec<String> = std::iter::once(None).chain(Shape::ALL.map(Some)).map(sketch).collect();
        for (nth, path) in sketches.iter().enumerate() {
            assert!(!sketches[..nth].contains(path));
            let ys =
                path[1..].split('L').map(|point| point.split_once(' ').unwrap().1.parse::<u32>().unwrap());
            assert!(ys.clone().all(|y| (2..=HEIGHT).contains(&y)), "{path}");
        }
    }
}
