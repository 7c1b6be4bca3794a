use std::sync::Arc;

use super::*;
use crate::PARTITIONS;
use crate::clocks::{Apart, Whose};
use crate::history::Condition;
use crate::lag::{Group, PartitionOffsets};
use crate::load::{Burst, Running, Shape};
use crate::policy::Policy;
use crate::snapshot::{EndReason, Phase, Pod};
use crate::testing::joined;
use crate::topics::{Tasks, TopicPartition, Topics};
use crate::wire::Part;

const START: Millis = 1_000_000;

fn fold() -> Fold {
    Fold::new(1, Source::default(), History::default(), START)
}

fn sample(at_ms: Millis, committed: i64, end: i64, owner: Option<&str>) -> Sampled {
    let offsets = Some(PartitionOffsets {
        committed_offset: Some(committed),
        log_start_offset: 0,
        log_end_offset: end,
        high_watermark: Some(end),
    });
    let count = usize::try_from(PARTITIONS).unwrap();
    let group = Group {
        state: "Stable".into(),
        owners: vec![vec![owner.map(String::from); count]; 2],
        members: Vec::new(),
    };
    let sample = Sample {
        sampled_ms: at_ms,
        topics: joined(),
        offsets: vec![vec![offsets; count]; 2],
        doubts: Vec::new(),
        group: Some(group),
    };
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
        message: None,
    }
}

