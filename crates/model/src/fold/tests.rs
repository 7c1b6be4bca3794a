use super::*;
use crate::PARTITIONS;
use crate::history::Condition;
use crate::lag::{Group, PartitionOffsets};
use crate::load::{Burst, Running, Shape};
use crate::policy::Policy;
use crate::snapshot::{EndReason, Phase, Pod};

const START: Millis = 1_000_000;

fn fold() -> Fold {
    Fold::new(1, Source::default(), History::default(), START)
}

fn sample(at_ms: Millis, committed: i64, end: i64, owner: Option<&str>) -> Sampled {
    let offsets = Some(PartitionOffsets {
        committed_offset: Some(committed),
        log_start_offset: 0,
        log_end_offset: end,
    });
    let group = Group {
        state: "Stable".into(),
        owners: vec![owner.map(String::from); usize::try_from(PARTITIONS).unwrap()],
    };
    let all = vec![offsets; usize::try_from(PARTITIONS).unwrap()];
    let sample = Sample { sampled_ms: at_ms, requests: all.clone(), responses: all, group: Some(group) };
    Sampled { sample: Some(sample), outage: None }
}

fn pod(name: &str, slot: u8, phase: Phase, since_ms: Millis) -> Pod {
    Pod {
        name: name.into(),
        slot,
        phase,
        phase_since_ms: since_ms,
        created_ms: START,
        restarts: 0,
        revision: 1,
        node: None,
        reason: None,
    }
}

fn cluster(desired: u32, pods: Vec<Pod>) -> Cluster {
    Cluster { pods, desired, revision: 1, capacity: 2_000, policy: Policy::default(), ..Cluster::default() }
}

fn events(fold: &Fold) -> Vec<Event> {
    fold.picture().history.markers.iter().map(|marker| marker.event.clone()).collect()
}

/// A story with a bit of everything; gives each tick to `see`.
fn tell(fold: &mut Fold, mut see: impl FnMut(&Fold, Tick)) {
    let mut now = START;
    let mut step = |fold: &mut Fold, tick: Tick| see(fold, tick);
    let tick = fold.cluster(now, cluster(1, vec![pod("kstreams-a", 0, Phase::Ready, now)]));
    step(fold, tick);
    for n in 1..=40_u64 {
        now = START + n * 250;
        let committed = i64::try_from(n).unwrap() * 10;
        let tick = fold.sampled(now, &sample(now, committed, committed * 3, Some("kstreams-a")));
        step(fold, tick);
        if n == 10 {
            let burst = Some(Burst { factor: 10, from_ms: now, until_ms: now + 20_000 });
            let tick = fold.load(now, LoadSettings::default());
            step(fold, tick);
            let tick = fold.load(now, LoadSettings { burst, ..LoadSettings::default() });
            step(fold, tick);
        }
        if n == 20 {
            let dead = pod("kstreams-a", 0, Phase::Terminating { reason: EndReason::Killed }, now);
            let tick = fold.cluster(now, cluster(1, vec![dead, pod("kstreams-b", 1, Phase::Starting, now)]));
            step(fold, tick);
        }
        if n == 30 {
            let tick = fold.cluster(now, cluster(1, vec![pod("kstreams-b", 1, Phase::Ready, now)]));
            step(fold, tick);
        }
        if n % 4 == 0 {
            let (tick, _) = fold.second(now);
            step(fold, tick);
        }
    }
}

#[test]
fn a_page_that_applies_every_tick_has_the_servers_picture() {
    let mut fold = fold();
    let mut page = fold.picture().clone();
    tell(&mut fold, |fold, tick| {
        page.apply(serde_json::from_str(&serde_json::to_string(&tick).unwrap()).unwrap());
        assert_eq!(&page, fold.picture());
    });
    assert_eq!(page.history.points.len(), 10);
}

#[test]
fn a_page_that_was_away_catches_up_with_one_tick() {
    let mut reference = fold();
    let mut pages = vec![reference.picture().clone()];
    tell(&mut reference, |fold, _| pages.push(fold.picture().clone()));
    for mut page in pages {
        page.apply(reference.since(page.snapshot.at_ms));
        assert_eq!(&page, reference.picture());
    }
}

#[test]
fn time_in_the_picture_rises_strictly_even_when_the_clock_does_not() {
    let mut fold = fold();
    let mut last = fold.picture().snapshot.at_ms;
    for now in [START, START, START - 500, START + 1] {
        let tick = fold.arena(now, Arena::default());
        assert!(tick.at_ms > last);
        last = tick.at_ms;
    }
}

