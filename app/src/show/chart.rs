//! The chart: the lag of each topic, the lag that the pods may have, and the lives of the pods on the same time axis.
//!
//! Redrawn once a second from one [`Drawing`]; between two seconds only its tip and the labels at its end move.

use leptos::prelude::*;
use model::figures::count;
use model::snapshot::short_name;
use model::wire::Picture;
use model::{Millis, history};

use crate::chart::{Cross, Drawing, Flag, HEIGHT, Kind, WIDTH, apart, lag_of, topics};
use crate::erased::ErasedOnServer;
use crate::store::{Part, Store};
use crate::words::{self, percent};

/// What the labels at the curves' end need between them, as a fraction of the plot.
const LABEL_GAP: f64 = 0.12;

pub(super) fn chart(store: Store) -> impl IntoView {
    let drawing = Memo::new(move |_| {
        let end_ms = store.axis_ms.get();
        store.read(&[Part::History, Part::Cluster], |picture| Drawing::of(picture, end_ms))
    });
    let drawn = move |path: fn(&Drawing) -> String| Signal::derive(move || drawing.with(path));
    let count = Memo::new(move |_| store.read(&[Part::Lag, Part::History], topics));
    // The first topic is drawn last, on top of the others.
    let curves = move || (0..count.get()).rev().map(|topic| curve(store, drawing, topic)).collect_view();
    let labels = Memo::new(move |_| store.read(&[Part::Lag], |picture| drawing.with(|d| labels(picture, d))));
    let ends = move || (0..count.get()).map(|topic| end(store, labels, topic)).collect_view();
    let view_box = format!("0 0 {WIDTH} {HEIGHT}");
    view! {
        <figure class="chart" aria-label="Lag and pods over the last ten minutes">
            {move || flags(drawing.with(|d| d.wide.clone()), "flags wide")}
            {move || flags(drawing.with(|d| d.narrow.clone()), "flags narrow")}
            {stops(store, drawing)}
            <div class="curves">
                {ticks(drawing)}
                <svg viewBox=view_box.clone() preserveAspectRatio="none" aria-hidden="true">
                    <path class="area" d=drawn(|d| d.area.clone())></path>
                    <path class="band" d=drawn(|d| d.band.clone())></path>
                    <path class="allowed" d=drawn(|d| d.allowed.clone())></path>
                    {curves}
                </svg>
                {rule(store, drawing)}
                {ends}
            </div>
            <div class=drawn(|d| if d.lanes.count > 8 { "lives crowded" } else { "lives" }.to_owned()) style=drawn(|d| format!("--lanes:{}", d.lanes.count))>
                <svg viewBox=view_box preserveAspectRatio="none" aria-hidden="true">
                    {(0..model::PARTITIONS as usize).map(|slot| bars(drawing, slot)).collect_view()}
                    <path class="outline" d=drawn(|d| d.outline.clone())></path>
                </svg>
                {move || crosses(drawing.with(|d| d.crosses.clone()))}
                {(0..model::PARTITIONS as u8).map(|slot| name(store, drawing, slot)).collect_view()}
            </div>
            <p class="times" aria-hidden="true">
                <span>"−10 min"</span><span>"−8 min"</span><span>"−6 min"</span><span>"−4 min"</span>
                <span>"−2 min"</span><span>"now"</span>
            </p>
            {tables(store, count)}
        </figure>
    }
    .erased_on_server()
}

fn lag_now(picture: &Picture, topic: usize) -> Option<u64> {
    picture.snapshot.lag.as_ref().and_then(|lag| lag.total(topic))
}

/// The look of a topic, by its place.
fn look(topic: usize) -> String {
    match topic {
        0 => "requests".to_owned(),
        1 => "responses".to_owned(),
        _ => format!("topic-{topic}"),
    }
}

