//! Topics of our own, frames in them, pods that work on them and what the pods write.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka::rdkafka::admin::{AdminClient, AdminOptions};
use kafka::rdkafka::client::DefaultClientContext;
use kafka::rdkafka::consumer::{Consumer, StreamConsumer};
use kafka::rdkafka::message::{BorrowedMessage, Headers, Message};
use kafka::rdkafka::producer::{FutureProducer, FutureRecord};
use kafka::rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use kafka::rdkafka::util::Timeout;
use kafka::topics::Topic;
use kafka::{Brokers, client, topics};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use workload::{FrameHeader, GameSession, Hit, Machine, Zone, avro};

/// No test waits longer for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// Between two looks at a pod.
pub(crate) const POLL: Duration = Duration::from_millis(10);
/// Of each topic, where a test does not want as many as the demo has.
const PARTITIONS: u32 = 4;

static NAMES: AtomicU32 = AtomicU32::new(0);

pub(crate) fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// An application of our own: its topics, its group.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) brokers: Brokers,
    pub(crate) name: String,
    partitions: u32,
    producer: FutureProducer,
}

/// What a pod has written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Written {
    pub(crate) partition: u32,
    pub(crate) key: FrameHeader,
    pub(crate) session: GameSession,
    pub(crate) pod: String,
    pub(crate) joined_at: i64,
    pub(crate) rq_offset: i64,
}

impl App {
    pub(crate) async fn new() -> Self {
        Self::with_partitions(PARTITIONS).await
    }

    pub(crate) async fn with_partitions(partitions: u32) -> Self {
        let brokers: Brokers = std::env::var("KING_TEST_KAFKA")
            .expect("these tests need a Kafka in KING_TEST_KAFKA: run `cargo xtask test`, which starts one")
            .parse()
            .unwrap();
        let name = format!(
            "test-streams-{}-{}-{}",
            std::process::id(),
            now_ms(),
            NAMES.fetch_add(1, Ordering::Relaxed)
        );
        let mut config = client::producer(&brokers, "test");
        let producer = config.set("delivery.report.only.error", "false").create().unwrap();
        let app = Self { brokers, name, partitions, producer };
        let topic = |noun| Topic { partitions, ..Topic::records(&app.topic(noun)) };
        let all = ["rq", "rs", "sessions", "CHANGELOG", "DEAD-LETTERS"].map(topic);
        topics::ensure(&app.brokers, &all).await.unwrap();
        app
    }

    /// The machine of the nth player whose frames go to this partition.
    pub(crate) fn machine(&self, partition: u32, nth: usize) -> Machine {
        let players = (0..Machine::PLAYERS).filter_map(Machine::player);
        players.filter(|machine| machine.partition(self.partitions) == partition).nth(nth).unwrap()
    }

    /// A machine of the generator's whose frames go to this partition.
    pub(crate) fn generated(&self, partition: u32) -> Machine {
        let mut machines = (4..Machine::FIRST_PLAYER).filter_map(Machine::new);
        machines.find(|machine| machine.partition(self.partitions) == partition).unwrap()
    }

    pub(crate) fn topic(&self, noun: &str) -> String {
        format!("{}-{noun}", self.name)
    }

    /// Takes the pods away, and then the topics.
    pub(crate) async fn delete(self, pods: impl IntoIterator<Item = Pod>) {
        for pod in pods {
            pod.kill().await;
        }
        let admin: AdminClient<DefaultClientContext> =
            client::base(&self.brokers, "test-admin").create().unwrap();
        let names = ["rq", "rs", "sessions", "CHANGELOG", "DEAD-LETTERS"].map(|noun| self.topic(noun));
        admin.delete_topics(&names.each_ref().map(String::as_str), &AdminOptions::new()).await.unwrap();
    }

    pub(crate) async fn send(&self, noun: &str, partition: u32, key: &[u8], value: &[u8], ts: i64) -> i64 {
        let topic = self.topic(noun);
        let partition = i32::try_from(partition).unwrap();
        let record = FutureRecord::to(&topic).partition(partition).key(key).payload(value).timestamp(ts);
        self.producer.send(record, Timeout::After(LIMIT)).await.unwrap().offset
    }

    /// A request of one hit and its response; the offset of the request.
    pub(crate) async fn frame(&self, machine: Machine, ts: i64) -> i64 {
        let key = avro::encode_header(&FrameHeader { ts, machine, zone: Zone::EU });
        let hits = [Hit::from_hex("c3ff8ab13000e9c5").unwrap()];
        let partition = machine.partition(self.partitions);
        let (request, response) = (avro::encode_body(false, &hits), avro::encode_body(true, &hits));
        let (offset, _) = tokio::join!(
            self.send("rq", partition, &key, &request, ts),
            self.send("rs", partition, &key, &response, ts)
        );
        offset
    }