#[test]
fn a_seconds_point_has_totals_and_the_line_that_the_autoscaler_draws() {
    let mut fold = fold();
    fold.cluster(START, cluster(1, vec![pod("kstreams-a", 0, Phase::Ready, START)]));
    fold.sampled(START + 250, &sample(START + 250, 10, 30, Some("kstreams-a")));
    let (_, second) = fold.second(START + 400);
    let point = second.unwrap().point;
    assert_eq!((point.requests, point.responses), (Some(240), Some(240)));
    assert_eq!((point.desired, point.ready, point.allowed), (Some(1), Some(1), Some(5_000)));
}

#[test]
fn a_second_without_a_fresh_sample_is_a_gap() {
    let mut fold = fold();
    assert_eq!(fold.second(START + 1).1, None, "nothing is known yet");
    fold.sampled(START + 250, &sample(START + 250, 10, 30, None));
    assert!(fold.second(START + 1_000).1.is_some());
    let outage = Outage { since_ms: START + 300, reason: "connection refused".into() };
    let stale = Sampled { outage: Some(outage), ..sample(START + 250, 10, 30, None) };
    fold.sampled(START + 2_000, &stale);
    assert_eq!(fold.second(START + 3_000).1, None);
    assert_eq!(fold.picture().history.points.len(), 1);
    assert_eq!(events(&fold), [Event::KafkaAway]);
    fold.sampled(START + 4_000, &sample(START + 4_000, 10, 30, None));
    assert_eq!(fold.picture().history.markers[0].until_ms, Some(START + 4_000), "the outage has an end");
}

#[test]
fn a_kafka_that_was_never_there_has_not_gone_away() {
    let mut fold = fold();
    let outage = Some(Outage { since_ms: START, reason: "connection refused".into() });
    fold.sampled(START + 1, &Sampled { sample: None, outage: outage.clone() });
    assert_eq!(events(&fold), []);
    assert_eq!(fold.picture().snapshot.outages.kafka, outage);
}

#[test]
fn kills_crashes_scale_steps_and_upgrades_are_marked_once() {
    let mut fold = fold();
    let ready = |name: &str, slot| pod(name, slot, Phase::Ready, START);
    fold.cluster(START, cluster(1, vec![ready("kstreams-a", 0)]));
    assert_eq!(events(&fold), [], "the first sight is no event");

    fold.cluster(START + 10, cluster(2, vec![ready("kstreams-a", 0), ready("kstreams-b", 1)]));
    let killed = pod("kstreams-a", 0, Phase::Terminating { reason: EndReason::Killed }, START + 20);
    fold.cluster(START + 20, cluster(2, vec![killed.clone(), ready("kstreams-b", 1)]));
    fold.cluster(START + 30, cluster(2, vec![killed, ready("kstreams-b", 1)]));
    let crashed = pod("kstreams-b", 1, Phase::Crashed { retry_ms: None }, START + 40);
    fold.cluster(START + 40, cluster(2, vec![crashed]));
    let again = Pod { restarts: 1, ..pod("kstreams-b", 1, Phase::Starting, START + 50) };
    fold.cluster(START + 50, cluster(2, vec![again.clone()]));
    fold.cluster(START + 60, Cluster { revision: 2, ..cluster(2, vec![again]) });

    let expected = [
        Event::Scaled { from: 1, to: 2, auto: true },
        Event::Killed { pod: "kstreams-a".into() },
        Event::Crashed { pod: "kstreams-b".into() },
        Event::Upgrade { revision: 2 },
    ];
    assert_eq!(events(&fold), expected);
    let life = &fold.picture().history.lives[1];
    let conditions: Vec<Condition> = life.spans.iter().map(|(_, condition)| *condition).collect();
    assert_eq!(conditions, [Condition::Ready, Condition::Crashed, Condition::Starting]);
}

#[test]
fn a_dead_pods_partitions_are_idle_until_a_pod_that_lives_owns_them() {
    let mut fold = fold();
    let owner = |fold: &Fold| fold.picture().snapshot.ownership.clone().unwrap().partitions[3].clone();
    fold.cluster(START, cluster(2, vec![pod("kstreams-a", 0, Phase::Ready, START)]));
    fold.sampled(START + 250, &sample(START + 250, 0, 0, Some("kstreams-a")));
    assert_eq!(owner(&fold).idle_since_ms, None);

    let crashed = pod("kstreams-a", 0, Phase::Crashed { retry_ms: None }, START + 300);
    let other = pod("kstreams-b", 1, Phase::Ready, START);
    fold.cluster(START + 310, cluster(2, vec![crashed, other.clone()]));
    assert_eq!(owner(&fold).pod.as_deref(), Some("kstreams-a"), "the coordinator has not noticed yet");
    assert_eq!(owner(&fold).idle_since_ms, Some(START + 300));

    let again = pod("kstreams-a", 0, Phase::Starting, START + 400);
    fold.cluster(START + 400, cluster(2, vec![again, other]));
    assert_eq!(owner(&fold).idle_since_ms, Some(START + 300), "its new process is not the member that died");

    fold.sampled(START + 1_500, &sample(START + 1_500, 0, 0, Some("kstreams-b")));
    assert_eq!(owner(&fold).idle_since_ms, None);
    assert_eq!(owner(&fold).handover.map(|handover| handover.took_ms), Some(1_200));
    assert_eq!(events(&fold).last(), Some(&Event::Rebalance { moved: 12 }));
}