fn ticks(drawing: Memo<Drawing>) -> impl IntoView {
    move || {
        let values = drawing.with(|drawing| drawing.values);
        let tick = |value| {
            let style = format!("bottom:{}", percent(values.at(value)));
            view! { <span class="tick" style=style>{count(value)}</span> }
        };
        view! { <div class="ticks" aria-hidden="true">{values.ticks().map(tick).collect_view()}</div> }
    }
}

fn curve(store: Store, drawing: Memo<Drawing>, topic: usize) -> impl IntoView {
    let class = format!("curve {}", look(topic));
    let past = Signal::derive(move || drawing.with(|d| d.curves.get(topic).cloned().unwrap_or_default()));
    let tip = Signal::derive(move || {
        let (last, now) = store.read(&[Part::Lag], |picture| {
            let last = picture.history.points.back();
            let last = last.and_then(|point| Some((point.at_ms, lag_of(point, topic)?)));
            (last, lag_now(picture, topic))
        });
        drawing.with(|drawing| drawing.tip(last, now))
    });
    view! { <path class=class.clone() d=past></path><path class=class d=tip></path> }.erased_on_server()
}

/// Where a curve ends.
#[derive(Debug, Clone, Copy, PartialEq)]
struct End {
    dot: f64,
    label: f64,
}

/// Where the curve of each topic ends, with its label apart from the others; `None` where the lag is not known.
fn labels(picture: &Picture, drawing: &Drawing) -> Vec<Option<End>> {
    let totals = picture.snapshot.lag.iter().flat_map(|lag| lag.totals());
    let dots: Vec<Option<f64>> = totals.map(|lag| lag.map(|lag| drawing.values.at(lag))).collect();
    let known: Vec<f64> = dots.iter().copied().flatten().collect();
    let mut labels = apart(&known, LABEL_GAP).into_iter();
    dots.into_iter().map(|dot| Some(End { dot: dot?, label: labels.next()? })).collect()
}

/// The dot and the label at a curve's end.
fn end(store: Store, ends: Memo<Vec<Option<End>>>, topic: usize) -> impl IntoView {
    let style = move |at: fn(End) -> f64| {
        Signal::derive(move || match ends.with(|ends| ends.get(topic).copied().flatten()) {
            Some(end) => format!("bottom:{}", percent(at(end))),
            None => "display:none".to_owned(),
        })
    };
    let (dot, label, look) = (style(|end| end.dot), style(|end| end.label), look(topic));
    view! {
        <i class=format!("dot {look}") style=dot></i>
        <span class=format!("end {look}") style=label aria-hidden="true">
            <b>{store.text(&[Part::Lag], move |picture| words::count_or_unknown(lag_now(picture, topic)))}</b>
            " " {store.text(&[Part::Lag], move |picture| words::noun(picture, topic).to_owned())}
        </span>
    }
    .erased_on_server()
}

/// Says what the dashed line is, where it begins; left of that where there is no room to the right.
fn rule(store: Store, drawing: Memo<Drawing>) -> impl IntoView {
    let style = Signal::derive(move || match drawing.with(|d| d.allowed_at) {
        Some((x, y)) if x < 0.6 => format!("left:{};bottom:{}", percent(x), percent(y)),
        Some((x, y)) => format!("right:{};bottom:{}", percent(1.0 - x), percent(y)),
        None => "display:none".to_owned(),
    });
    let each = store.text(&[Part::Cluster], |picture| {
        let target =
            picture.snapshot.cluster.as_ref().and_then(|c| c.policy.metrics.first()).map(|m| m.target);
        format!("target: {} a pod", words::count_or_unknown(target))
    });
    view! { <span class="rule" style=style><span class="long">"the autoscaler's "</span>{each}</span> }
}

fn bars(drawing: Memo<Drawing>, slot: usize) -> impl IntoView {
    let path = move |which: fn(&crate::chart::Lane) -> &String| {
        Signal::derive(move || drawing.with(|d| d.bars.get(slot).map(which).cloned().unwrap_or_default()))
    };
    view! {
        <g class=format!("slot-{slot}")>
            <path class="bar" d=path(|lane| &lane.ready)></path>
            <path class="bar faint" d=path(|lane| &lane.faint)></path>
        </g>
    }
    .erased_on_server()
}

