//! The tasks as towers, in the colour of the pod that owns them; grey while nobody works on them. A tower is called by
//! its partition. What is special about it is written under it, and above all of them.

use std::iter;

use leptos::prelude::*;
use model::Millis;
use model::figures::{count, duration, ranges};
use model::history::{Event, Marker};
use model::lag::Doubt;
use model::snapshot::{Lag, OtherMember, Owner, short_name};
use model::topics::{Tasks, TopicPartition};
use model::wire::Picture;

use super::pods::HANDOVER_SHOWN_MS;
use super::tasks::{self, Label, called, task_count};
use crate::erased::ErasedOnServer;
use crate::store::{Part, Store};
use crate::words;

const STATE: [Part; 5] = [Part::Ownership, Part::Source, Part::History, Part::Lag, Part::Outages];

pub(super) fn partitions(store: Store) -> impl IntoView {
    let labels = tasks::labels(store);
    let count = move || labels.with(Vec::len);
    let towers = move || {
        let labels = (0..).zip(labels.get());
        labels.map(|(task, label)| tower(store, task, label)).collect_view()
    };
    let class = move || match count() {
        ..=12 => "towers",
        13..=24 => "towers many",
        _ => "towers crowd",
    };
    view! {
        <section class="panel partitions" aria-labelledby="partitions-title">
            <h2 id="partitions-title">
                <span>"Partitions, coloured by the pod that owns them"</span>
                <span class="state" title=store.text_now(&STATE, |p, now_ms| state(p, now_ms).1)>
                    {store.text_now(&STATE, |p, now_ms| state(p, now_ms).0)}
                </span>
            </h2>
            <p class="unseen" role="status">{store.text(&STATE, |picture| alert(picture).unwrap_or_default())}</p>
            <ol class=class style=move || format!("--count:{}", count())>{towers}</ol>
        </section>
    }
    .erased_on_server()
}

fn tower(store: Store, task: u32, label: Label) -> impl IntoView {
    let Label { partition, topic } = label;
    let class = store.text(&[Part::Ownership, Part::Cluster, Part::Lag, Part::Load], move |picture| {
        let hot = if is_hot(picture, task) { " is-hot" } else { "" };
        let trouble = match trouble(picture, task) {
            Some(Trouble::NoLeader | Trouble::NoAnswer) => " unknown troubled",
            Some(_) => " troubled",
            None => "",
        };
        match owner(picture, task)
            .filter(|owner| owner.idle_since_ms.is_none())
            .and_then(|o| slot(picture, o))
        {
            Some(slot) => format!("tower slot-{slot}{hot}{trouble}"),
            None => format!("tower idle{hot}{trouble}"),
        }
    });
    let height = store.text(&[Part::Lag], move |picture| {
        format!("height:{}", words::percent(height(picture, lag_of(picture, task).unwrap_or(0))))
    });
    let held = store.text(&[Part::Lag], move |picture| match held(picture, task) {
        0 => "height:0".to_owned(),
        records => {
            let bottom = words::percent(self::height(picture, lag_of(picture, task).unwrap_or(0)));
            format!(
                "height:{};bottom:{bottom}",
                words::percent(self::height(picture, records) - LEAST_HEIGHT / 2.0)
            )
        }
    });
    let lag = store.text(&[Part::Lag], move |picture| words::count_or_unknown(lag_of(picture, task)));
    let whose = store.text(&[Part::Ownership], move |picture| {
        let owner = owner(picture, task);
        let name = owner.and_then(|owner| owner.pod.as_deref());
        if let Some(name) = name.filter(|name| is_other(picture, name)) {
            return format!(", owned by {name}, which is no pod");
        }
        match (name.map(short_name), owner.and_then(|owner| owner.idle_since_ms)) {
            (Some(pod), None) => format!(", owned by pod {pod}"),
            (Some(pod), Some(_)) => format!(", left by pod {pod}, nobody works on it"),
            (None, _) => ", nobody works on it".to_owned(),
        }
    });
    let note =
        store.text_now(&[Part::Ownership, Part::Lag], move |picture, now_ms| note(picture, task, now_ms));
    let special = store.text_now(&[Part::Lag], move |picture, now_ms| {
        special(picture, task, now_ms).into_iter().map(|said| format!(", {said}")).collect()
    });
    let title =
        store.text_now(&[Part::Lag, Part::Ownership], move |picture, now_ms| title(picture, task, now_ms));
    let called = topic.as_ref().map_or_else(|| "Partition ".to_owned(), |name| format!("{name}, partition "));
    let topic = topic.map(|name| view! { <small aria-hidden="true">{ending(&name)}</small> });
    view! {
        <li class=class title=title>
            <div class="shaft" aria-hidden="true"><i style=height></i><em style=held></em><span class="hot">"hot"</span></div>
            <p class="foot">
                <span class="unseen">{called}</span>{topic}<b>{partition}</b>" "<span>{lag}</span>
                <span class="unseen">" behind"{whose}{special}</span>
            </p>
            <p class="note">{note}</p>
        </li>
    }
    .erased_on_server()
}

