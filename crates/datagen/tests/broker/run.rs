//! Runs that the command line gives: they end by themselves, and a seed replays them.

use std::collections::HashSet;

use game::avro;
use kafka::rdkafka::message::{Message, OwnedMessage};

use crate::fixture::Topics;

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
