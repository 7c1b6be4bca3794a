//! What the page says in words: ages, states and events. The autoscaler's sentence is the model's own.

use model::Millis;
use model::clocks::{Apart, Clocks, Whose};
use model::figures::{count, duration, plural};
use model::history::Event;
use model::hpa::Hpa;
use model::lag::Doubt;
use model::snapshot::{Phase, Pod, Replicas, Source, short_name};
use model::wire::Picture;

/// What stands where a figure is not known.
pub(crate) const UNKNOWN: &str = "–";

/// A count, or the sign for an unknown one.
#[must_use]
pub(crate) fn count_or_unknown(value: Option<u64>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), count)
}

/// A rate per second, or the sign for an unknown one.
#[must_use]
pub(crate) fn rate_or_unknown(value: Option<u32>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), |rate| format!("{}/s", count(rate.into())))
}

/// What the records of the topic in a place are called.
#[must_use]
pub(crate) fn noun(picture: &Picture, topic: usize) -> &str {
    picture.snapshot.lag.as_ref().map_or("records", |lag| lag.topics.noun(topic))
}

/// The name of the topic in a place.
#[must_use]
pub(crate) fn topic(picture: &Picture, topic: usize) -> &str {
    picture.snapshot.lag.as_ref().map_or("a topic", |lag| lag.topics.name(topic))
}

/// The same text with a capital letter.
#[must_use]
pub(crate) fn capitalised(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// A length of time in one unit, whole: `3 s`, `2 min`, `5 h`.
#[must_use]
pub(crate) fn age(age_ms: Millis) -> String {
    match age_ms / 1_000 {
        seconds @ ..100 => format!("{seconds}\u{a0}s"),
        seconds @ ..6_000 => format!("{}\u{a0}min", seconds / 60),
        seconds => format!("{}\u{a0}h", seconds / 3_600),
    }
}

/// For how long the broker may hold a crashed pod's partitions, where the show would have to wait for it; `None` also
/// where that is not known.
#[must_use]
pub(crate) fn long_hold(source: &Source) -> Option<String> {
    const WORTH_SAYING_MS: Millis = 3_000;
    source.transaction_hold_ms.filter(|hold_ms| *hold_ms > WORTH_SAYING_MS).map(age)
}

/// A fraction as the style sheet's language writes it. By whole numbers: a page needs no other float in words.
#[must_use]
pub(crate) fn percent(share: f64) -> String {
    let hundredths = (share * 10_000.0).round() as u32;
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

/// Where a pod stands, in one word.
#[must_use]
pub(crate) const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "pending",
        Phase::Starting => "starting",
        Phase::Ready => "ready",
        Phase::Crashed { .. } => "crashed",
        Phase::Terminating { .. } => "leaving",
    }
}

/// Where a pod stands and since when; for a crashed one, when it starts again.
#[must_use]
pub(crate) fn standing(pod: &Pod, now_ms: Millis) -> String {
    match pod.phase {
        Phase::Crashed { retry_ms: Some(retry_ms) } if retry_ms > now_ms => {
            format!("crashed, again in {}", age(retry_ms - now_ms + 999))
        }
        _ => format!("{} {}", phase(pod.phase), age(now_ms.saturating_sub(pod.phase_since_ms))),
    }
}

/// Why a pod does not run, in Kubernetes' words; empty for one that does, and where nothing is told.
#[must_use]
pub(crate) fn why_not(pod: &Pod) -> String {
    if !matches!(pod.phase, Phase::Pending | Phase::Crashed { .. }) {
        return String::new();
    }
    match (&pod.reason, &pod.message) {
        (Some(reason), Some(message)) => format!("{reason}: {message}"),
        (reason, message) => reason.as_ref().or(message.as_ref()).cloned().unwrap_or_default(),
    }
}

/// How often a pod's process was started again, and why it last ended where that is told.
#[must_use]
pub(crate) fn restarts(pod: &Pod) -> String {
    let reason = pod.reason.as_deref().filter(|_| matches!(pod.phase, Phase::Ready | Phase::Starting));
    match (pod.restarts, reason) {
        (0, _) => String::new(),
        (restarts, Some(reason)) => format!("{} ({reason})", plural(restarts, "restart")),
        (restarts, None) => plural(restarts, "restart"),
    }
}

/// Where a pod runs, in words; empty where it is not told.
#[must_use]
pub(crate) fn on_node(pod: &Pod) -> String {
    pod.node.as_ref().map(|node| format!("Runs on the node {node}")).unwrap_or_default()
}

