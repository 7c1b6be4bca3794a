//! Topics of our own, a generator that fills them, and a reader of what arrives.

use std::collections::HashSet;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kafka::control::ControlWriter;
use kafka::rdkafka::admin::{AdminClient, AdminOptions};
use kafka::rdkafka::client::DefaultClientContext;
use kafka::rdkafka::consumer::{Consumer, StreamConsumer};
use kafka::rdkafka::message::{Message, OwnedMessage};
use kafka::rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use kafka::topics::Topic;
use kafka::{Brokers, client, topics};
use model::load::LoadSettings;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr};
use workload::{FrameHeader, avro};

const LIMIT: Duration = Duration::from_secs(20);
static NAMES: AtomicU32 = AtomicU32::new(0);

/// The three topics of one generator.
pub(crate) struct Topics {
    pub(crate) brokers: Brokers,
    name: String,
}

impl Topics {
    pub(crate) async fn make() -> Self {
        Self::with_responses(&[]).await
    }

    /// With these settings for the topic of the responses.
    pub(crate) async fn with_responses(settings: &[(&'static str, &'static str)]) -> Self {
        let brokers: Brokers = std::env::var("KING_TEST_KAFKA")
            .expect("these tests need a Kafka in KING_TEST_KAFKA: run `cargo xtask test`, which starts one")
            .parse()
            .unwrap();
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-datagen-{}-{}-{number}", std::process::id(), now_ms());
        let topics = Self { brokers, name };
        topics.ensure(settings).await;
        topics
    }

    async fn ensure(&self, settings: &[(&'static str, &'static str)]) {
        let [requests, responses, control] = self.names();
        // Some runs begin years ago: nothing may be deleted because of its age.
        let kept = |name: &str| Topic { config: vec![("retention.ms", "-1")], ..Topic::records(name) };
        let mut responses = kept(&responses);
        responses.config.extend(settings);
        topics::ensure(&self.brokers, &[kept(&requests), responses, Topic::control(&control)]).await.unwrap();
    }

    async fn delete_topics(&self, names: &[&str]) {
        let admin: AdminClient<DefaultClientContext> =
            client::base(&self.brokers, "test-admin").create().unwrap();
        admin.delete_topics(names, &AdminOptions::new()).await.unwrap();
    }

    pub(crate) fn names(&self) -> [String; 3] {
        ["rq", "rs", "control"].map(|noun| format!("{}-{noun}", self.name))
    }

    /// A generator into these topics.
    pub(crate) fn datagen(&self, options: &[&str]) -> Child {
        self.command(options).spawn().unwrap()
    }

