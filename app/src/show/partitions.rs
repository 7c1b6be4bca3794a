//! The twelve pairs of partitions as towers, in the colour of the pod that owns them; grey while nobody works on them.

use leptos::prelude::*;
use model::figures::duration;
use model::history::{Event, Marker};
use model::lag::Doubt;
use model::snapshot::{Owner, short_name};
use model::wire::Picture;
use model::{Millis, PARTITIONS};

use super::pods::HANDOVER_SHOWN_MS;
use crate::store::{Part, Store};
use crate::words;

pub(super) fn partitions(store: Store) -> impl IntoView {
    view! {
        <section class="panel partitions" aria-labelledby="partitions-title">
            <h2 id="partitions-title">
                <span>"Partitions, coloured by the pod that owns them"</span>
                <span class="state">{store.text_now(&[Part::Ownership, Part::Source, Part::History], state)}</span>
            </h2>
            <ol class="towers">{(0..PARTITIONS).map(|partition| tower(store, partition)).collect_view()}</ol>
        </section>
    }
}

fn tower(store: Store, partition: u32) -> impl IntoView {
    let class = store.text(&[Part::Ownership, Part::Cluster, Part::Lag, Part::Load], move |picture| {
        let hot = if is_hot(picture, partition) { " is-hot" } else { "" };
        match owner(picture, partition)
            .filter(|owner| owner.idle_since_ms.is_none())
            .and_then(|o| slot(picture, o))
        {
            Some(slot) => format!("tower slot-{slot}{hot}"),
            None => format!("tower idle{hot}"),
        }
    });
    let height = store.text(&[Part::Lag], move |picture| {
        let lag = pair(picture, partition).unwrap_or(0);
        // A tower never vanishes: its colour says who owns it, also when it owes nothing.
        format!("height:{}", words::percent(0.04 + 0.96 * lag as f64 / tallest(picture) as f64))
    });
    let lag = store.text(&[Part::Lag], move |picture| words::count_or_unknown(pair(picture, partition)));
    let whose = store.text(&[Part::Ownership], move |picture| {
        let owner = owner(picture, partition);
        let pod = owner.and_then(|owner| owner.pod.as_deref()).map(short_name);
        match (pod, owner.and_then(|owner| owner.idle_since_ms)) {
            (Some(pod), None) => format!(", owned by pod {pod}"),
            (Some(pod), Some(_)) => format!(", left by pod {pod}, nobody works on it"),
            (None, _) => ", nobody works on it".to_owned(),
        }
    });
    let note = store
        .text_now(&[Part::Ownership, Part::Lag], move |picture, now_ms| note(picture, partition, now_ms));
    let title = store.text(&[Part::Lag, Part::Ownership], move |picture| title(picture, partition));
    view! {
        <li class=class title=title>
            <div class="shaft" aria-hidden="true"><i style=height></i><span class="hot">"hot"</span></div>
            <p class="foot">
                <span class="unseen">"Partition "</span><b>{partition}</b>" "<span>{lag}</span>
                <span class="unseen">" behind"{whose}</span>
            </p>
            <p class="note" title="Nobody works on it now, or for how long nobody did when it last changed hands">{note}</p>
        </li>
    }
}

fn owner(picture: &Picture, partition: u32) -> Option<&Owner> {
    picture.snapshot.ownership.as_ref()?.partitions.get(partition as usize)
}

fn slot(picture: &Picture, owner: &Owner) -> Option<u8> {
    let name = owner.pod.as_deref()?;
    picture.snapshot.cluster.as_ref()?.pods.iter().find(|pod| pod.name == name).map(|pod| pod.slot)
}

fn pair(picture: &Picture, partition: u32) -> Option<u64> {
    picture.snapshot.lag.as_ref()?.pair(partition as usize)
}

fn pairs(picture: &Picture) -> impl Iterator<Item = u64> {
    (0..PARTITIONS).filter_map(|partition| pair(picture, partition))
}

/// What a full tower stands for; never so little that a few records look like a mountain.
fn tallest(picture: &Picture) -> u64 {
    const LEAST: u64 = 1_000;
    let highest = pairs(picture).max().unwrap_or(0);
    (highest + highest / 10).max(LEAST)
}

/// Made hot by the presenter, or far behind all the others.
fn is_hot(picture: &Picture, partition: u32) -> bool {
    const WORTH_SAYING: u64 = 2_000;
    let asked = picture.snapshot.load.as_ref().and_then(|load| load.hot);
    if asked.is_some_and(|hot| hot.partition == partition) {
        return true;
    }
    let Some(own) = pair(picture, partition) else { return false };
    let far_less = pairs(picture).filter(|other| other * 2 < own).count();
    own >= WORTH_SAYING && far_less * 2 > pairs(picture).count()
}

