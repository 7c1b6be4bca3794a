//! Runs that the command line gives: they end by themselves, and a seed replays them.

use std::collections::HashSet;

use kafka::rdkafka::message::{Message, OwnedMessage};
use workload::avro;

use crate::fixture::{Topics, now_ms};

/// A run's logs; it must end well.
async fn logs_of(options: &[&str]) -> Vec<OwnedMessage> {
    let topics = Topics::make().await;
    let ended = topics.datagen(options).wait().await.unwrap();
    assert!(ended.success(), "{options:?}: {ended}");
    let logs = topics.logs().await;
    topics.delete().await;
    logs
}

fn requests(logs: &[OwnedMessage]) -> Vec<&OwnedMessage> {
    logs.iter().filter(|record| record.topic().ends_with("-rq")).collect()
}

/// A record as a reader sees it, but for the topic's name.
#[derive(Debug, PartialEq)]
struct Seen<'a> {
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl<'a> Seen<'a> {
    fn of(record: &'a OwnedMessage) -> Self {
        Self {
            partition: record.partition(),
            offset: record.offset(),
            timestamp: record.timestamp().to_millis(),
            key: record.key(),
            value: record.payload(),
        }
    }
}

fn seen(logs: &[OwnedMessage]) -> Vec<Seen<'_>> {
    logs.iter().map(Seen::of).collect()
}

#[tokio::test]
async fn the_same_seed_and_beginning_give_the_same_logs_byte_by_byte() {
    let options = "--seed 7 --frames 3000 --shape sine --frames-per-second 500 --start-ms 1700000000000";
    let unpaced: Vec<&str> = options.split(' ').chain(["--unpaced"]).collect();
    let first = logs_of(&unpaced).await;
    assert_eq!(requests(&first).len(), 3_000);
    assert_eq!(seen(&first), seen(&logs_of(&unpaced).await));
    let paced: Vec<&str> = options.split(' ').collect();
    assert_eq!(seen(&first), seen(&logs_of(&paced).await), "waiting changes nothing");
    let other: Vec<&str> = unpaced.iter().map(|word| if *word == "7" { "8" } else { word }).collect();
    assert_ne!(seen(&first), seen(&logs_of(&other).await));
}

#[tokio::test]
async fn a_run_ends_by_itself_with_the_frames_that_were_due() {
    let options =
        ["--frames-per-second", "300", "--shape", "ramp", "--seconds", "2", "--start-ms", "1700000000000"];
    let logs = logs_of(&options).await;
    // 300 frames a second, and 35 more with each second.
    assert_eq!(requests(&logs).len(), 670);
    let mut headers = HashSet::new();
    for request in requests(&logs) {
        let header = avro::decode_header(request.key().unwrap()).unwrap();
        assert_eq!(request.timestamp().to_millis(), Some(header.ts));
        assert!((1_700_000_000_001..1_700_000_002_100).contains(&header.ts));
        assert!(headers.insert(header), "a header comes once");
    }
}

#[tokio::test]
async fn a_run_whose_records_are_refused_names_the_cause_and_fails() {
    let topics = Topics::with_responses(&[("max.message.bytes", "70")]).await;
    let (code, said) = topics.run(&["--frames", "300", "--unpaced"]).await;
    let cause = format!("{}: too large for the topic's max.message.bytes", topics.names()[1]);
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains(&format!("and they are lost: {cause}")), "{said}");
    assert!(said.contains("records of this run: ") && !said.contains("deleted"), "{said}");
    let logs = topics.logs().await;
    assert_eq!((requests(&logs).len(), logs.len()), (300, 300), "all requests, and no response");
    topics.delete().await;
}

#[tokio::test]
async fn a_run_from_the_future_says_by_how_much() {
    let topics = Topics::make().await;
    let start = |ahead_ms: u64| (now_ms() + ahead_ms).to_string();
    for (start, is_told) in [(start(30_000), true), (start(0), false)] {
        let (code, said) = topics.run(&["--frames", "1", "--unpaced", "--start-ms", &start]).await;
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(said.contains("ahead of the clock"), is_told, "{said}");
        assert_eq!(said.contains("ahead=29.") || said.contains("ahead=30"), is_told, "{said}");
    }
    assert_eq!(requests(&topics.logs().await).len(), 2);
    topics.delete().await;
}

#[tokio::test]
async fn a_generator_whose_topic_is_deleted_says_so_and_goes_on_with_the_new_one() {
    let topics = Topics::make().await;
    let said = topics.recreate_requests_under(&["--frames-per-second", "2000"]).await;
    let cause = format!("{}: the topic is not there any more", topics.names()[0]);
    assert!(said.contains(&cause), "{said}");
    assert!(!requests(&topics.logs().await).is_empty(), "{said}");
    topics.delete().await;
}