fn cluster(desired: u32, pods: Vec<Pod>) -> Cluster {
    Cluster {
        pods,
        desired,
        revision: 1,
        capacity: 2_000,
        policy: Policy::on_lag_of(["GAME-FRAME-RQ", "GAME-FRAME-RS"]),
        ..Cluster::default()
    }
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

/// A story in which every field of the picture is set, changes, and becomes unknown again where it can.
fn tell_all(fold: &mut Fold, mut see: impl FnMut(&Fold, Tick)) {
    type Step = Box<dyn FnMut(&mut Fold) -> Tick>;
    let now = START;
    let mut steps: Vec<Step> = vec![
        Box::new(move |fold| fold.source(now, Source { kafka: "Kafka 4.3".into(), ..Source::default() })),
        Box::new(move |fold| fold.cluster(now, cluster(1, vec![pod("kstreams-a", 0, Phase::Ready, now)]))),
        Box::new(move |fold| fold.load(now, LoadSettings::default())),
        Box::new(move |fold| {
            let mut letters = DeadLetters::default();
            letters.add(crate::dead_letters::DeadLetter::default());
            fold.dead_letters(now, letters)
        }),
        Box::new(move |fold| fold.clocks(now, Clocks(vec![Apart { whose: Whose::Generator, by_ms: 8_000 }]))),
        Box::new(move |fold| fold.clocks(now, Clocks::default())),
        Box::new(move |fold| fold.players(now, Players { count: 3, ..Players::default() })),
        Box::new(move |fold| {
            let progress = Progress { what: "Reset".into(), step: "waiting".into(), number: 1, of: 5 };
            fold.progress(now, Some(progress))
        }),
        Box::new(move |fold| fold.sampled(now + 500, &sample(now + 500, 10, 30, Some("kstreams-a")))),
        Box::new(move |fold| fold.sampled(now + 1_000, &sample(now + 1_000, 20, 60, Some("kstreams-a")))),
        Box::new(move |fold| fold.second(now + 1_100).0),
        Box::new(move |fold| {
            let outage = Some(Outage { since_ms: now + 1_200, reason: "refused".into() });
            fold.sampled(now + 1_200, &Sampled { sample: None, outage })
        }),
        Box::new(move |fold| {
            fold.cluster_outage(now + 1_300, Some(Outage { since_ms: now, reason: "refused".into() }))
        }),
        Box::new(move |fold| fold.reset(now + 1_400)),
        Box::new(move |fold| fold.second(now + 1_500).0),
        Box::new(move |fold| fold.progress(now + 1_600, None)),
        Box::new(move |fold| fold.cluster_outage(now + 1_700, None)),
        Box::new(move |fold| fold.sampled(now + 1_800, &sample(now + 1_800, 70, 70, Some("kstreams-b")))),
        Box::new(move |fold| fold.sampled(now + 2_000, &sample(now + 2_000, 70, 80, Some("kstreams-b")))),
        Box::new(move |fold| fold.second(now + 2_100).0),
    ];
    for step in &mut steps {
        let tick = step(fold);
        see(fold, tick);
    }
}

#[test]
fn every_field_of_the_picture_reaches_the_page() {
    let mut fold = fold();
    let mut page = fold.picture().clone();
    let mut carried: Vec<Part> = Vec::new();
    tell_all(&mut fold, |fold, tick| {
        carried.extend(tick.parts());
        page.apply(serde_json::from_str(&serde_json::to_string(&tick).unwrap()).unwrap());
        assert_eq!(&page, fold.picture());
    });
    carried.sort_unstable();
    carried.dedup();
    assert_eq!(carried, Part::ALL, "a part that the story does not touch is not tested");
    let mut pages = vec![Fold::new(1, Source::default(), History::default(), START).picture().clone()];
    let mut again = Fold::new(1, Source::default(), History::default(), START);
    tell_all(&mut again, |fold, _| pages.push(fold.picture().clone()));
    for mut page in pages {
        page.apply(again.since(page.snapshot.at_ms));
        assert_eq!(&page, again.picture());
    }
}

#[test]
fn rates_are_unknown_again_after_a_reset_on_every_page() {
    let mut fold = fold();
    let mut page = fold.picture().clone();
    let mut unknown = Vec::new();
    tell_all(&mut fold, |fold, tick| {
        page.apply(serde_json::from_str(&serde_json::to_string(&tick).unwrap()).unwrap());
        assert_eq!(page.snapshot.rates, fold.picture().snapshot.rates);
        unknown.extend(tick.rates.map(|rates| rates.is_none()));
    });
    assert_eq!(unknown, [false, true, false]);
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
        let tick = fold.players(now, Players::default());
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
    assert_eq!(point.lag, [Some(240), Some(240)]);
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
    assert_eq!(events(&fold), [], "the first observation is no event");

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
    let owner = |fold: &Fold| fold.picture().snapshot.ownership.clone().unwrap().tasks[3].clone();
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

/// The pairs that nobody works on.
fn idle(fold: &Fold) -> Vec<usize> {
    let owners = fold.picture().snapshot.ownership.clone().unwrap().tasks;
    (0..owners.len()).filter(|&partition| owners[partition].idle_since_ms.is_some()).collect()
}

#[test]
fn a_pod_that_waits_for_one_partition_is_not_told_as_idle_in_the_others() {
    let mut fold = fold();
    let waiting = |since_ms| cluster(1, vec![pod("kstreams-a", 0, Phase::Starting, since_ms)]);
    let mut now = START;
    fold.cluster(now, waiting(now));
    for n in 1..=8 {
        now = START + n * 250;
        let mut sampled = sample(now, 10 * i64::try_from(n).unwrap(), 1_000, Some("kstreams-a"));
        let sample = sampled.sample.as_mut().unwrap();
        let stuck = PartitionOffsets { log_end_offset: 1_000, ..PartitionOffsets::default() };
        let done = PartitionOffsets { committed_offset: Some(7), log_end_offset: 7, ..stuck };
        for half in &mut sample.offsets {
            half.extend([Some(stuck), Some(done)]);
        }
        for owners in &mut sample.group.as_mut().unwrap().owners {
            owners.resize(14, Some("kstreams-a".into()));
        }
        fold.sampled(now, &sampled);
        // What a process that died had committed may be seen for another moment.
        let expected = if n <= 2 { (0..14).collect() } else { vec![12] };
        assert_eq!(idle(&fold), expected, "after {n} samples");
    }
    assert_eq!(fold.picture().snapshot.lag.as_ref().unwrap().task(12), Some(2_000));
    fold.cluster(now + 10, cluster(1, vec![pod("kstreams-a", 0, Phase::Ready, now + 10)]));
    assert_eq!(idle(&fold), Vec::<usize>::new());
}

#[test]
fn a_partition_that_was_added_is_nobodys_until_the_group_has_shared_it_out() {
    let mut fold = fold();
    fold.cluster(START, cluster(1, vec![pod("kstreams-a", 0, Phase::Ready, START)]));
    let mut sampled = sample(START + 250, 10, 30, Some("kstreams-a"));
    fold.sampled(START + 250, &sampled);
    let grown = sampled.sample.as_mut().unwrap();
    grown.sampled_ms += 250;
    let first = grown.offsets[0][0];
    grown.offsets[0].push(first);
    fold.sampled(START + 500, &sampled);
    assert_eq!(idle(&fold), [12]);
    let lag = fold.picture().snapshot.lag.clone().unwrap();
    assert_eq!((lag.total(0), lag.total(1)), (Some(260), Some(240)));
    assert_eq!((lag.task(12), lag.only(12)), (Some(20), vec![0]));
}

#[test]
fn a_member_that_is_no_pod_is_named_once_the_cluster_has_had_its_time() {
    let mut fold = fold();
    let others = |fold: &Fold| fold.picture().snapshot.ownership.clone().unwrap().others;
    let with = |at_ms| {
        let mut sampled = sample(at_ms, 0, 0, None);
        let member = |name: &str, requests, responses| crate::lag::Member {
            client_id: name.into(),
            host: "127.0.0.1".into(),
            partitions: vec![requests, responses],
        };
        sampled.sample.as_mut().unwrap().group.as_mut().unwrap().members =
            vec![member("kstreams-dead", 3, 3), member("other-app", 6, 0), member("watcher", 0, 0)];
        sampled
    };
    fold.cluster(START, cluster(1, vec![pod("kstreams-dead", 0, Phase::Ready, START)]));
    fold.cluster(START + 10, cluster(1, vec![pod("kstreams-a", 1, Phase::Ready, START)]));
    fold.sampled(START + 250, &with(START + 250));
    assert_eq!(others(&fold), []);
    fold.sampled(START + 2_250, &with(START + 2_250));
    let other = &others(&fold)[0];
    let (group, deployment) = ("KINGOFSCALING-APP".into(), "kstreams".into());
    let source = Source { group, deployment, ..Source::default() };
    assert_eq!(
        other.sentence(&source),
        "`other-app` (from 127.0.0.1) is a member of KINGOFSCALING-APP and owns 6 partitions: it is not a pod of kstreams"
    );
    assert_eq!(others(&fold).len(), 1, "a pod that died and a member without partitions are no strangers");
    fold.sampled(START + 2_500, &sample(START + 2_500, 0, 0, None));
    assert_eq!(others(&fold), []);
}

#[test]
fn owners_that_nobody_confirms_any_more_are_told_as_unknown() {
    let mut fold = fold();
    let state = |fold: &Fold| fold.picture().snapshot.ownership.clone().unwrap().state;
    fold.sampled(START + 250, &sample(START + 250, 0, 0, Some("kstreams-a")));
    assert_eq!(state(&fold), "Stable");
    let mut unconfirmed = sample(START + 500, 0, 0, None);
    unconfirmed.sample.as_mut().unwrap().group = None;
    fold.sampled(START + 500, &unconfirmed);
    assert_eq!(state(&fold), "Unknown");
    fold.cluster(START + 600, cluster(0, Vec::new()));
    assert_eq!(state(&fold), "Unknown", "the cluster does not know better");
    fold.sampled(START + 750, &sample(START + 750, 0, 0, Some("kstreams-a")));
    assert_eq!(state(&fold), "Stable");
}

#[test]
fn what_a_sampler_found_special_is_in_the_picture_beside_the_figures() {
    let mut fold = fold();
    let mut sampled = sample(START + 250, 10, 30, None);
    let special = sampled.sample.as_mut().unwrap();
    let of = |topic, partition| TopicPartition { topic, partition };
    let held = Doubt::Held { records: 882, since_ms: START };
    special.offsets[0][1].as_mut().unwrap().committed_offset = None;
    special.offsets[0][2].as_mut().unwrap().committed_offset = Some(10_000_000);
    special.offsets[0][3] = None;
    special.doubts = vec![(of(0, 1), Doubt::Gone), (of(0, 3), Doubt::NoLeader), (of(1, 3), held)];
    fold.sampled(START + 250, &sampled);
    let lag = fold.picture().snapshot.lag.clone().unwrap();
    let doubts = |partition| lag.doubts(partition).map(|(_, doubt)| doubt).collect::<Vec<_>>();
    assert_eq!((doubts(1), doubts(2)), (vec![Doubt::Gone], vec![Doubt::Ahead]));
    assert_eq!(doubts(3), [Doubt::NoLeader, held]);
    assert_eq!(
        (lag.partitions[0][1], lag.partitions[0][2], lag.partitions[0][3]),
        (Some(30), Some(30), None)
    );
    assert_eq!(lag.unknown(0).unwrap(), "no leader for GAME-FRAME-RQ 3");
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

#[test]
fn where_partitions_are_single_each_keeps_what_is_known_of_it_when_another_is_added() {
    let mut fold = fold();
    fold.cluster(START, cluster(1, vec![pod("kstreams-a", 0, Phase::Ready, START)]));
    let at = |at_ms, counts: [usize; 2], owner_of_last: Option<&str>| {
        let mut sampled = sample(at_ms, 10, 30, Some("kstreams-a"));
        let sample = sampled.sample.as_mut().unwrap();
        sample.topics = Arc::new(Topics { tasks: Tasks::Single, ..Topics::clone(&joined()) });
        let owners = &mut sample.group.as_mut().unwrap().owners;
        for (topic, count) in counts.into_iter().enumerate() {
            sample.offsets[topic].truncate(count);
            owners[topic].truncate(count);
        }
        *owners[1].last_mut().unwrap() = owner_of_last.map(String::from);
        sampled
    };
    fold.sampled(START + 250, &at(START + 250, [2, 2], None));
    let tasks = |fold: &Fold| fold.picture().snapshot.ownership.clone().unwrap().tasks;
    let before = tasks(&fold);
    assert_eq!(
        before.iter().map(|owner| owner.idle_since_ms.is_some()).collect::<Vec<_>>(),
        [false, false, false, true]
    );
    fold.sampled(START + 2_250, &at(START + 2_250, [3, 2], None));
    let after = tasks(&fold);
    assert_eq!((after.len(), &after[4]), (5, &before[3]), "the hole is as old as before");
    assert_eq!(events(&fold), [], "nothing has changed hands");
    fold.sampled(START + 3_250, &at(START + 3_250, [3, 2], Some("kstreams-a")));
    let handover = tasks(&fold)[4].handover.unwrap();
    assert_eq!(handover.took_ms, 3_000);
    assert!(tasks(&fold)[..4].iter().all(|owner| owner.handover.is_none()));
}
