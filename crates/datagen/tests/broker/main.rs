//! The load as a process, against a real broker, whose address is in `KING_TEST_KAFKA`; `cargo xtask test` sets it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so best by panicking")]

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use game::{FrameHeader, Machine, avro};
use kafka::control::ControlWriter;
use kafka::rdkafka::admin::{AdminClient, AdminOptions};
use kafka::rdkafka::client::DefaultClientContext;
use kafka::rdkafka::consumer::{Consumer, StreamConsumer};
use kafka::rdkafka::message::Message;
use kafka::rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use kafka::topics::Topic;
use kafka::{Brokers, client, topics};
use model::load::{Burst, HotPartition, LoadSettings};
use tokio::process::Child;

const LIMIT: Duration = Duration::from_secs(20);
static NAMES: AtomicU32 = AtomicU32::new(0);

/// Topics of our own with a generator that fills them.
struct Load {
    brokers: Brokers,
    name: String,
    control: ControlWriter,
    datagen: Child,
    consumer: StreamConsumer,
}

/// A frame as it arrived.
struct Arrived {
    is_request: bool,
    partition: u32,
    header: FrameHeader,
    timestamp: i64,
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

impl Load {
    async fn start(settings: &LoadSettings) -> Self {
        let brokers: Brokers = std::env::var("KING_TEST_KAFKA")
            .expect("these tests need a Kafka in KING_TEST_KAFKA: run `cargo xtask test`, which starts one")
            .parse()
            .unwrap();
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-datagen-{}-{}-{number}", std::process::id(), now_ms());
        let [requests, responses, control] = ["rq", "rs", "control"].map(|noun| format!("{name}-{noun}"));
        let made = [Topic::records(&requests), Topic::records(&responses), Topic::control(&control)];
        topics::ensure(&brokers, &made).await.unwrap();
        let writer = ControlWriter::with_topic(&brokers, "test", &control).unwrap();
        writer.set_load(settings).await.unwrap();
        let datagen = Command::new(env!("CARGO_BIN_EXE_datagen"));
        let datagen = tokio::process::Command::from(datagen)
            .args(["--kafka", brokers.as_str(), "--requests", &requests, "--responses", &responses])
            .args(["--control", &control])
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let consumer = read(&brokers, &[requests, responses]);
        Self { brokers, name, control: writer, datagen, consumer }
    }

    async fn next(&self) -> Arrived {
        let message = tokio::time::timeout(LIMIT, self.consumer.recv()).await.unwrap().unwrap();
        let header = avro::decode_header(message.key().unwrap()).unwrap();
        let is_request = message.topic().ends_with("-rq");
        let body = avro::decode_body(message.payload().unwrap()).unwrap();
        assert_eq!((body.approval, body.bad_hits), (Some(!is_request), 0));
        let partition = u32::try_from(message.partition()).unwrap();
        assert_eq!(partition, header.machine.partition(model::PARTITIONS));
        Arrived { is_request, partition, header, timestamp: message.timestamp().to_millis().unwrap() }
    }

    /// The requests of so many milliseconds, from soon on.
    async fn requests_of(&self, milliseconds: i64) -> Vec<Arrived> {
        let begin = i64::try_from(now_ms()).unwrap() + 300;
        let end = begin + milliseconds;
        let mut requests = Vec::new();
        loop {
            let arrived = self.next().await;
            // Partitions are read one after the other: those that are behind get half a second.
            if arrived.timestamp > end + 500 {
                return requests;
            }
            if arrived.is_request && (begin..end).contains(&arrived.timestamp) {
                requests.push(arrived);
            }
        }
    }

    /// Asks the generator to stop, and takes the topics away.
    async fn stop(mut self) {
        let id = self.datagen.id().unwrap().to_string();
        let asked = Instant::now();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let ended = tokio::time::timeout(LIMIT, self.datagen.wait()).await.unwrap();
        assert!(ended.unwrap().success());
        assert!(asked.elapsed() < Duration::from_secs(2));
        let admin: AdminClient<DefaultClientContext> =
            client::base(&self.brokers, "test-admin").create().unwrap();
        let names = ["rq", "rs", "control"].map(|noun| format!("{}-{noun}", self.name));
        admin.delete_topics(&names.each_ref().map(String::as_str), &AdminOptions::new()).await.unwrap();
    }
}

fn read(brokers: &Brokers, topics: &[String]) -> StreamConsumer {
    let consumer: StreamConsumer = client::reader(brokers, "test")
        .set("group.id", "test")
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for topic in topics {
        for partition in 0..i32::try_from(model::PARTITIONS).unwrap() {
            assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
    }
    consumer.assign(&assignment).unwrap();
    consumer
}

fn base(base: u32) -> LoadSettings {
    LoadSettings { base, ..LoadSettings::default() }
}

#[tokio::test]
async fn the_rate_is_that_of_the_settings_within_two_percent_and_follows_them() {
    let load = Load::start(&base(400)).await;
    load.next().await;
    let requests = load.requests_of(4_000).await.len();
    assert!((1_568..=1_632).contains(&requests), "{requests} in 4 s instead of 1,600");

    let now = now_ms();
    let burst = Burst { factor: 10, from_ms: now, until_ms: now + 60_000 };
    load.control.set_load(&LoadSettings { burst: Some(burst), ..base(400) }).await.unwrap();
    // The window begins a little later: until then the settings have arrived.
    let requests = load.requests_of(4_000).await.len();
    assert!((15_680..=16_320).contains(&requests), "{requests} in 4 s instead of 16,000");
    load.stop().await;
}

#[tokio::test]
async fn frames_are_what_the_specification_says() {
    let load = Load::start(&base(2_000)).await;
    let mut last: HashMap<Machine, i64> = HashMap::new();
    let mut records = [0_u32; 2];
    while records.iter().sum::<u32>() < 10_000 {
        let Arrived { is_request, header, timestamp, .. } = load.next().await;
        records[usize::from(is_request)] += 1;
        assert!(!header.machine.is_player());
        assert_eq!(timestamp, header.ts);
        if is_request {
            assert!(last.insert(header.machine, header.ts).is_none_or(|before| before < header.ts));
        }
    }
    load.stop().await;
}

#[tokio::test]
async fn a_hot_partition_gets_its_share() {
    let hot = Some(HotPartition { partition: 7, percent: 60 });
    let load = Load::start(&LoadSettings { hot, ..base(1_000) }).await;
    let requests = load.requests_of(2_000).await;
    let share = requests.iter().filter(|request| request.partition == 7).count() * 100 / requests.len();
    assert!((55..=65).contains(&share), "{share} percent");
    load.stop().await;
}

#[tokio::test]
async fn a_rate_of_zero_is_a_pause_that_ends() {
    let load = Load::start(&base(0)).await;
    let quiet = tokio::time::timeout(Duration::from_millis(1_500), load.consumer.recv()).await;
    assert!(quiet.is_err(), "nothing is produced");
    load.control.set_load(&base(100)).await.unwrap();
    load.next().await;
    load.stop().await;
}