/// The last letters of a topic's name, for which there is room below a tower: where names are alike, they begin alike.
fn ending(name: &str) -> String {
    const ROOM: usize = 8;
    let length = name.chars().count();
    if length <= ROOM {
        return name.to_owned();
    }
    iter::once('…').chain(name.chars().skip(length - (ROOM - 1))).collect()
}

fn owner(picture: &Picture, task: u32) -> Option<&Owner> {
    picture.snapshot.ownership.as_ref()?.tasks.get(task as usize)
}

fn slot(picture: &Picture, owner: &Owner) -> Option<u8> {
    let name = owner.pod.as_deref()?;
    picture.snapshot.cluster.as_ref()?.pods.iter().find(|pod| pod.name == name).map(|pod| pod.slot)
}

fn lag_of(picture: &Picture, task: u32) -> Option<u64> {
    picture.snapshot.lag.as_ref()?.task(task as usize)
}

fn lags(picture: &Picture) -> impl Iterator<Item = u64> {
    (0..task_count(picture)).filter_map(|task| lag_of(picture, task))
}

/// A tower never vanishes: its colour says who owns it, also when it has no lag.
const LEAST_HEIGHT: f64 = 0.04;

/// How high so many records stand, as a share of the tower.
fn height(picture: &Picture, records: u64) -> f64 {
    LEAST_HEIGHT + (1.0 - LEAST_HEIGHT) * records as f64 / tallest(picture) as f64
}

/// What a full tower stands for; never so little that a few records look like a mountain.
fn tallest(picture: &Picture) -> u64 {
    const LEAST: u64 = 1_000;
    let with_held = |task| lag_of(picture, task).unwrap_or(0) + held(picture, task);
    let highest = (0..task_count(picture)).map(with_held).max().unwrap_or(0);
    (highest + highest / 10).max(LEAST)
}

/// Made hot by the presenter, or far behind all the others.
fn is_hot(picture: &Picture, task: u32) -> bool {
    const WORTH_SAYING: u64 = 2_000;
    let asked = picture.snapshot.load.as_ref().and_then(|load| load.hot);
    if asked.is_some_and(|hot| hot.partition == called(picture, task).partition) {
        return true;
    }
    let Some(own) = lag_of(picture, task) else { return false };
    let far_less = lags(picture).filter(|other| other * 2 < own).count();
    own >= WORTH_SAYING && far_less * 2 > lags(picture).count()
}

fn doubts(picture: &Picture, task: u32) -> impl Iterator<Item = (TopicPartition, Doubt)> {
    picture.snapshot.lag.iter().flat_map(move |lag| lag.doubts(task as usize))
}

/// Records that open transactions hold back.
fn held(picture: &Picture, task: u32) -> u64 {
    let records = doubts(picture, task).map(|(_, doubt)| match doubt {
        Doubt::Held { records, .. } => records,
        _ => 0,
    });
    records.sum()
}

/// With more towers than this, they are too narrow for two words.
const MOST_WIDE: u32 = 16;

/// What keeps a task from being what it seems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    NoLeader,
    NoAnswer,
    Held,
    Ahead,
    Gone,
    /// A topic, by its place, does not have the partition, where others do.
    Missing(usize),
}

impl Trouble {
    /// All there may be, the most telling first.
    fn all(lag: &Lag) -> impl Iterator<Item = Self> {
        let of_any = [Self::NoLeader, Self::NoAnswer, Self::Held, Self::Ahead, Self::Gone];
        of_any.into_iter().chain((0..lag.topics.list.len()).rev().map(Self::Missing))
    }

    fn is_there(self, lag: &Lag, task: u32) -> bool {
        let task = task as usize;
        let has = |wanted: fn(Doubt) -> bool| lag.doubts(task).any(|(_, doubt)| wanted(doubt));
        let has_no_leader = || has(|doubt| doubt == Doubt::NoLeader);
        match self {
            Self::NoLeader => has_no_leader(),
            Self::NoAnswer => lag.task(task).is_none() && !has_no_leader(),
            Self::Held => has(|doubt| matches!(doubt, Doubt::Held { .. })),
            Self::Ahead => has(|doubt| doubt == Doubt::Ahead),
            Self::Gone => has(|doubt| doubt == Doubt::Gone),
            Self::Missing(topic) => {
                let only = lag.only(task);
                !only.is_empty() && !only.contains(&topic)
            }
        }
    }

