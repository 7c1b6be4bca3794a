//! The pods, as things one can point at: one card a slot, which keeps its place as long as its pod lives.

use leptos::prelude::*;
use model::controls::Manner;
use model::figures::{count, ranges};
use model::policy::MAX_REPLICAS;
use model::snapshot::{Cluster, Lag, Phase, Pod};
use model::wire::Picture;
use model::{Millis, PARTITIONS};

use super::commands::{Commands, Place};
use super::presenter::answer;
use crate::erased::ErasedOnServer;
use crate::store::{Part, Store};
use crate::words;

pub(super) fn pods(store: Store, commands: Option<Commands>) -> impl IntoView {
    let class = store.text(&[Part::Cluster, Part::Lag, Part::Ownership], |picture| {
        let crowd = match cards(picture) {
            0 => "none",
            1..=4 => "few",
            5..=6 => "some",
            _ => "many",
        };
        // So many boxes would be too small to read: numbers in words take their place.
        let numerous = if partitions(picture) > MOST_BOXES { " numerous" } else { "" };
        format!("panel pods {crowd}{numerous}")
    });
    view! {
        <section class=class aria-labelledby="pods-title">
            <h2 id="pods-title">
                <span>"Pods"</span>
                <b class="loud">{store.text(&[Part::Cluster], |p| of_cluster(p, |c| c.ready().to_string()))}</b>
                <span>{store.text(&[Part::Cluster], rest)}</span>
                <span class="limit">{store.text(&[Part::Cluster], limit)}</span>
            </h2>
            <p class="failure" hidden=store.flag(&[Part::Cluster], |p| failure(p).is_none())>
                <b>"Pods do not come. "</b>{store.text(&[Part::Cluster], |p| failure(p).unwrap_or_default().to_owned())}
            </p>
            <ul class="cards">
                {(0..MAX_REPLICAS as u8).map(|slot| card(store, commands, slot)).collect_view()}
            </ul>
            <p class="empty" hidden=store.flag(&[Part::Cluster], |picture| cards(picture) > 0)>
                {store.text(&[Part::Cluster], |p| match p.snapshot.cluster {
                    None => "The pods are not known yet.".to_owned(),
                    Some(_) => "There are no pods.".to_owned(),
                })}
            </p>
        </section>
    }
    .erased_on_server()
}

/// One card; hidden while its slot is free.
fn card(store: Store, commands: Option<Commands>, slot: u8) -> impl IntoView {
    let of_pod = move |said: fn(&Pod) -> String| {
        store.text(&[Part::Cluster], move |picture| pod_in(picture, slot).map(said).unwrap_or_default())
    };
    let state = store.text_now(&[Part::Cluster], move |picture, now_ms| {
        pod_in(picture, slot).map(|pod| words::standing(pod, now_ms)).unwrap_or_default()
    });
    let class = store.text(&[Part::Cluster], move |picture| {
        let phase = pod_in(picture, slot).map_or("gone", |pod| words::phase(pod.phase));
        format!("card slot-{slot} {phase}")
    });
    let fill = store.text(&[Part::Rates, Part::Cluster, Part::Ownership], move |picture| {
        format!("width:{}", words::percent(share(picture, slot).unwrap_or(0.0)))
    });
    let rate = store.text(&[Part::Rates, Part::Cluster, Part::Ownership], move |picture| {
        let rate = pod_in(picture, slot).and_then(|pod| rate(picture, pod));
        rate.map_or_else(|| words::UNKNOWN.to_owned(), |rate| format!("{} rec/s", count(rate.into())))
    });
    let count = partition_count(store);
    let parts = move || {
        let boxes = 0..count.get().min(MOST_BOXES);
        boxes.map(|partition| part(store, slot, partition)).collect_view()
    };
    let owned = store.text(&[Part::Ownership, Part::Cluster, Part::Lag], move |picture| {
        pod_in(picture, slot).map(|pod| said(&owned(picture, pod), partitions(picture))).unwrap_or_default()
    });
    view! {
        <li class=class hidden=store.flag(&[Part::Cluster], move |picture| pod_in(picture, slot).is_none())>
            <h3 title=of_pod(|pod| pod.name.clone())>
                <span class="unseen">"Pod "</span>{of_pod(|pod| pod.short_name().to_owned())}
            </h3>
            <p class="state">{state}</p>
            <p class="why" title=of_pod(words::why_not)
                hidden=store.flag(&[Part::Cluster], move |p| pod_in(p, slot).is_none_or(|pod| words::why_not(pod).is_empty()))>
                {of_pod(words::why_not)}
            </p>
            <ol class="owned" aria-hidden="true">{parts}</ol>
            <p class="owns"><span class="unseen">"Partitions: "</span>{owned}</p>
            <div class="gauge" aria-hidden="true"><i style=fill></i></div>
            <p class="rate">
                <span>{rate}</span>
                <span class="restarts">{of_pod(words::restarts)}</span>
                <span class="node" title=of_pod(words::on_node)>{of_pod(|pod| pod.node.clone().unwrap_or_default())}</span>
            </p>
            {commands.map(|commands| buttons(store, commands, slot))}
        </li>
    }
    .erased_on_server()
}

/// The box of a partition, filled while the pod in this slot owns it.
fn part(store: Store, slot: u8, partition: u32) -> impl IntoView {
    let class = store.text(&[Part::Ownership, Part::Cluster], move |picture| {
        let owner = owner(picture, partition);
        let own = owner.is_some() && owner == pod_in(picture, slot).map(|pod| pod.name.as_str());
        if own { "own".to_owned() } else { String::new() }
    });
    view! { <li class=class>{partition}</li> }
}

