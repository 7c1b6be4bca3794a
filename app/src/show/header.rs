//! The header: title, chips for connection and source, and the figures of the whole show.

use leptos::prelude::*;
use model::Millis;
use model::figures::count;
use model::wire::Picture;

use crate::erased::ErasedOnServer;
use crate::link::Link;
use crate::show::{letters, presenter};
use crate::store::{Part, Store};
use crate::words;

pub(super) fn header(store: Store, presenter: bool, can_present: bool) -> impl IntoView {
    let link = Signal::derive(move || store.link.get().words());
    let is_behind = store.flag(&[Part::Rates, Part::Cluster], |picture| behind(picture).is_some());
    view! {
        <header>
            <h1>"King of " <em>"Scaling"</em></h1>
            <p class="chips">
                <span class="chip link" role="status"><i></i>{link}</span>
                <span class="chip source" title=store.text(&[Part::Source], hold)>{store.text(&[Part::Source], source)}</span>
                <span class="chip away" title=store.text(&[Part::Outages], reason) hidden=store.flag(&[Part::Outages], |picture| away(picture, 0).is_none())>
                    {store.text_now(&[Part::Outages], |picture, now_ms| away(picture, now_ms).unwrap_or_default())}
                </span>
                <span class="chip clocks" title=store.text(&[Part::Clocks], |p| words::clocks(&p.snapshot.clocks)) hidden=store.flag(&[Part::Clocks], |p| p.snapshot.clocks.0.is_empty())>
                    {store.text(&[Part::Clocks], |p| words::farthest_clock(&p.snapshot.clocks))}
                </span>
            </p>
            <p class="freshness" hidden=is_behind>{fresh(store)}</p>
            <p class="behind">
                {store.text(&[Part::Rates, Part::Cluster], |picture| behind(picture).unwrap_or_default())}
            </p>
            <dl class="figures">
                {figure("produced", store.text(&[Part::Lag], appended),
                    store.text(&[Part::Rates], |p| words::rate_or_unknown(p.snapshot.rates.as_ref().map(|r| r.produced))))}
                {figure("consumed", "Records whose offsets were committed per second",
                    store.text(&[Part::Rates], |p| words::rate_or_unknown(p.snapshot.rates.as_ref().map(|r| r.consumed))))}
                {figure("lost", "Records that retention deleted before they were read",
                    store.text(&[Part::Lag], |p| words::count_or_unknown(p.snapshot.lag.as_ref().map(|lag| lag.lost))))}
                {figure("players", "Phones that have joined",
                    store.text(&[Part::Players], |p| p.snapshot.players.count.to_string()))}
            </dl>
            {letters::letters(store)}
            {(can_present && !presenter).then(presenter::sign_in)}
        </header>
    }
    .erased_on_server()
}

fn figure(name: &'static str, title: impl Into<Signal<String>>, value: Signal<String>) -> impl IntoView {
    let title = title.into();
    view! { <div title=title><dt>{name}</dt><dd>{value}</dd></div> }
}

/// What is counted as produced.
fn appended(picture: &Picture) -> String {
    let topics = match picture.snapshot.lag.as_ref().map_or(0, |lag| lag.topics.list.len()) {
        1 => "the topic",
        2 => "both topics",
        _ => "all topics",
    };
    format!("Records appended to {topics} per second")
}

fn source(picture: &Picture) -> String {
    let source = &picture.snapshot.source;
    let known = [&source.kafka, &source.cluster].into_iter().filter(|part| !part.is_empty());
    let said = known.map(String::as_str).collect::<Vec<_>>().join(" · ");
    if said.is_empty() { "source unknown yet".to_owned() } else { said }
}

/// What this broker makes of a pod that crashes, where that takes long.
fn hold(picture: &Picture) -> String {
    words::long_hold(&picture.snapshot.source)
        .map(|hold| format!("This broker may hold a crashed pod's partitions for up to {hold}"))
        .unwrap_or_default()
}

/// What the generator is asked for and what it achieves, while that is less; that there is none, where a cluster says
/// so.
fn behind(picture: &Picture) -> Option<String> {
    let generator = picture.snapshot.cluster.as_ref().and_then(|cluster| cluster.generator);
    if let Some(missing) = words::missing_generator(generator) {
        return Some(missing.to_owned());
    }
    let rates = picture.snapshot.rates.as_ref()?;
    let (asked, made) = (count(rates.asked?.into()), count((*rates.by_topic.first()?).into()));
    Some(format!("asked for {asked} frames/s, achieving {made}"))
}

/// What outside does not answer, and since when.
fn away(picture: &Picture, now_ms: Millis) -> Option<String> {
    let outages = &picture.snapshot.outages;
    let (name, outage) = match (&outages.kafka, &outages.cluster) {
        (Some(outage), _) => ("Kafka", outage),
        (None, Some(outage)) => ("Cluster", outage),
        (None, None) => return None,
    };
    Some(format!("{name} away since {}", words::age(now_ms.saturating_sub(outage.since_ms))))
}

/// Why it does not.
fn reason(picture: &Picture) -> String {
    let outages = &picture.snapshot.outages;
    outages
        .kafka
        .as_ref()
        .or(outages.cluster.as_ref())
        .map(|outage| outage.reason.clone())
        .unwrap_or_default()
}

/// How fresh the figures are. Before frames come: how old they were when the page was rendered; when no more come: how
/// old they are.
fn fresh(store: Store) -> Signal<String> {
    Signal::derive(move || match (store.link.get(), store.fresh_ms.get()) {
        (Link::HeldBack { for_ms } | Link::Reconnecting { for_ms } | Link::Stale { for_ms }, _) => {
            format!("this is {} old", words::age(for_ms))
        }
        (_, Some(fresh_ms)) => format!("{fresh_ms}\u{a0}ms from commit to this screen"),
        (_, None) => store.read(&[Part::Lag], |picture| match &picture.snapshot.lag {
            Some(lag) => {
                let age_ms = picture.snapshot.at_ms.saturating_sub(lag.sampled_ms);
                format!("sampled {} before this page", model::figures::duration(age_ms))
            }
            None => "waiting for the first sample".to_owned(),
        }),
    })
}