fn crosses(crosses: Vec<Cross>) -> impl IntoView {
    let cross = |cross: Cross| {
        let style = format!("left:{};top:{}", percent(cross.x), percent(cross.y));
        view! { <i class="cross" style=style title=cross.pod>"✕"</i> }
    };
    view! { <div class="crosses" aria-hidden="true">{crosses.into_iter().map(cross).collect_view()}</div> }
}

/// The name of the pod that lives in a lane now, at the lane's end.
fn name(store: Store, drawing: Memo<Drawing>, slot: u8) -> impl IntoView {
    let name = store.text(&[Part::Cluster], move |picture| {
        let pods =
            picture.snapshot.cluster.as_ref().map(|cluster| cluster.pods.as_slice()).unwrap_or_default();
        let pod = pods.iter().rev().find(|pod| pod.slot == slot);
        pod.map(|pod| short_name(&pod.name).to_owned()).unwrap_or_default()
    });
    let style = Signal::derive(move || format!("top:{}", percent(drawing.with(|d| d.lanes.middle(slot)))));
    view! { <span class=format!("name slot-{slot}") style=style aria-hidden="true">{name}</span> }
}

fn flags(flags: Vec<Flag>, class: &'static str) -> impl IntoView {
    let flag = |flag: Flag| {
        let side = if flag.leftward { " leftward" } else { "" };
        let class = format!("flag row-{} {}{side}", flag.row, flag.kind.class());
        let style = format!("left:{}", percent(flag.x));
        let (row, tells) = (flag.row, flag.tells.join(", "));
        let point = |(x, kind): (f64, Kind)| {
            let class = format!("flag point row-{row} {}", kind.class());
            view! { <li class=class style=format!("left:{}", percent(x)) title=tells.clone()><i></i></li> }
        };
        view! {
            <li class=class style=style title=tells.clone()>
                <i>{flag.kind.sign()}</i><span>{flag.words}</span>
            </li>
            {flag.points.into_iter().map(point).collect_view()}
        }
    };
    view! { <ul class=class aria-hidden="true">{flags.into_iter().map(flag).collect_view()}</ul> }
}

/// What happened, for the keyboard: the arrow keys go from one marker to the next, and its words stand at its line.
fn stops(store: Store, drawing: Memo<Drawing>) -> impl IntoView {
    let chosen = RwSignal::new(None::<u64>);
    let ids = move || {
        let oldest_ms = drawing.with_untracked(|drawing| drawing.time.start_ms());
        store.read(&[], |picture| {
            let shown = picture.history.markers.iter().filter(|marker| marker.at_ms >= oldest_ms);
            shown.map(|marker| marker.id).collect::<Vec<_>>()
        })
    };
    let newest = move || chosen.set(ids().last().copied());
    let step = move |key: &str| {
        let ids = ids();
        let at = ids.iter().position(|id| Some(*id) == chosen.get_untracked());
        let next = match (key, at) {
            ("ArrowLeft", Some(at)) => at.saturating_sub(1),
            ("ArrowRight", Some(at)) => (at + 1).min(ids.len().saturating_sub(1)),
            ("Home", _) => 0,
            ("End" | "ArrowLeft" | "ArrowRight", _) => ids.len().saturating_sub(1),
            _ => return false,
        };
        chosen.set(ids.get(next).copied());
        true
    };
    let told = Memo::new(move |_| {
        let id = chosen.get()?;
        let (at_ms, said) = store.read(&[Part::History], |picture| {
            let marker = picture.history.markers.iter().find(|marker| marker.id == id)?;
            Some((marker.at_ms, words::event(&marker.event)))
        })?;
        let age_ms = store.axis_ms.get().saturating_sub(at_ms);
        Some((drawing.with(|drawing| drawing.time.at(at_ms)), format!("{} ago: {said}", words::age(age_ms))))
    });
    let place = move || told.get().map_or_else(String::new, |(x, _)| format!("--x:{}", percent(x)));
    view! {
        <div class="stops" role="group" tabindex="0" style=place
            aria-label="What happened: the arrow keys go from one to the next"
            on:focus=move |_| newest() on:blur=move |_| chosen.set(None)
            on:keydown=move |event| if step(&event.key()) { event.prevent_default() }>
            <p class="told" aria-live="polite" hidden=move || told.with(Option::is_none)>
                {move || told.get().map(|(_, said)| said).unwrap_or_default()}
            </p>
        </div>
    }
    .erased_on_server()
}