fn buttons(store: Store, commands: Commands, slot: u8) -> impl IntoView {
    let place = Place::Pod(slot);
    let hurt = move |manner| {
        let pod = store.read(&[], |picture| pod_in(picture, slot).map(|pod| pod.name.clone()));
        if let Some(pod) = pod {
            commands.kill(place, Some(pod), manner);
        }
    };
    let label = move |verb: &'static str| {
        store.text(&[Part::Cluster], move |picture| {
            format!("{verb} pod {}", pod_in(picture, slot).map(Pod::short_name).unwrap_or_default())
        })
    };
    view! {
        <div class="hurt">
            <button type="button" class="danger" aria-label=label("Kill") title="SIGTERM: another pod takes its place"
                on:click=move |_| hurt(Manner::Graceful)>"Kill"</button>
            <button type="button" class="danger" aria-label=label("Crash") title="SIGKILL: the same pod starts again"
                on:click=move |_| hurt(Manner::Crash)>"Crash"</button>
        </div>
        {answer(commands, place)}
    }
    .erased_on_server()
}

/// The pod that a slot shows: during an upgrade of twelve pods two may share one, and the newer is the one to see.
pub(super) fn pod_in(picture: &Picture, slot: u8) -> Option<&Pod> {
    let pods = picture.snapshot.cluster.as_ref()?.pods.iter().filter(|pod| pod.slot == slot);
    pods.max_by_key(|pod| (!matches!(pod.phase, Phase::Terminating { .. }), pod.created_ms))
}

/// Who owns a partition, as far as the coordinator knows.
pub(super) fn owner(picture: &Picture, partition: u32) -> Option<&str> {
    let ownership = picture.snapshot.ownership.as_ref()?;
    ownership.partitions.get(partition as usize)?.pod.as_deref()
}

/// How many partitions there are; as many as the show's own topics have while nobody knows.
pub(super) fn partitions(picture: &Picture) -> u32 {
    let of_lag = picture.snapshot.lag.as_ref().map_or(0, Lag::count);
    let owned = picture.snapshot.ownership.as_ref().map_or(0, |ownership| ownership.partitions.len());
    match u32::try_from(of_lag.max(owned)) {
        Ok(0) | Err(_) => PARTITIONS,
        Ok(count) => count,
    }
}

/// The same, for what is drawn anew when it changes.
pub(super) fn partition_count(store: Store) -> Memo<u32> {
    Memo::new(move |_| store.read(&[Part::Lag, Part::Ownership], partitions))
}

/// The partitions that a pod owns.
fn owned(picture: &Picture, pod: &Pod) -> Vec<u32> {
    let is_own = |partition: &u32| owner(picture, *partition) == Some(pod.name.as_str());
    (0..partitions(picture)).filter(is_own).collect()
}

/// Partitions by number: one by one where there are few.
fn said(owned: &[u32], partitions: u32) -> String {
    if owned.is_empty() || partitions > MOST_BOXES {
        return ranges(owned);
    }
    owned.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn cards(picture: &Picture) -> usize {
    (0..MAX_REPLICAS as u8).filter(|slot| pod_in(picture, *slot).is_some()).count()
}

/// Records per second that a pod consumes: those of the partitions that it owns.
fn rate(picture: &Picture, pod: &Pod) -> Option<u32> {
    let rates = picture.snapshot.rates.as_ref()?;
    let own = owned(picture, pod).into_iter();
    Some(own.filter_map(|partition| rates.by_partition.get(partition as usize)).sum())
}

/// How much of its capacity a pod uses; without a limit, compared with the busiest pod.
fn share(picture: &Picture, slot: u8) -> Option<f64> {
    let cluster = picture.snapshot.cluster.as_ref()?;
    let own = rate(picture, pod_in(picture, slot)?)?;
    let whole = match cluster.capacity {
        0 => cluster.pods.iter().filter_map(|pod| rate(picture, pod)).max()?,
        capacity => capacity,
    };
    Some((f64::from(own) / f64::from(whole.max(1))).min(1.0))
}

fn of_cluster(picture: &Picture, said: fn(&Cluster) -> String) -> String {
    picture.snapshot.cluster.as_ref().map_or_else(|| words::UNKNOWN.to_owned(), said)
}

/// Why Kubernetes does not make the pods that are asked for.
fn failure(picture: &Picture) -> Option<&str> {
    picture.snapshot.cluster.as_ref()?.replica_failure.as_deref()
}

/// The pods that are not ready, in words.
fn rest(picture: &Picture) -> String {
    let Some(cluster) = &picture.snapshot.cluster else { return "ready".to_owned() };
    let count = |wanted: fn(Phase) -> bool| cluster.pods.iter().filter(|pod| wanted(pod.phase)).count();
    let kinds = [
        (count(|phase| matches!(phase, Phase::Pending | Phase::Starting)), "starting"),
        (count(|phase| matches!(phase, Phase::Crashed { .. })), "crashed"),
        (count(|phase| matches!(phase, Phase::Terminating { .. })), "leaving"),
    ];
    let others =
        kinds.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!(", {count} {word}"));
    format!("ready{}", others.collect::<String>())
}

fn limit(picture: &Picture) -> String {
    match picture.snapshot.cluster.as_ref().map(|cluster| cluster.capacity) {
        Some(capacity) if capacity > 0 => format!("at most {} rec/s each", count(capacity.into())),
        _ => String::new(),
    }
}

/// A card has room for so many boxes in a row.
const MOST_BOXES: u32 = PARTITIONS;
/// When the page says that a hand-over is long ago.
pub(super) const HANDOVER_SHOWN_MS: Millis = 15_000;
