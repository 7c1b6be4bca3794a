//! What operators do to topics and commits while pods work: each record counts once all the same, and a pod says what
//! it does.

use std::time::{Duration, Instant};

use kafka::client;
use kafka::rdkafka::ClientConfig;
use kafka::rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use kafka::rdkafka::client::DefaultClientContext;
use kafka::rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, StreamConsumer};
use kafka::rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use kafka::rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use workload::{FrameHeader, Hit, Zone, avro};

use crate::fixture::{App, LIMIT, Pod, Sessions, now_ms, within};

const INPUTS: [&str; 2] = ["rq", "rs"];

fn admin(app: &App) -> AdminClient<DefaultClientContext> {
    client::base(&app.brokers, "test-admin").create().unwrap()
}

fn group(app: &App) -> BaseConsumer {
    let mut config: ClientConfig = client::base(&app.brokers, "test-offsets");
    config.set("group.id", &app.name).set("enable.auto.commit", "false").create().unwrap()
}

fn partitions(app: &App, partition: i32, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for noun in INPUTS {
        list.add_partition_offset(&app.topic(noun), partition, offset).unwrap();
    }
    list
}

/// Commits for both inputs of a partition, as somebody else would. The group must be empty.
async fn commit(app: &App, partition: i32, offset: i64) {
    let list = partitions(app, partition, Offset::Offset(offset));
    within("an empty group", async {
        while group(app).commit(&list, CommitMode::Sync).is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn committed(app: &App, partition: i32) -> Vec<Offset> {
    let list = partitions(app, partition, Offset::Invalid);
    let answer = group(app).committed_offsets(list, LIMIT).unwrap();
    answer.elements().iter().map(|element| element.offset()).collect()
}

/// One frame of the machine that [`App::machine`] gives; the session that it belongs to has so many frames then.
async fn frame(app: &App, sessions: &Sessions, partition: u32, frames: u32) {
    let offset = app.frame(app.machine(partition, 0), now_ms()).await;
    let written = sessions.update().await;
    assert_eq!((written.rq_offset, written.session.frames), (offset, frames));
}

async fn corrected(pod: &Pod, app: &App, noun: &str, partition: u32, reason: &str) -> u64 {
    let topic = app.topic(noun);
    let labels = format!("topic=\"{topic}\",partition=\"{partition}\",reason=\"{reason}\"");
    pod.metric(&format!("streams_positions_corrected_total{{{labels}}}")).await
}

/// A pod counts three frames of partition 1 and ends.
async fn three_frames_were_counted() -> (App, Sessions) {
    let app = App::new().await;
    let sessions = app.sessions();
    let pod = app.pod("kstreams-a", &[]).await;
    for frames in 1..=3 {
        frame(&app, &sessions, 1, frames).await;
    }
    pod.terminate();
    pod.ended().await;
    (app, sessions)
}

/// Three frames are counted; then something happens to the group's commits, and another pod goes on.
async fn goes_on_after(meanwhile: impl AsyncFnOnce(&App), reason: &str) {
    let (app, sessions) = three_frames_were_counted().await;
    meanwhile(&app).await;
    let pod = app.pod("kstreams-b", &[]).await;
    for frames in 4..=6 {
        frame(&app, &sessions, 1, frames).await;
    }
    for noun in INPUTS {
        assert_eq!(corrected(&pod, &app, noun, 1, reason).await, 1, "{noun}");
    }
    pod.until("streams_requests_total", |requests| requests == 3).await;
    assert_eq!(pod.metric("streams_duplicates_total").await, 0, "nothing was read a second time");
    pod.terminate();
    pod.ended().await;
    assert_eq!(committed(&app, 1), [Offset::Offset(6); 2]);
    app.delete([]).await;
}

#[tokio::test]
async fn a_commit_beyond_the_end_passes_over_no_record() {
    goes_on_after(async |app| commit(app, 1, 10_000_000).await, "foreign_commit").await;
}

#[tokio::test]
async fn a_commit_that_was_set_back_repeats_no_record() {
    goes_on_after(async |app| commit(app, 1, 0).await, "foreign_commit").await;
}

#[tokio::test]
async fn commits_that_are_gone_repeat_no_record() {
    let delete = async |app: &App| {
        within("an empty group", async {
            let options = AdminOptions::new();
            while admin(app).delete_groups(&[&app.name], &options).await.unwrap().iter().any(Result::is_err) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    };
    goes_on_after(delete, "commit_gone").await;
}

#[tokio::test]
async fn a_pod_without_state_takes_a_commit_beyond_the_end_for_none() {
    let app = App::new().await;
    let sessions = app.sessions();
    commit(&app, 2, 10_000_000).await;
    let offset = app.frame(app.machine(2, 0), now_ms()).await;
    let pod = app.pod("kstreams-a", &[]).await;
    assert_eq!(sessions.update().await.rq_offset, offset);
    for noun in INPUTS {
        assert_eq!(corrected(&pod, &app, noun, 2, "beyond_end").await, 1, "{noun}");
    }
    app.delete([pod]).await;
}

async fn make_anew(app: &App, noun: &str) {
    let (admin, name, options) = (admin(app), app.topic(noun), AdminOptions::new());
    admin.delete_topics(&[&name], &options).await.unwrap();
    within("a new topic", async {
        let new = NewTopic::new(&name, 4, TopicReplication::Fixed(1));
        while admin.create_topics([&new], &options).await.unwrap().iter().any(Result::is_err) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_input_that_is_made_anew_is_read_from_its_beginning() {
    let app = App::new().await;
    let sessions = app.sessions();
    let pod = app.pod("kstreams-a", &[]).await;
    for frames in 1..=5 {
        frame(&app, &sessions, 1, frames).await;
    }
    make_anew(&app, "rq").await;
    // Fewer records than before, and later more.
    for frames in 6..=12 {
        let offset = app.frame(app.machine(1, 0), now_ms()).await;
        let written = sessions.update().await;
        assert_eq!((offset, written.session.frames), (i64::from(frames) - 6, frames));
    }
    app.delete([pod]).await;
}

#[tokio::test]
async fn a_late_commit_of_ours_does_not_pass_over_the_records_of_an_input_that_was_made_anew() {
    let (app, sessions) = three_frames_were_counted().await;
    let ours = group(&app).committed_offsets(partitions(&app, 1, Offset::Invalid), LIMIT).unwrap();
    make_anew(&app, "rq").await;
    for _ in 0..5 {
        app.frame(app.machine(1, 0), now_ms()).await;
    }
    // A pod that has not noticed commits where it stands in both inputs, with its mark.
    within("an empty group", async {
        while group(&app).commit(&ours, CommitMode::Sync).is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(committed(&app, 1), [Offset::Offset(3); 2], "the new topic has the old commit");
    let pod = app.pod("kstreams-b", &[]).await;
    within("all frames", async {
        loop {
            let written = sessions.update().await;
            assert_eq!(written.rq_offset, i64::from(written.session.frames) - 4, "none was passed over");
            if written.session.frames == 8 {
                break;
            }
        }
    })
    .await;
    assert_eq!(corrected(&pod, &app, "rq", 1, "other_log").await, 1);
    assert_eq!(corrected(&pod, &app, "rs", 1, "other_log").await, 0);
    app.delete([pod]).await;
}

/// Somebody else's transaction, with a record in the requests of a partition.
fn open_transaction(app: &App, partition: i32) -> BaseProducer {
    let mut config = client::base(&app.brokers, "test-foreign");
    config.remove("allow.auto.create.topics");
    let foreign: BaseProducer = config
        .set("transactional.id", format!("{}-foreign", app.name))
        .set("transaction.timeout.ms", "60000")
        .create()
        .unwrap();
    foreign.init_transactions(LIMIT).unwrap();
    foreign.begin_transaction().unwrap();
    let topic = app.topic("rq");
    let record: BaseRecord<'_, str, str> = BaseRecord::to(&topic).partition(partition).key("k").payload("v");
    foreign.send(record).unwrap();
    foreign.flush(LIMIT).unwrap();
    foreign
}

#[tokio::test]
async fn a_log_that_ends_with_an_aborted_transaction_leaves_no_lag() {
    let (app, sessions) = three_frames_were_counted().await;
    let pod = app.pod("kstreams-b", &[]).await;
    frame(&app, &sessions, 1, 4).await;
    open_transaction(&app, 1).abort_transaction(LIMIT).unwrap();
    // Four requests, the record that was aborted, and what ended its transaction.
    within("its commit", async {
        while committed(&app, 1) != [Offset::Offset(6), Offset::Offset(4)] {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // A pod that begins there reads what comes.
    pod.terminate();
    pod.ended().await;
    let pod = app.pod("kstreams-c", &[]).await;
    frame(&app, &sessions, 1, 5).await;
    assert_eq!(corrected(&pod, &app, "rq", 1, "other_log").await, 0);
    app.delete([pod]).await;
}

#[tokio::test]
async fn nothing_expires_while_an_open_transaction_holds_its_other_half_back() {
    let app = App::new().await;
    let sessions = app.sessions();
    let pod = app.pod("kstreams-a", &[]).await;
    frame(&app, &sessions, 3, 1).await;
    let foreign = open_transaction(&app, 3);
    let mut last = 0;
    for _ in 0..4 {
        last = app.frame(app.machine(3, 0), now_ms()).await;
    }
    pod.until("streams_records_held_by_transactions", |held| held == 5).await;
    // An input that is idle would be given up after five seconds.
    let (held, mut looks) = (Instant::now(), 0);
    while held.elapsed() < Duration::from_secs(8) {
        assert_eq!(pod.metric("streams_expired_total{topic=\"GAME-FRAME-RS\"}").await, 0);
        looks += 1;
    }
    assert!(looks > 10);
    foreign.abort_transaction(LIMIT).unwrap();
    within("all frames", async { while sessions.update().await.rq_offset < last {} }).await;
    pod.until("streams_records_held_by_transactions", |held| held == 0).await;
    pod.until("streams_joined_total", |joined| joined == 5).await;
    app.delete([pod]).await;
}

#[tokio::test]
async fn partitions_that_are_added_are_worked_on_and_our_topics_grow_with_them() {
    let app = App::new().await;
    let sessions = app.sessions();
    let pod = app.pod("kstreams-a", &[]).await;
    frame(&app, &sessions, 1, 1).await;
    let (rq, rs) = (app.topic("rq"), app.topic("rs"));
    let more = [NewPartitions::new(&rq, 5), NewPartitions::new(&rs, 5)];
    for result in admin(&app).create_partitions(&more, &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
    pod.until("streams_tasks", |tasks| tasks == 5).await;
    let (machine, ts) = (app.machine(0, 0), now_ms());
    let key = avro::encode_header(&FrameHeader { ts, machine, zone: Zone::EU });
    let hits = [Hit::from_hex("c3ff8ab13000e9c5").unwrap()];
    // A producer of its own: the other one has yet to hear that there are more.
    let producer: BaseProducer = client::producer(&app.brokers, "test-more").create().unwrap();
    for (topic, approval) in [(&rq, false), (&rs, true)] {
        let value = avro::encode_body(approval, &hits);
        let record = BaseRecord::to(topic).partition(4).key(&key).payload(&value).timestamp(ts);
        producer.send(record).map_err(|(problem, _)| problem).unwrap();
    }
    producer.flush(LIMIT).unwrap();
    pod.until("streams_joined_total", |joined| joined == 2).await;
    within("its commit", async {
        while committed(&app, 4) != [Offset::Offset(1); 2] {
            tokio::task::yield_now().await;
        }
    })
    .await;
    frame(&app, &sessions, 1, 2).await;
    pod.ready().await;
    app.delete([pod]).await;
}

#[tokio::test]
async fn a_changelog_that_refuses_its_records_makes_a_pod_unready_and_costs_no_record() {
    let app = App::new().await;
    let sessions = app.sessions();
    let pod = app.pod("kstreams-a", &[]).await;
    frame(&app, &sessions, 1, 1).await;
    pod.ready().await;
    let changelog = app.topic("CHANGELOG");
    let limit = async |bytes| {
        let config = AlterConfig::new(ResourceSpecifier::Topic(&changelog)).set("max.message.bytes", bytes);
        admin(&app).alter_configs([&config], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    };
    // The marker that ends a transaction still fits.
    limit("100").await;
    // The broker takes its time to apply that.
    let mut last = 0;
    within("transactions that fail", async {
        while pod.metric("streams_failed_commits_total").await < 2 {
            last = app.frame(app.machine(1, 0), now_ms()).await;
        }
    })
    .await;
    within("not ready", async { while pod.get("/readyz").await.starts_with("HTTP/1.1 200") {} }).await;
    limit("1048588").await;
    let frames = within("all frames", async {
        loop {
            let written = sessions.update().await;
            if written.rq_offset == last {
                return written.session.frames;
            }
        }
    })
    .await;
    assert_eq!(i64::from(frames), last + 1);
    pod.ready().await;
    app.delete([pod]).await;
}

#[tokio::test]
async fn what_another_application_in_the_group_reads_is_not_lost() {
    let app = App::new().await;
    let sessions = app.sessions();
    let pod = app.pod("kstreams-a", &[]).await;
    for partition in 0..4 {
        frame(&app, &sessions, partition, 1).await;
    }
    let mut config = client::pod_consumer(&app.brokers, "other", &app.name, client::Membership::Consumer);
    config
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "50")
        .set("enable.auto.offset.store", "true");
    let other: StreamConsumer = config.create().unwrap();
    other.subscribe(&[&app.topic("rq")]).unwrap();
    let mut read = 0;
    let mut sent = Vec::new();
    within("records for the other one", async {
        while read < 4 {
            let frames = (0..4).map(|partition| app.frame(app.machine(partition, 0), now_ms()));
            sent.push(futures::future::join_all(frames).await);
            while let Ok(Ok(_)) = tokio::time::timeout(Duration::from_millis(100), other.recv()).await {
                read += 1;
            }
        }
    })
    .await;
    drop(other);
    pod.until("streams_tasks", |tasks| tasks == 4).await;
    pod.until("streams_joined_total", |joined| joined == 4 + 4 * sent.len() as u64).await;
    app.delete([pod]).await;
}