/// What is written under a tower for a while.
fn note(picture: &Picture, partition: u32, now_ms: Millis) -> String {
    let Some(owner) = owner(picture, partition) else { return String::new() };
    if let Some(since_ms) = owner.idle_since_ms {
        return format!("idle {}", words::age(now_ms.saturating_sub(since_ms)));
    }
    if let Some(handover) = owner.handover.filter(|handover| handover.at_ms + HANDOVER_SHOWN_MS > now_ms) {
        return format!("↻ {}", duration(handover.took_ms));
    }
    let doubts = picture.snapshot.lag.as_ref().map(|lag| lag.doubts.as_slice()).unwrap_or_default();
    let doubt = doubts.iter().find(|(_, of, _)| *of == partition).map(|(_, _, doubt)| *doubt);
    doubt.map(doubtful).unwrap_or_default().to_owned()
}

const fn doubtful(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::New => "new",
        Doubt::Lost => "records lost",
        Doubt::Ahead => "ahead",
    }
}

fn title(picture: &Picture, partition: u32) -> String {
    let lag = picture.snapshot.lag.as_ref();
    let of = |lags: Option<&Vec<Option<u64>>>| {
        let lag = lags.and_then(|lags| lags.get(partition as usize).copied().flatten());
        lag.map_or_else(|| words::UNKNOWN.to_owned(), |lag| lag.to_string())
    };
    let pod = owner(picture, partition).and_then(|owner| owner.pod.as_deref()).unwrap_or("nobody");
    format!(
        "partition {partition}: {} requests, {} responses behind; owner {pod}",
        of(lag.map(|lag| &lag.requests)),
        of(lag.map(|lag| &lag.responses)),
    )
}

/// What holds the partitions up: the broker, after a crash, or the group.
fn state(picture: &Picture, now_ms: Millis) -> String {
    held(picture, now_ms).unwrap_or_else(|| group(picture))
}

/// A crashed pod's transaction goes on holding its partitions, even when they have another owner already.
fn held(picture: &Picture, now_ms: Millis) -> Option<String> {
    let source = &picture.snapshot.source;
    let hold_ms = source.transaction_hold_ms?;
    let is_held = |marker: &Marker| {
        matches!(marker.event, Event::Crashed { .. })
            && (marker.at_ms..marker.at_ms + hold_ms).contains(&now_ms)
    };
    let held = picture.history.markers.iter().any(is_held).then(|| words::long_hold(source)).flatten()?;
    Some(format!("a crashed pod's are held for up to {held}"))
}

/// The group's state, when it is not the usual one.
fn group(picture: &Picture) -> String {
    let state = picture.snapshot.ownership.as_ref().map(|ownership| ownership.state.as_str());
    match state {
        None | Some("Stable" | "") => String::new(),
        Some("PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling") => {
            "rebalancing".to_owned()
        }
        Some(other) => format!("group: {}", other.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::figures::count;
    use model::snapshot::{Handover, Lag, Ownership};

    fn picture(requests: [u64; 12]) -> Picture {
        let mut picture = Picture::default();
        picture.snapshot.lag = Some(Lag {
            requests: requests.map(Some).to_vec(),
            responses: vec![Some(0); 12],
            ..Lag::default()
        });
        picture
    }

    #[test]
    fn a_partition_far_behind_the_others_is_hot() {
        let mut lags = [1_500; 12];
        lags[5] = 4_000;
        let picture = picture(lags);
        assert!(is_hot(&picture, 5) && !is_hot(&picture, 4));
        assert_eq!(count(pair(&picture, 5).unwrap()).replace('\u{a0}', " "), "4 k");
    }

    #[test]
    fn a_hand_over_is_written_for_a_while() {
        let mut picture = picture([0; 12]);
        let handover = Handover { at_ms: 10_000, took_ms: 1_300 };
        let owner = Owner { pod: Some("kstreams-a".into()), idle_since_ms: None, handover: Some(handover) };
        picture.snapshot.ownership = Some(Ownership { state: "Stable".into(), partitions: vec![owner] });
        assert_eq!(note(&picture, 0, 12_000).replace('\u{a0}', " "), "↻ 1.3 s");
        assert_eq!(note(&picture, 0, 60_000), "");
    }

    #[test]
    fn a_broker_that_holds_a_crashed_pods_partitions_for_long_is_said_for_that_long() {
        let mut picture = picture([0; 12]);
        let event = Event::Crashed { pod: "kstreams-a".into() };
        picture.history.markers.push_back(Marker { id: 0, at_ms: 10_000, until_ms: None, event });
        for (hold_ms, now_ms, said) in [
            (Some(11_000), 12_000, "a crashed pod's are held for up to 11 s"),
            (Some(11_000), 21_000, ""),
            (Some(1_200), 10_500, ""),
            (None, 12_000, ""),
        ] {
            picture.snapshot.source.transaction_hold_ms = hold_ms;
            assert_eq!(state(&picture, now_ms).replace('\u{a0}', " "), said, "{hold_ms:?} {now_ms}");
        }
    }
}