    /// The tasks that have it.
    fn of(self, lag: &Lag) -> Vec<u32> {
        let tasks = 0..u32::try_from(lag.task_count()).unwrap_or(0);
        tasks.filter(|&task| self.is_there(lag, task)).collect()
    }

    /// Under a tower.
    fn note(self, picture: &Picture, task: u32) -> String {
        match self {
            // Below a narrow tower there is room for a word.
            _ if task_count(picture) > MOST_WIDE => self.word().to_owned(),
            Self::NoLeader => "no leader".to_owned(),
            Self::NoAnswer => "no answer".to_owned(),
            Self::Held => format!("{} held", count(held(picture, task))),
            Self::Ahead => "ahead".to_owned(),
            Self::Gone => "no commit".to_owned(),
            Self::Missing(topic) => format!("no {}", words::noun(picture, topic)),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::NoLeader | Self::NoAnswer => "?",
            Self::Held => "held",
            Self::Ahead => "ahead",
            Self::Gone => "gone",
            Self::Missing(_) => "half",
        }
    }

    /// What it is, of these tasks, without a figure that changes all the time.
    fn sentence(self, picture: &Picture, tasks: &[u32]) -> String {
        let partitions = if let [_] = tasks { "partition" } else { "partitions" };
        let of = format!("{partitions} {}", tasks::said(picture, tasks, ranges));
        match self {
            Self::NoLeader => format!("no broker leads {of}"),
            Self::NoAnswer => format!("Kafka gives no answer for {of}"),
            Self::Held => format!("an open transaction holds {of}"),
            Self::Ahead => format!("commits beyond the end in {of}"),
            Self::Gone => format!("commits are gone in {of}"),
            Self::Missing(topic) => format!("no {} in {of}", words::topic(picture, topic)),
        }
    }
}

fn trouble(picture: &Picture, task: u32) -> Option<Trouble> {
    let lag = picture.snapshot.lag.as_ref()?;
    Trouble::all(lag).find(|trouble| trouble.is_there(lag, task))
}

/// What is written under a tower, some of it for a while.
fn note(picture: &Picture, task: u32, now_ms: Millis) -> String {
    let trouble = trouble(picture, task);
    if let Some(unknown @ (Trouble::NoLeader | Trouble::NoAnswer)) = trouble {
        return unknown.note(picture, task);
    }
    let owner = owner(picture, task);
    if owner.and_then(|owner| owner.pod.as_deref()).is_some_and(|name| is_other(picture, name)) {
        return "no pod".to_owned();
    }
    if let Some(since_ms) = owner.and_then(|owner| owner.idle_since_ms) {
        return format!("idle {}", words::age(now_ms.saturating_sub(since_ms)));
    }
    if let Some(trouble) = trouble {
        return trouble.note(picture, task);
    }
    let handover = owner.and_then(|owner| owner.handover);
    if let Some(handover) = handover.filter(|handover| handover.at_ms + HANDOVER_SHOWN_MS > now_ms) {
        return format!("↻ {}", duration(handover.took_ms));
    }
    let is_there = |wanted| doubts(picture, task).any(|(_, doubt)| doubt == wanted);
    match (is_there(Doubt::Lost), is_there(Doubt::New)) {
        (true, _) => "records lost".to_owned(),
        (false, true) => "new".to_owned(),
        (false, false) => String::new(),
    }
}

/// What is special about a task, in sentences.
fn special(picture: &Picture, task: u32, now_ms: Millis) -> Vec<String> {
    let Some(lag) = &picture.snapshot.lag else { return Vec::new() };
    let unanswered = Trouble::NoAnswer.is_there(lag, task).then(|| "Kafka gives no answer for it".to_owned());
    let topics = 0..lag.topics.list.len();
    let missing = topics.filter(|topic| Trouble::Missing(*topic).is_there(lag, task));
    let missing =
        missing.map(|topic| format!("{} has no such partition: nothing is joined", lag.topics.name(topic)));
    let doubts = lag.doubts(task as usize);
    let doubts = doubts.map(|(of, doubt)| words::doubt(lag.topics.noun(of.topic), doubt, now_ms));
    unanswered.into_iter().chain(missing).chain(doubts).collect()
}

