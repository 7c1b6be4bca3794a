//! The way of the last hit: phone, partition, pod, counted, each with its milliseconds.

use leptos::prelude::*;
use model::dead_letters::LATE;
use model::figures::{count, duration};
use model::play::{Stage, Tap};

use super::hand::Hand;
use crate::erased::ErasedOnServer;

pub(super) fn way(hand: Hand) -> impl IntoView {
    let of_last = move |said: fn(&Tap) -> String| {
        Signal::derive(move || hand.taps.with(|taps| taps.first().map(said).unwrap_or_default()))
    };
    let class = Signal::derive(move || {
        let stage = hand.taps.with(|taps| match taps.first().map(|tap| &tap.stage) {
            None => "none",
            Some(Stage::Waiting { .. }) => "waits",
            Some(Stage::Counted { .. }) => "counted",
            Some(Stage::PutAside { .. }) => "aside",
        });
        format!("panel way {stage}")
    });
    let headline = Signal::derive(move || hand.taps.with(|taps| taps.first().map_or_else(invitation, told)));
    view! {
        <section class=class aria-labelledby="way-title">
            <h2 id="way-title"><span>{move || headline.get().0}</span>" "<b>{move || headline.get().1}</b></h2>
            <ol>
                <li><i></i><b>"phone"</b><span>"tap"</span></li>
                <li><i></i><b>{of_last(|tap| format!("partition {}", tap.partition))}</b>
                    <span>{of_last(|tap| duration(tap.acked_ms.into()))}</span></li>
                <li><i></i><b>{of_last(pod)}</b><span>{of_last(joined)}</span></li>
                <li><i></i><b>"counted"</b><span>{of_last(total)}</span></li>
            </ol>
        </section>
    }
    .erased_on_server()
}

fn invitation() -> (String, String) {
    ("Aim with the arrows, hit with X or O.".to_owned(), String::new())
}

fn told(tap: &Tap) -> (String, String) {
    match &tap.stage {
        Stage::Counted { total_ms, .. } => {
            ("Your last hit came back in".to_owned(), duration((*total_ms).into()))
        }
        Stage::Waiting { ahead: Some(0), .. } => ("Your hit is".to_owned(), "next in line".to_owned()),
        Stage::Waiting { ahead: Some(ahead), .. } => {
            ("Your hit waits: records before it".to_owned(), count(*ahead))
        }
        Stage::Waiting { ahead: None, .. } => ("Your hit is on its way".to_owned(), String::new()),
        Stage::PutAside { reason: Some(reason), .. } if reason == LATE => {
            ("Your hit does not count:".to_owned(), "too late".to_owned())
        }
        Stage::PutAside { .. } => ("Your hit does not count".to_owned(), String::new()),
    }
}

fn pod(tap: &Tap) -> String {
    match &tap.stage {
        Stage::Counted { pod, .. } => pod.clone(),
        Stage::Waiting { .. } | Stage::PutAside { .. } => "pod".to_owned(),
    }
}

fn joined(tap: &Tap) -> String {
    match &tap.stage {
        Stage::Counted { joined_ms, .. } => duration((*joined_ms).into()),
        Stage::Waiting { .. } => "in line".to_owned(),
        Stage::PutAside { .. } => "put aside".to_owned(),
    }
}

fn total(tap: &Tap) -> String {
    match &tap.stage {
        Stage::Counted { total_ms, .. } => duration((*total_ms).into()),
        Stage::Waiting { .. } | Stage::PutAside { .. } => "\u{a0}".to_owned(),
    }
}