/// Why nothing is produced, where a cluster runs the generator and has none that works.
pub(crate) fn missing_generator(generator: Option<Replicas>) -> Option<&'static str> {
    match generator? {
        Replicas { desired: 0, .. } => Some("no load: datagen is scaled to 0"),
        Replicas { ready: 0, .. } => Some("no load: datagen has no ready pod"),
        _ => None,
    }
}

/// What Kubernetes says of the autoscaler beside its decision: its conditions, and when it last scaled. Empty where the
/// autoscaler is ours.
#[must_use]
pub(crate) fn autoscaler(hpa: Option<&Hpa>, hidden: &[String], now_ms: Millis) -> String {
    let Some(hpa) = hpa else { return String::new() };
    if hidden.iter().any(|kind| kind == "horizontalpodautoscalers") {
        return "The HorizontalPodAutoscaler is unknown: this server may not see any. The Role in deploy/ lists what it needs."
            .to_owned();
    }
    if !hpa.exists {
        return "There is no HorizontalPodAutoscaler: only hands change the number of pods.".to_owned();
    }
    let conditions = hpa.conditions.iter().map(|condition| {
        let (kind, reason) = (&condition.kind, &condition.reason);
        match condition.status {
            Some(true) => format!("{kind} ({reason})"),
            Some(false) => format!("not {kind} ({reason})"),
            None => format!("{kind} unknown ({reason})"),
        }
    });
    let scaled = hpa.last_scale_ms.map(|at_ms| format!("scaled {} ago", age(now_ms.saturating_sub(at_ms))));
    conditions.chain(scaled).collect::<Vec<_>>().join(" · ")
}

/// The same in whole sentences: the messages of the conditions that tell of trouble, and the newest event.
#[must_use]
pub(crate) fn autoscaler_at_length(hpa: Option<&Hpa>) -> String {
    let messages = hpa.iter().flat_map(|hpa| &hpa.conditions).map(|condition| condition.message.as_str());
    let event = hpa.and_then(|hpa| hpa.last_event.as_ref());
    let event = event.map(|event| format!("{}: {}", event.reason, event.message));
    messages.map(str::to_owned).chain(event).collect::<Vec<_>>().join("\n")
}

/// What is special about a partition, in a sentence without a full stop; `noun` is what its records are called.
#[must_use]
pub(crate) fn doubt(noun: &str, doubt: Doubt, now_ms: Millis) -> String {
    match doubt {
        Doubt::New => format!("no commit in the {noun} yet"),
        Doubt::Gone => format!("the commits in the {noun} are gone: expired, or the topic was made anew"),
        Doubt::Lost => format!("some {noun} were deleted before they were read"),
        Doubt::Ahead => format!("the commit in the {noun} is beyond the end of the log"),
        Doubt::Held { records, since_ms } => {
            let age = age(now_ms.saturating_sub(since_ms));
            format!("an open transaction holds {} {noun} for {age}", count(records))
        }
        Doubt::NoLeader => format!("no broker leads the {noun}: their lag is unknown"),
    }
}

/// That clocks disagree, and which one by how much the most; empty while they agree.
#[must_use]
pub(crate) fn farthest_clock(clocks: &Clocks) -> String {
    clocks.0.first().map_or_else(String::new, |farthest| format!("clocks disagree: {}", apart(farthest)))
}

/// All clocks that are far from the server's, in a sentence.
#[must_use]
pub(crate) fn clocks(clocks: &Clocks) -> String {
    let all = clocks.0.iter().map(apart).collect::<Vec<_>>().join(", ");
    format!("Compared with the server's clock: {all}")
}

fn apart(Apart { whose, by_ms }: &Apart) -> String {
    let whose = match whose {
        Whose::Generator => "the generator's is".to_owned(),
        Whose::Players => "that of other writers of players' frames is".to_owned(),
        Whose::Pod(pod) => format!("pod {}'s is", short_name(pod)),
    };
    let way = if *by_ms < 0 { "behind" } else { "ahead" };
    format!("{whose} {} {way}", duration(by_ms.unsigned_abs()))
}