    /// A run to its end: its exit code, and what it logs.
    pub(crate) async fn run(&self, options: &[&str]) -> (Option<i32>, String) {
        let running = self.command(options).stderr(Stdio::piped()).spawn().unwrap();
        let output = tokio::time::timeout(LIMIT, running.wait_with_output()).await.unwrap().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    fn command(&self, options: &[&str]) -> tokio::process::Command {
        let [requests, responses, control] = self.names();
        let mut command = tokio::process::Command::from(Command::new(env!("CARGO_BIN_EXE_datagen")));
        command
            .args(["--kafka", self.brokers.as_str(), "--requests", &requests, "--responses", &responses])
            .args(["--control", &control])
            .args(options)
            .stdout(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// All that is in both inputs, by topic and partition, in the order of the log.
    pub(crate) async fn logs(&self) -> Vec<OwnedMessage> {
        let [requests, responses, _] = self.names();
        let consumer = read(&self.brokers, &[requests.clone(), responses.clone()]);
        let mut left = 0;
        for topic in [&requests, &responses] {
            for partition in 0..i32::try_from(model::PARTITIONS).unwrap() {
                left += consumer.fetch_watermarks(topic, partition, LIMIT).unwrap().1;
            }
        }
        let mut records = Vec::new();
        for _ in 0..left {
            let record = tokio::time::timeout(LIMIT, consumer.recv()).await.unwrap().unwrap();
            records.push(record.detach());
        }
        let place =
            |record: &OwnedMessage| (record.topic().ends_with("-rs"), record.partition(), record.offset());
        records.sort_by_key(place);
        records
    }

    /// Deletes the requests under a generator, and makes them anew once it has said that it waits; what it says until
    /// it goes on. The first records that Kafka takes again may be responses, so the first request is waited for, too.
    pub(crate) async fn recreate_requests_under(&self, options: &[&str]) -> String {
        let mut datagen = self.command(options).stderr(Stdio::piped()).spawn().unwrap();
        let mut log =
            Log { lines: BufReader::new(datagen.stderr.take().unwrap()).lines(), said: String::new() };
        log.until("producing").await;
        let [requests, ..] = self.names();
        self.delete_topics(&[&requests]).await;
        log.until("Kafka takes no records: waiting for it").await;
        self.ensure(&[]).await;
        log.until("Kafka takes records again").await;
        tokio::time::timeout(LIMIT, read(&self.brokers, &[requests]).recv()).await.unwrap().unwrap();
        datagen.kill().await.unwrap();
        log.said
    }

    /// Takes the topics away.
    pub(crate) async fn delete(self) {
        self.delete_topics(&self.names().each_ref().map(String::as_str)).await;
    }
}

/// What a process logs.
struct Log {
    lines: Lines<BufReader<ChildStderr>>,
    said: String,
}

impl Log {
    async fn until(&mut self, words: &str) {
        let found = tokio::time::timeout(LIMIT, async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                self.said.push_str(&line);
                self.said.push('\n');
                if line.contains(words) {
                    return;
                }
            }
            panic!("it ended without saying `{words}`:\n{}", self.said);
        });
        assert!(found.await.is_ok(), "it does not say `{words}` in time:\n{}", self.said);
    }
}

/// A generator that follows the control topic, and a reader of what it sends.
pub(crate) struct Load {
    topics: Topics,
    pub(crate) control: ControlWriter,
    datagen: Child,
    pub(crate) consumer: StreamConsumer,
}

/// A frame as it arrived.
pub(crate) struct Arrived {
    pub(crate) is_request: bool,
    pub(crate) partition: u32,
    pub(crate) header: FrameHeader,
    pub(crate) timestamp: i64,
}

pub(crate) fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

impl Load {
    pub(crate) async fn start(settings: &LoadSettings) -> Self {
        let topics = Topics::make().await;
        let [requests, responses, control] = topics.names();
        let control = ControlWriter::with_topic(&topics.brokers, "test", &control).unwrap();
        control.set_load(settings).await.unwrap();
        let datagen = topics.datagen(&[]);
        let consumer = read(&topics.brokers, &[requests, responses]);
        Self { topics, control, datagen, consumer }
    }

    pub(crate) async fn next(&self) -> Arrived {
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
    pub(crate) async fn requests_of(&self, milliseconds: i64) -> Vec<Arrived> {
        let begin = i64::try_from(now_ms()).unwrap() + 500;
        self.requests_between(begin, begin + milliseconds).await
    }

    /// The requests of a time that is not over yet.
    pub(crate) async fn requests_between(&self, begin: i64, end: i64) -> Vec<Arrived> {
        let mut requests = Vec::new();
        let mut open: HashSet<u32> = (0..model::PARTITIONS).collect();
        // Partitions are read one after the other: the time is over when it is in all of them.
        while !open.is_empty() {
            let arrived = self.next().await;
            if arrived.is_request && arrived.timestamp >= end {
                open.remove(&arrived.partition);
            } else if arrived.is_request && arrived.timestamp >= begin {
                requests.push(arrived);
            }
        }
        requests
    }

    /// Asks the generator to stop, and takes the topics away.
    pub(crate) async fn stop(mut self) {
        let id = self.datagen.id().unwrap().to_string();
        let asked = Instant::now();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let ended = tokio::time::timeout(LIMIT, self.datagen.wait()).await.unwrap();
        assert!(ended.unwrap().success());
        assert!(asked.elapsed() < Duration::from_secs(2));
        self.topics.delete().await;
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
