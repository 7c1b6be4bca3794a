//! What becomes of records.

use std::collections::{BTreeMap, HashMap};

use workload::{FrameHeader, Hit, Zone, avro};

use crate::fixture::{App, Written, now_ms, within};

#[tokio::test]
async fn a_tap_comes_back_as_a_session_that_says_who_counted_it_when_and_how_far() {
    let app = App::new().await;
    let sessions = app.sessions();
    let pod = app.pod("kstreams-a", &[]).await;
    pod.ready().await;
    let machine = app.machine(2, 0);
    let first = now_ms();
    for (nth, ts) in [(1_u32, first), (2, first + 1)] {
        let sent = now_ms();
        let offset = app.frame(machine, ts).await;
        let written = sessions.next().await;
        assert_eq!(written.key, FrameHeader { ts: first, machine, zone: Zone::EU });
        assert_eq!((written.partition, written.rq_offset, written.pod.as_str()), (2, offset, "kstreams-a"));
        assert!((sent..=now_ms()).contains(&written.joined_at));
        let session = written.session;
        assert_eq!((session.frames, session.count, session.score), (nth, nth, i64::from(nth) * 48));
        assert_eq!((session.start, session.end, session.is_final), (first, ts, false));
    }
    pod.terminate();
    pod.ended().await;
    app.delete([]).await;
}

#[tokio::test]
async fn malformed_records_are_counted_and_never_stop_a_pod() {
    let app = App::new().await;
    let sessions = app.sessions();
    let (machine, ts) = (app.machine(1, 0), now_ms());
    let key = avro::encode_header(&FrameHeader { ts, machine, zone: Zone::AU });
    let value = avro::encode_body(false, &[Hit::from_hex("e3001f00d9b5").unwrap()]);
    for noun in ["rq", "rs"] {
        app.send(noun, 1, b"", b"", ts).await;
        app.send(noun, 1, b"\xc3\x01", &[0xff; 40_000], ts).await;
        app.send(noun, 1, &key, &key, ts).await;
        app.send(noun, 1, &key, &value[..value.len() - 1], ts).await;
        app.send(noun, 1, &key, &value, ts + 3_600_000).await;
    }
    app.send("rs", 1, &key, &value, ts).await;
    app.frame(machine, ts).await;
    let pod = app.pod("kstreams-a", &[]).await;
    assert_eq!(sessions.next().await.session.count, 1);
    let bad = async |reason| pod.metric(&format!("streams_bad_records_total{{reason=\"{reason}\"}}")).await;
    assert_eq!((bad("encoding").await, bad("schema").await, bad("datum").await), (4, 2, 2));
    assert_eq!((bad("time").await, bad("approval").await), (2, 1));
    app.delete([pod]).await;
}

#[tokio::test]
async fn one_fast_clock_makes_nothing_late_that_is_written_at_the_right_time() {
    const PARTITION: u32 = 1;
    let app = App::new().await;
    let (sessions, dead_letters) = (app.sessions(), app.dead_letters());
    let pod = app.pod("kstreams-a", &[]).await;
    pod.ready().await;
    let [stranger, player, laggard] = [0, 1, 2].map(|nth| app.machine(PARTITION, nth));
    app.frame(stranger, now_ms() + 55_000).await;
    assert_eq!(sessions.update().await.key.machine, stranger, "it counts, too");
    let mut offset = 0;
    for frames in 1..=20 {
        offset = app.frame(player, now_ms()).await;
        let written = sessions.update().await;
        assert_eq!((written.key.machine, written.rq_offset), (player, offset));
        assert_eq!(written.session.frames, frames);
    }
    // Behind all of them by more than the grace.
    app.frame(laggard, now_ms() - 10_000).await;
    let mut letters = [dead_letters.next().await, dead_letters.next().await];
    letters.sort();
    for (letter, noun) in letters.iter().zip(["rq", "rs"]) {
        assert_eq!((letter.topic.as_str(), letter.partition), (app.topic(noun).as_str(), PARTITION));
        assert_eq!((letter.offset, letter.reason.as_str()), (offset + 1, "late"));
        let by = letter.error.strip_prefix("its time is ").unwrap();
        let by: f64 = by.split_once(" s behind").unwrap().0.parse().unwrap();
        // Behind the high time, which the fast clock has brought to a second above the pod's at most.
        assert!((7.0..11.5).contains(&by), "{letter:?}");
    }
    for topic in ["GAME-FRAME-RQ", "GAME-FRAME-RS"] {
        let late = format!("streams_late_total{{topic=\"{topic}\",partition=\"{PARTITION}\"}}");
        pod.until(&late, |late| late == 1).await;
    }
    app.delete([pod]).await;
}