/// What happened, in a sentence without a full stop.
#[must_use]
pub(crate) fn event(event: &Event) -> String {
    match event {
        Event::Burst { factor } => format!("load multiplied by {factor}"),
        Event::Base { to } => format!("base load set to {to} frames a second"),
        Event::Hot { partition } => format!("partition {partition} made hot"),
        Event::Shape { shape: Some(shape) } => format!("load follows a shape: {}", shape.word()),
        Event::Shape { shape: None } => "load back to normal".to_owned(),
        Event::Killed { pod } => format!("pod {} killed", short_name(pod)),
        Event::Crashed { pod } => format!("pod {} crashed", short_name(pod)),
        Event::Scaled { from, to, auto: true } => format!("autoscaler: {from} to {}", plural(*to, "pod")),
        Event::Scaled { from, to, auto: false } => format!("by hand: {from} to {}", plural(*to, "pod")),
        Event::Rebalance { moved } => format!("rebalance, {} moved", plural(*moved, "partition")),
        Event::Upgrade { revision } => format!("rolling upgrade to revision {revision}"),
        Event::KafkaAway => "Kafka did not answer".to_owned(),
        Event::ClusterAway => "the cluster did not answer".to_owned(),
        Event::ServerRestarted => "the server was started again".to_owned(),
        Event::Reset => "everything was reset".to_owned(),
    }
}

/// A place: `1st`, `2nd`, `11th`.
#[must_use]
pub(crate) fn ordinal(place: u32) -> String {
    let ending = match (place % 100, place % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{place}{ending}")
}

/// A score with its thousands set apart: `17 910`.
#[must_use]
pub(crate) fn score(points: u64) -> String {
    let digits = points.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use model::hpa::Condition;

    use super::*;

    #[test]
    fn percents_have_two_decimals() {
        for (share, said) in [(0.0, "0.00%"), (0.123_45, "12.35%"), (1.0, "100.00%")] {
            assert_eq!(percent(share), said);
        }
    }

    #[test]
    fn what_begins_with_a_letter_gets_a_capital_one() {
        for (text, said) in [("requests", "Requests"), ("7 wonders", "7 wonders"), ("élan", "élan"), ("", "")]
        {
            assert_eq!(capitalised(text), said);
        }
    }

    #[test]
    fn ages_have_one_unit() {
        for (age_ms, said) in [(900, "0 s"), (99_000, "99 s"), (100_000, "1 min"), (7_200_000, "2 h")] {
            assert_eq!(age(age_ms).replace('\u{a0}', " "), said);
        }
    }

    #[test]
    fn an_autoscaler_is_told_by_its_conditions() {
        let condition = |kind: &str, status, reason: &str| Condition {
            kind: kind.into(),
            status,
            reason: reason.into(),
            message: "in a sentence".into(),
        };
        let conditions = vec![
            condition("AbleToScale", Some(true), "ReadyForNewScale"),
            condition("ScalingActive", Some(false), "FailedGetExternalMetric"),
        ];
        let hpa = Hpa { exists: true, conditions, last_scale_ms: Some(1_000), ..Hpa::default() };
        assert_eq!(
            autoscaler(Some(&hpa), &[], 13_000).replace('\u{a0}', " "),
            "AbleToScale (ReadyForNewScale) · not ScalingActive (FailedGetExternalMetric) · scaled 12 s ago"
        );
        assert_eq!(autoscaler(None, &[], 0), "");
        assert!(autoscaler(Some(&Hpa::default()), &[], 0).contains("no HorizontalPodAutoscaler"));
        let hidden = ["horizontalpodautoscalers".to_owned()];
        assert!(autoscaler(Some(&Hpa::default()), &hidden, 0).contains("unknown"));
    }

    #[test]
    fn clocks_that_disagree_are_told_by_whose_and_by_how_much() {
        assert_eq!(farthest_clock(&Clocks::default()), "");
        let clocks_apart = Clocks(vec![
            Apart { whose: Whose::Generator, by_ms: 8_000 },
            Apart { whose: Whose::Pod("kstreams-7c9d8f6b5-kx7w2".into()), by_ms: -3_200 },
        ]);
        let said = |text: String| text.replace('\u{a0}', " ");
        assert_eq!(said(farthest_clock(&clocks_apart)), "clocks disagree: the generator's is 8 s ahead");
        assert_eq!(
            said(clocks(&clocks_apart)),
            "Compared with the server's clock: the generator's is 8 s ahead, pod kx7w2's is 3.2 s behind"
        );
    }

    #[test]
    fn a_generator_is_missed_only_where_a_cluster_runs_one_that_does_not_work() {
        let said = |desired, ready| missing_generator(Some(Replicas { desired, ready }));
        assert_eq!((missing_generator(None), said(1, 1)), (None, None));
        assert_eq!(said(0, 0), Some("no load: datagen is scaled to 0"));
        assert_eq!(said(1, 0), Some("no load: datagen has no ready pod"));
    }

    #[test]
    fn places_and_scores_read_well() {
        for (place, said) in
            [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (112, "112th"), (221, "221st")]
        {
            assert_eq!(ordinal(place), said);
        }
        assert_eq!(score(950), "950");
        assert_eq!(score(1_234_567).replace('\u{202f}', " "), "1 234 567");
    }
}