fn title(picture: &Picture, task: u32, now_ms: Millis) -> String {
    let pod = owner(picture, task).and_then(|owner| owner.pod.as_deref()).unwrap_or("nobody");
    let mut title = format!("{} behind; owner {pod}", figures(picture, task));
    for said in special(picture, task, now_ms) {
        title.push('\n');
        title.push_str(&said);
    }
    title
}

/// How far a task is behind in each of its topics.
fn figures(picture: &Picture, task: u32) -> String {
    let known = |lag: Option<u64>| lag.map_or_else(|| words::UNKNOWN.to_owned(), |lag| lag.to_string());
    let Some(lag) = &picture.snapshot.lag else {
        return format!("partition {task}: {}", words::UNKNOWN);
    };
    let of = |topic: usize, partition: u32| {
        let records =
            lag.partitions.get(topic).and_then(|lags| lags.get(partition as usize).copied().flatten());
        format!("{} {}", known(records), lag.topics.noun(topic))
    };
    match lag.topics.tasks {
        Tasks::Joined => {
            let records: Vec<String> = (0..lag.topics.list.len()).map(|topic| of(topic, task)).collect();
            format!("partition {task}: {}", records.join(", "))
        }
        Tasks::Single => match lag.task_partitions(task as usize).first() {
            Some(&TopicPartition { topic, partition }) => {
                format!("{}, partition {partition}: {}", lag.topics.name(topic), of(topic, partition))
            }
            None => format!("partition {task}: {}", words::UNKNOWN),
        },
    }
}

/// What there is to say of all partitions together, in a few words and in a sentence.
fn state(picture: &Picture, now_ms: Millis) -> (String, String) {
    let short = |words: String| (words.clone(), words);
    if let Some(outage) = picture.kafka_outage() {
        return short(outage.reason.clone());
    }
    if let Some(other) = others(picture).next() {
        let words = format!("{} is in the group and no pod of ours", other.name);
        return (words, other.sentence(&picture.snapshot.source));
    }
    match (troubles(picture), crashed(picture, now_ms)) {
        (Some(trouble), _) => short(trouble),
        (None, Some(crashed)) => short(crashed),
        (None, None) => short(group(picture)),
    }
}