    /// Starts a pod.
    pub(crate) async fn pod(&self, name: &str, options: &[&str]) -> Pod {
        Pod::start(self.brokers.as_str(), &self.name, name, options).await
    }

    /// Reads the sessions from the beginning.
    pub(crate) fn sessions(&self) -> Sessions {
        Sessions(Arc::new(self.reader("sessions")))
    }

    /// Reads the dead letters from the beginning.
    pub(crate) fn dead_letters(&self) -> DeadLetters {
        DeadLetters(self.reader("DEAD-LETTERS"))
    }

    fn reader(&self, noun: &str) -> StreamConsumer {
        let mut config = client::reader(&self.brokers, "test");
        let consumer: StreamConsumer =
            config.set("group.id", "test").set("fetch.wait.max.ms", "10").create().unwrap();
        let mut assignment = TopicPartitionList::new();
        for partition in 0..self.partitions {
            let partition = i32::try_from(partition).unwrap();
            assignment.add_partition_offset(&self.topic(noun), partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&assignment).unwrap();
        consumer
    }
}

/// A record that was put aside, as its headers say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeadLetter {
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) offset: i64,
    pub(crate) reason: String,
    pub(crate) error: String,
}

/// The dead letters, one after the other.
pub(crate) struct DeadLetters(StreamConsumer);

impl DeadLetters {
    pub(crate) async fn next(&self) -> DeadLetter {
        let message = within("a dead letter", self.0.recv()).await.unwrap();
        let header = |name: &str| header(&message, name);
        DeadLetter {
            topic: header("topic"),
            partition: header("partition").parse().unwrap(),
            offset: header("offset").parse().unwrap(),
            reason: header("reason"),
            error: header("error"),
        }
    }
}

/// The sessions, one after the other.
pub(crate) struct Sessions(Arc<StreamConsumer>);

impl Sessions {
    /// The next update; a slow machine may let sessions end in between.
    pub(crate) async fn update(&self) -> Written {
        loop {
            let written = self.next().await;
            if !written.session.is_final {
                return written;
            }
        }
    }

    pub(crate) async fn next(&self) -> Written {
        let message = within("a session", self.0.recv()).await.unwrap();
        let header = |name: &str| header(&message, name);
        Written {
            partition: u32::try_from(message.partition()).unwrap(),
            key: avro::decode_header(message.key().unwrap()).unwrap(),
            session: avro::decode_session(message.payload().unwrap()).unwrap(),
            pod: header("pod"),
            joined_at: header("joined-at").parse().unwrap(),
            rq_offset: header("rq-offset").parse().unwrap(),
        }
    }
}

fn header(message: &BorrowedMessage<'_>, name: &str) -> String {
    let headers = message.headers().unwrap();
    let header = headers.iter().find(|header| header.key == name).unwrap();
    String::from_utf8(header.value.unwrap().to_vec()).unwrap()
}

/// A pod, killed when it is dropped.
pub(crate) struct Pod {
    child: Child,
    admin: String,
}

impl Pod {
    pub(crate) async fn start(brokers: &str, app: &str, name: &str, options: &[&str]) -> Self {
        Self::start_logging(brokers, app, name, options, Stdio::inherit()).await
    }

    /// Starts one whose log goes somewhere else than the test's.
    pub(crate) async fn start_logging(
        brokers: &str,
        app: &str,
        name: &str,
        options: &[&str],
        log: Stdio,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_streams"));
        command.args(["--kafka", brokers, "--pod", name, "--admin-address", "127.0.0.1:0", "--group", app]);
        for noun in ["rq", "rs", "sessions"] {
            let option = match noun {
                "rq" => "--requests",
                "rs" => "--responses",
                _ => "--sessions",
            };
            command.arg(option).arg(format!("{app}-{noun}"));
        }
        command.args(options).env_remove("CAPACITY").stdout(Stdio::piped()).stderr(log);
        command.kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = within("the admin address", lines.next_line()).await.unwrap().unwrap();
        let admin = line.strip_prefix("admin ").unwrap().to_owned();
        Self { child, admin }
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.admin).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    /// The value of a metric, its labels included in the name.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let metrics = self.get("/metrics").await;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// Waits until a metric is as expected.
    pub(crate) async fn until(&self, name: &str, expected: impl Fn(u64) -> bool) {
        within(name, async {
            while !expected(self.metric(name).await) {
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
    }

    pub(crate) async fn ready(&self) {
        within("readiness", async {
            while !self.get("/readyz").await.starts_with("HTTP/1.1 200") {
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
    }

    /// Asks it to stop (SIGTERM).
    pub(crate) fn terminate(&self) {
        let id = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits until it has ended, and well.
    pub(crate) async fn ended(mut self) {
        assert!(within("the end of a pod", self.child.wait()).await.unwrap().success());
    }

    /// Kills it (SIGKILL).
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
