//! The pods, as things one can point at: one card a slot, which keeps its place as long as its pod lives.

use leptos::prelude::*;
use model::controls::Manner;
use model::figures::{count, ranges};
use model::policy::MAX_REPLICAS;
use model::snapshot::{Cluster, Phase, Pod};
use model::wire::Picture;
use model::{Millis, PARTITIONS};

use super::commands::{Commands, Place};
use super::presenter::answer;
use super::tasks::{self, Label, task_count};
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
        let numerous = if task_count(picture) > MOST_BOXES { " numerous" } else { "" };
        format!("panel pods {crowd}{numerous}")
    });
    let labels = tasks::labels(store);
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
                {(0..MAX_REPLICAS as u8).map(|slot| card(store, commands, labels, slot)).collect_view()}
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
fn card(store: Store, commands: Option<Commands>, labels: Memo<Vec<Label>>, slot: u8) -> impl IntoView {
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
    let parts = move || {
        let boxes = (0..MOST_BOXES).zip(labels.get());
        boxes.map(|(task, label)| part(store, slot, task, label)).collect_view()
    };
    let owned = store.text(&[Part::Ownership, Part::Cluster, Part::Lag], move |picture| {
        pod_in(picture, slot).map(|pod| said(picture, &owned(picture, pod))).unwrap_or_default()
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

/// The box of a task, filled while the pod in this slot owns it.
fn part(store: Store, slot: u8, task: u32, label: Label) -> impl IntoView {
    let class = store.text(&[Part::Ownership, Part::Cluster], move |picture| {
        let owner = owner(picture, task);
        let own = owner.is_some() && owner == pod_in(picture, slot).map(|pod| pod.name.as_str());
        if own { "own".to_owned() } else { String::new() }
    });
    view! { <li class=class title=label.topic>{label.partition}</li> }
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

/// Who owns a task, as far as the coordinator knows.
fn owner(picture: &Picture, task: u32) -> Option<&str> {
    let ownership = picture.snapshot.ownership.as_ref()?;
    ownership.tasks.get(task as usize)?.pod.as_deref()
}

/// The tasks that a pod owns.
fn owned(picture: &Picture, pod: &Pod) -> Vec<u32> {
    let is_own = |task: &u32| owner(picture, *task) == Some(pod.name.as_str());
    (0..task_count(picture)).filter(is_own).collect()
}

/// Tasks by the numbers of their partitions: one by one where there are few.
fn said(picture: &Picture, owned: &[u32]) -> String {
    let few = |partitions: &[u32]| partitions.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    match (owned, task_count(picture)) {
        ([], _) => ranges(owned),
        (_, ..=MOST_BOXES) => tasks::said(picture, owned, few),
        _ => tasks::said(picture, owned, ranges),
    }
}

fn cards(picture: &Picture) -> usize {
    (0..MAX_REPLICAS as u8).filter(|slot| pod_in(picture, *slot).is_some()).count()
}

/// Records per second that a pod consumes: those of the tasks that it owns.
fn rate(picture: &Picture, pod: &Pod) -> Option<u32> {
    let rates = picture.snapshot.rates.as_ref()?;
    let own = owned(picture, pod).into_iter();
    Some(own.filter_map(|task| rates.by_task.get(task as usize)).sum())
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