/// The same for who listens: what changes all the time would be read aloud all the time.
fn alert(picture: &Picture) -> Option<String> {
    if let Some(outage) = picture.kafka_outage() {
        return Some(outage.reason.clone());
    }
    let others = others(picture).map(|other| format!("{} is in the group and is no pod", other.name));
    let said: Vec<String> = others.chain(troubles(picture)).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

fn others(picture: &Picture) -> impl Iterator<Item = &OtherMember> {
    picture.snapshot.ownership.iter().flat_map(|ownership| &ownership.others)
}

fn is_other(picture: &Picture, name: &str) -> bool {
    others(picture).any(|other| other.name == name)
}

/// The most telling trouble, with the partitions that have it.
fn troubles(picture: &Picture) -> Option<String> {
    let lag = picture.snapshot.lag.as_ref()?;
    Trouble::all(lag).find_map(|trouble| {
        let tasks = trouble.of(lag);
        (!tasks.is_empty()).then(|| trouble.sentence(picture, &tasks))
    })
}

/// A crashed pod's transaction goes on holding its partitions, even when they have another owner already.
fn crashed(picture: &Picture, now_ms: Millis) -> Option<String> {
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
        Some("Unknown") => "the coordinator does not say who owns them".to_owned(),
        Some(other) => format!("group: {}", other.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::snapshot::{Handover, Ownership, Source};
    use model::topics::{Topic, Topics};

    fn picture(requests: [u64; 12]) -> Picture {
        let mut picture = Picture::default();
        let topic =
            |(name, records): (&str, &str)| Topic { name: name.into(), records: Some(records.into()) };
        let list = [("GAME-FRAME-RQ", "requests"), ("GAME-FRAME-RS", "responses")].map(topic).to_vec();
        picture.snapshot.lag = Some(Lag {
            topics: Topics { list, tasks: Tasks::Joined },
            partitions: vec![requests.map(Some).to_vec(), vec![Some(0); 12]],
            ..Lag::default()
        });
        picture
    }

    /// Two topics whose partitions are worked on by themselves.
    fn single() -> Picture {
        let mut picture = Picture::default();
        picture.snapshot.lag = Some(Lag {
            topics: Topics { list: ["orders", "payments"].map(Topic::new).to_vec(), tasks: Tasks::Single },
            partitions: vec![vec![Some(1), Some(2)], vec![Some(3), None]],
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
        assert_eq!(count(lag_of(&picture, 5).unwrap()).replace('\u{a0}', " "), "4 k");
    }

    #[test]
    fn a_hand_over_is_written_for_a_while() {
        let mut picture = picture([0; 12]);
        let handover = Handover { at_ms: 10_000, took_ms: 1_300 };
        let owner = Owner { pod: Some("kstreams-a".into()), idle_since_ms: None, handover: Some(handover) };
        picture.snapshot.ownership =
            Some(Ownership { state: "Stable".into(), tasks: vec![owner], others: Vec::new() });
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
            assert_eq!(state(&picture, now_ms).0.replace('\u{a0}', " "), said, "{hold_ms:?} {now_ms}");
        }
    }

    #[test]
    fn what_is_special_is_written_under_the_tower_and_above_all_of_them() {
        let held = Doubt::Held { records: 882, since_ms: 1_000 };
        for (doubt, under, above, at_length) in [
            (
                held,
                "882 held",
                "an open transaction holds partition 3",
                "an open transaction holds 882 requests for 12 s",
            ),
            (
                Doubt::Ahead,
                "ahead",
                "commits beyond the end in partition 3",
                "the commit in the requests is beyond the end of the log",
            ),
            (
                Doubt::Gone,
                "no commit",
                "commits are gone in partition 3",
                "the commits in the requests are gone: expired, or the topic was made anew",
            ),
            (
                Doubt::NoLeader,
                "no leader",
                "no broker leads partition 3",
                "no broker leads the requests: their lag is unknown",
            ),
            (Doubt::New, "new", "", "no commit in the requests yet"),
        ] {
            let mut picture = picture([0; 12]);
            let lag = picture.snapshot.lag.as_mut().unwrap();
            lag.doubts = vec![(TopicPartition { topic: 0, partition: 3 }, doubt)];
            if doubt == Doubt::NoLeader {
                lag.partitions[0][3] = None;
            }
            assert_eq!(note(&picture, 3, 13_000), under);
            assert_eq!(state(&picture, 13_000).0, above);
            assert_eq!(special(&picture, 3, 13_000).join("; ").replace('\u{a0}', " "), at_length);
            assert_eq!(note(&picture, 4, 13_000), "");
        }
    }

    #[test]
    fn a_partition_of_one_topic_has_a_tower_and_says_so() {
        let mut picture = picture([0; 12]);
        picture.snapshot.lag.as_mut().unwrap().partitions[0].push(Some(1_000));
        assert_eq!((task_count(&picture), lag_of(&picture, 12)), (13, Some(1_000)));
        assert_eq!(note(&picture, 12, 0), "no responses");
        assert_eq!(state(&picture, 0).0, "no GAME-FRAME-RS in partition 12");
        assert_eq!(
            title(&picture, 12, 0),
            "partition 12: 1000 requests, – responses behind; owner nobody\n\
             GAME-FRAME-RS has no such partition: nothing is joined"
        );
    }

    #[test]
    fn where_topics_are_not_joined_a_tower_is_called_by_its_topic_too() {
        let picture = single();
        assert_eq!(title(&picture, 2, 0), "payments, partition 0: 3 payments behind; owner nobody");
        assert_eq!((note(&picture, 2, 0), note(&picture, 3, 0)), (String::new(), "no answer".to_owned()));
        assert_eq!(state(&picture, 0).0, "Kafka gives no answer for partition payments 1");
        assert_eq!(
            (ending("payments"), ending("GAME-FRAME-RQ")),
            ("payments".to_owned(), "…RAME-RQ".to_owned())
        );
    }

    #[test]
    fn before_the_first_sample_a_title_says_that_the_lag_is_unknown() {
        assert_eq!(title(&Picture::default(), 3, 0), "partition 3: – behind; owner nobody");
    }

    #[test]
    fn a_member_that_is_no_pod_is_named_before_all_else() {
        let mut picture = picture([0; 12]);
        let deployment = "kstreams".to_owned();
        picture.snapshot.source = Source { deployment, ..Source::default() };
        let other = OtherMember { name: "other-app".into(), host: "127.0.0.1".into(), partitions: 6 };
        picture.snapshot.ownership =
            Some(Ownership { state: "Stable".into(), others: vec![other], ..Ownership::default() });
        let (words, sentence) = state(&picture, 0);
        assert_eq!(words, "other-app is in the group and no pod of ours");
        assert!(sentence.contains("owns 6 partitions: it is not a pod of kstreams"), "{sentence}");
        assert_eq!(alert(&picture).unwrap(), "other-app is in the group and is no pod");
        let owned = Owner { pod: Some("other-app".into()), idle_since_ms: Some(0), handover: None };
        picture.snapshot.ownership.as_mut().unwrap().tasks = vec![owned];
        assert_eq!(note(&picture, 0, 22_000), "no pod");
    }
}