#[test]
fn one_hand_over_in_several_steps_is_one_marker() {
    let mut fold = fold();
    fold.sampled(START + 250, &sample(START + 250, 0, 0, Some("kstreams-a")));
    fold.sampled(START + 500, &sample(START + 500, 0, 0, Some("kstreams-b")));
    fold.sampled(START + 750, &sample(START + 750, 0, 0, Some("kstreams-c")));
    assert_eq!(events(&fold), [Event::Rebalance { moved: 12 }]);
}

#[test]
fn a_pair_that_comes_back_to_its_owner_has_not_moved() {
    let mut fold = fold();
    fold.sampled(START + 250, &sample(START + 250, 0, 0, Some("kstreams-a")));
    fold.sampled(START + 500, &sample(START + 500, 0, 0, None));
    fold.sampled(START + 750, &sample(START + 750, 0, 0, Some("kstreams-a")));
    assert_eq!(events(&fold), []);
}

#[test]
fn a_new_run_goes_on_with_the_old_picture_and_says_so() {
    let mut first = fold();
    let mut kept = History::default();
    first.cluster(START, cluster(1, vec![pod("kstreams-a", 0, Phase::Ready, START)]));
    for n in 1..=5 {
        first.sampled(START + n * 1_000, &sample(START + n * 1_000, 0, 0, Some("kstreams-a")));
        kept.push_second(first.second(START + n * 1_000 + 1).1.unwrap());
    }
    let second = Fold::new(2, Source::default(), kept, START + 9_000);
    let history = &second.picture().history;
    assert_eq!(history.points, first.picture().history.points);
    assert_eq!(history.lives[0].ended_ms, history.points.back().map(|point| point.at_ms));
    assert_eq!(events(&second), [Event::ServerRestarted]);
}

#[test]
fn a_picture_forgets_what_is_older_than_ten_minutes() {
    let mut fold = fold();
    for n in 0..700 {
        let now = START + n * 1_000;
        fold.sampled(now, &sample(now, 0, 0, None));
        fold.second(now + 1);
    }
    assert!(fold.picture().history.points.len() <= 601);
}

#[test]
fn picking_a_shape_and_going_back_are_markers() {
    let mut fold = fold();
    let shaped =
        |shape, from_ms| LoadSettings { shape: Some(Running { shape, from_ms }), ..LoadSettings::default() };
    fold.load(START, LoadSettings::default());
    fold.load(START + 1_000, shaped(Shape::Ramp, START + 1_000));
    fold.load(START + 2_000, shaped(Shape::Sine, START + 2_000));
    fold.load(START + 3_000, LoadSettings::default());
    fold.load(START + 4_000, shaped(Shape::Ramp, START + 4_000));
    fold.load(START + 100_000, LoadSettings::default());
    let markers = fold.picture().history.markers.iter();
    let told: Vec<_> = markers.map(|marker| (marker.event.clone(), marker.until_ms)).collect();
    let shape = |shape| Event::Shape { shape };
    assert_eq!(
        told,
        [
            (shape(Some(Shape::Ramp)), Some(START + 61_000)),
            (shape(Some(Shape::Sine)), None),
            (shape(None), None),
            (shape(Some(Shape::Ramp)), Some(START + 64_000)),
        ],
        "a ramp that was over needs no end"
    );
}

#[test]
fn a_generator_that_does_not_keep_up_is_told_with_what_is_asked_for() {
    let mut fold = fold();
    fold.load(START, LoadSettings::default());
    for n in 1..=40_u64 {
        let now = START + n * 250;
        // Two topics of twelve partitions, ten records each a tick: 480 frames a second for five seconds, then 240.
        let end = i64::try_from(n.min(20) * 10 + n.saturating_sub(20) * 5).unwrap();
        fold.sampled(now, &sample(now, 0, end, None));
        if n % 4 == 0 {
            fold.second(now);
        }
        let asked = fold.picture().snapshot.rates.as_ref().and_then(|rates| rates.asked);
        assert_eq!(asked, (n >= 36).then_some(400), "after {n} samples");
    }
}