/// What the chart shows, for those who do not see it.
fn tables(store: Store, topics: Memo<usize>) -> impl IntoView {
    let events = move || {
        store.axis_ms.track();
        let rows = store.read(&[Part::History], |picture| {
            let end_ms = picture.snapshot.at_ms;
            let told =
                |marker: &history::Marker| (end_ms.saturating_sub(marker.at_ms), words::event(&marker.event));
            picture.history.markers.iter().rev().map(told).collect::<Vec<_>>()
        });
        let row = |(age_ms, said): (Millis, String)| {
            view! { <tr><td>{format!("{} ago", words::age(age_ms))}</td><td>{said}</td></tr> }
        };
        rows.into_iter().map(row).collect_view()
    };
    let minutes = move || {
        let end_ms = store.axis_ms.get();
        let topics = topics.get();
        let rows = store.read(&[Part::History], |picture| minutes(picture, end_ms));
        let row = |(minute, point): (u64, history::Point)| {
            let lags = (0..topics).map(|topic| lag_of(&point, topic));
            let cells = lags.chain([point.ready, point.desired].map(|pods| pods.map(u64::from)));
            let cell = |value: Option<u64>| {
                let said = value.map_or_else(|| "unknown".to_owned(), |value| value.to_string());
                view! { <td>{said}</td> }
            };
            view! { <tr><th scope="row">{format!("{minute} min ago")}</th>{cells.map(cell).collect_view()}</tr> }
        };
        rows.into_iter().map(row).collect_view()
    };
    let lag_column = move |topic| {
        let heading =
            move |picture: &Picture| format!("{} behind", words::capitalised(words::noun(picture, topic)));
        view! { <th scope="col">{store.text(&[Part::Lag], heading)}</th> }
    };
    let lag_columns = move || (0..topics.get()).map(lag_column).collect_view();
    let newest = store.text(&[Part::History], |picture| {
        picture.history.markers.back().map(|marker| words::event(&marker.event)).unwrap_or_default()
    });
    view! {
        <div class="unseen">
            <p aria-live="polite">{newest}</p>
            <table>
                <caption>"Lag and pods, minute by minute"</caption>
                <thead><tr>
                    <th scope="col">"When"</th>{lag_columns}
                    <th scope="col">"Pods ready"</th><th scope="col">"Pods desired"</th>
                </tr></thead>
                <tbody>{minutes}</tbody>
            </table>
            <table>
                <caption>"What happened"</caption>
                <thead><tr><th scope="col">"When"</th><th scope="col">"What"</th></tr></thead>
                <tbody>{events}</tbody>
            </table>
        </div>
    }
    .erased_on_server()
}

/// The last point of each minute, newest first.
fn minutes(picture: &Picture, end_ms: Millis) -> Vec<(u64, history::Point)> {
    let mut minutes: Vec<(u64, history::Point)> = Vec::new();
    for point in picture.history.points.iter().rev() {
        let minute = end_ms.saturating_sub(point.at_ms) / 60_000;
        if minutes.last().is_none_or(|(last, _)| *last != minute) {
            minutes.push((minute, point.clone()));
        }
    }
    minutes
}
