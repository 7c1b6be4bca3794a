use std::sync::atomic::Ordering;

use model::clocks::{Apart, Whose};
use model::load::LoadSettings;
use model::play::{Stage as TapStage, TapAnswer};
use phone_game::Returned;
use workload::avro::Codec;
use workload::{FrameHeader, Machine, Zone};

use super::*;
use crate::play;
use crate::testing::{Stage, Visitor, pod, stage, text};

fn snapshot(stage: &Stage) -> Snapshot {
    stage.server.hub.look(|picture| picture.snapshot.clone())
}

async fn phase(stage: &Stage, phase: Phase) {
    stage.pass(10);
    let mut cluster = stage.cluster.borrow().clone().unwrap();
    cluster.pods[0] = pod("kstreams-a", phase);
    stage.cluster.send_replace(Some(cluster));
    stage.settle().await;
}

/// Taps, and lets the tap come back; the pod that hurt it.
async fn hurt_by(stage: &Stage, phone: &Visitor, meanwhile: impl AsyncFnOnce()) -> Option<String> {
    stage.pass(1_000);
    let answer = text(stage.call(phone, "tap", r#"{"key":"X","direction":null}"#).await).await;
    let TapAnswer::Sent(tap) = serde_json::from_str(&answer).unwrap() else { panic!("{answer}") };
    meanwhile().await;
    let cookie = phone.cookie.clone().unwrap().parse().unwrap();
    let machine =
        stage.server.access.player(&[(http::header::COOKIE, cookie)].into_iter().collect()).unwrap().machine;
    let returned = Returned {
        partition: tap.partition,
        rq_offset: 99 + i64::from(tap.number),
        pod: "kstreams-b".into(),
        joined_at_ms: 0,
    };
    let now_ms = stage.pass(50);
    stage.server.game().returned(now_ms, machine, returned);
    let taps = stage.server.game().phone(now_ms, machine, 0).unwrap().taps;
    match taps.into_iter().find(|known| known.number == tap.number).unwrap().stage {
        TapStage::Counted { hurt, .. } => hurt,
        TapStage::Waiting { .. } | TapStage::PutAside { .. } => panic!("not counted"),
    }
}

#[tokio::test]
async fn the_load_is_unknown_until_the_control_topic_was_read() {
    let stage = stage();
    stage.settle().await;
    assert_eq!(snapshot(&stage).load, None);
    stage.control.send_replace(Control { caught_up: true, ..Control::default() });
    stage.settle().await;
    assert_eq!(snapshot(&stage).load, Some(LoadSettings::default()));
}

#[tokio::test]
async fn dead_letters_are_unknown_until_their_log_was_read() {
    let stage = stage();
    stage.settle().await;
    assert_eq!(snapshot(&stage).dead_letters, None);
    let letters = DeadLetters { count: 3, ..DeadLetters::default() };
    stage.dead_letters.send_replace(Some(letters.clone()));
    stage.settle().await;
    assert_eq!(snapshot(&stage).dead_letters, Some(letters));
}

#[tokio::test(start_paused = true)]
async fn clocks_that_disagree_are_told_and_forgotten_when_they_agree_again() {
    let stage = stage();
    let codec = Codec::single_object();
    let look = |by_ms: i64, pod_by_ms: u64| {
        let now_ms = stage.now.load(Ordering::Relaxed);
        let ts = i64::try_from(now_ms).unwrap() + by_ms;
        let key =
            codec.encode_header(&FrameHeader { ts, machine: Machine::new(42).unwrap(), zone: Zone::EU });
        let joined = Some(("kstreams-a", now_ms + pod_by_ms));
        play::look_at_clocks(&mut stage.clocks.lock().unwrap(), now_ms, &codec, &key, joined);
    };
    let told_after_a_second = async || {
        stage.pass(1_000);
        tokio::time::advance(Duration::from_secs(1)).await;
        stage.settle().await;
        snapshot(&stage).clocks.0
    };
    stage.settle().await;
    look(500, 0);
    assert_eq!(told_after_a_second().await, []);
    look(8_000, 3_000);
    let generator = Apart { whose: Whose::Generator, by_ms: 8_000 };
    let pod = Apart { whose: Whose::Pod("kstreams-a".into()), by_ms: 3_000 };
    assert_eq!(told_after_a_second().await, [generator, pod]);
    for _ in 0..9 {
        told_after_a_second().await;
    }
    assert_eq!(told_after_a_second().await, []);
}

#[tokio::test]
async fn a_note_is_folded_at_once() {
    let stage = stage();
    let source = Source { kafka: "Kafka 4.3".into(), cluster: "local pods".into(), ..Source::default() };
    stage.notes.send(Note::Source(source.clone())).await;
    stage.settle().await;
    assert_eq!(snapshot(&stage).source, source);
}

#[tokio::test]
async fn a_tap_that_waits_on_a_crashed_pods_partition_says_so_until_it_is_up_again() {
    let stage = stage();
    stage.pods(&["kstreams-a"]).await;
    stage.sample(0, 100).await;
    let phone = stage.player(0).await;
    assert_eq!(hurt_by(&stage, &phone, async || ()).await, None);
    let crash = async || phase(&stage, Phase::Crashed { retry_ms: None }).await;
    assert_eq!(hurt_by(&stage, &phone, crash).await, Some("a".to_owned()), "it waited when the pod died");
    assert_eq!(
        hurt_by(&stage, &phone, async || ()).await,
        Some("a".to_owned()),
        "it came while the pod was dead"
    );
    phase(&stage, Phase::Ready).await;
    stage.sample(10, 110).await;
    assert_eq!(hurt_by(&stage, &phone, async || ()).await, None);
}