#[tokio::test]
async fn a_generator_with_a_fast_clock_makes_no_tap_late_though_the_pods_are_behind() {
    const FRAMES: u32 = 20;
    let app = App::new().await;
    let sessions = app.sessions();
    let (generated, player) = (app.generated(3), app.machine(3, 0));
    // A minute ago: nothing is in the future when it is read.
    let written = now_ms() - 60_000;
    for nth in 0..i64::from(FRAMES) {
        app.frame(generated, written + nth * 100 + 8_000).await;
        app.frame(player, written + nth * 100).await;
    }
    let pod = app.pod("kstreams-a", &[]).await;
    let mut frames = HashMap::new();
    within("all frames", async {
        while frames.values().sum::<u32>() < 2 * FRAMES {
            let written = sessions.next().await;
            frames.insert(written.key.machine, written.session.frames);
        }
    })
    .await;
    assert_eq!(frames, HashMap::from([(generated, FRAMES), (player, FRAMES)]));
    assert!(!pod.get("/metrics").await.contains("streams_late_total{"));
    app.delete([pod]).await;
}

#[tokio::test]
async fn a_session_ends_though_nobody_plays_any_more() {
    let app = App::new().await;
    let sessions = app.sessions();
    let pod = app.pod("kstreams-a", &["--session-gap", "1"]).await;
    app.frame(app.machine(0, 0), now_ms()).await;
    assert!(!sessions.next().await.session.is_final);
    assert!(sessions.next().await.session.is_final);
    pod.until("streams_open_sessions", |open| open == 0).await;
    app.delete([pod]).await;
}

#[tokio::test]
async fn a_request_that_nobody_answers_expires() {
    let app = App::new().await;
    let pod = app.pod("kstreams-a", &[]).await;
    let (machine, ts) = (app.machine(3, 0), now_ms() - 10_000);
    let key = avro::encode_header(&FrameHeader { ts, machine, zone: Zone::US });
    app.send("rq", 3, &key, &avro::encode_body(false, &[]), ts).await;
    app.frame(machine, ts + 3_001).await;
    pod.until("streams_expired_total{topic=\"GAME-FRAME-RQ\"}", |expired| expired == 1).await;
    app.delete([pod]).await;
}

#[tokio::test]
async fn a_limited_pod_keeps_to_its_capacity_and_its_partitions_progress_together() {
    const FRAMES: usize = 750;
    let app = App::new().await;
    let sessions = app.sessions();
    let frames = (0..FRAMES).map(|frame| {
        let machine = app.machine(u32::try_from(frame % 4).unwrap(), frame / 4 % 8);
        let (app, ts) = (app.clone(), now_ms() + i64::try_from(frame).unwrap());
        tokio::spawn(async move { app.frame(machine, ts).await })
    });
    for frame in frames.collect::<Vec<_>>() {
        frame.await.unwrap();
    }
    // 1,500 records, 500 a second.
    let pod = app.pod("kstreams-a", &["--capacity", "500"]).await;
    let mut commits: BTreeMap<i64, Vec<Written>> = BTreeMap::new();
    let mut newest = HashMap::new();
    within("all frames", async {
        while newest.values().sum::<u32>() < u32::try_from(FRAMES).unwrap() {
            let written = sessions.update().await;
            newest.insert((written.partition, written.key), written.session.frames);
            commits.entry(written.joined_at).or_default().push(written);
        }
    })
    .await;
    let mut frames = [0_u32; 4];
    newest.clear();
    for commit in commits.values() {
        for written in commit {
            let before = newest.insert((written.partition, written.key), written.session.frames).unwrap_or(0);
            frames[written.partition as usize] += written.session.frames - before;
        }
        let (least, most) = (frames.iter().min().unwrap(), frames.iter().max().unwrap());
        // The first records to come may be those of one partition. One after the other, they would be 187 apart.
        assert!(most - least <= 110, "{frames:?}");
    }
    let times: Vec<i64> = commits.into_keys().collect();
    let took = times.last().unwrap() - times[0];
    assert!((2_200..4_500).contains(&took), "{took} ms instead of 3 s");
    app.delete([pod]).await;
}
