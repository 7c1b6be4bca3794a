//! A pod at a Kafka with TLS and credentials, which `cargo xtask test` starts and tells of in `KING_TEST_KAFKA_TLS` and
//! its like: it becomes ready, and ends when it is refused.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so best by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kafka::rdkafka::admin::{AdminClient, AdminOptions};
use kafka::rdkafka::client::DefaultClientContext;
use kafka::topics::{self, Topic};
use kafka::{Brokers, client};

const LIMIT: Duration = Duration::from_secs(20);

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("this test needs a Kafka with TLS in {name}: run `cargo xtask test`, which starts one")
    })
}

/// A pod, with a person's environment for a managed Kafka.
fn pod(secret: &str) -> Command {
    let mut pod = Command::new(env!("CARGO_BIN_EXE_streams"));
    pod.env("KAFKA_BROKERS", variable("KING_TEST_KAFKA_TLS"))
        .env("API_KEY", variable("KING_TEST_KAFKA_KEY"))
        .env("SECRET_KEY", secret)
        .env("KAFKA_CA", variable("KING_TEST_KAFKA_CA"));
    pod
}

fn is_ready(address: &str) -> bool {
    let mut answer = String::new();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /readyz HTTP/1.0\r\n\r\n").unwrap();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1) == Some("200")
}

fn await_ready(pod: &mut Child) {
    let mut line = String::new();
    BufReader::new(pod.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("admin ").unwrap();
    let begin = Instant::now();
    while !is_ready(address) {
        assert!(begin.elapsed() < LIMIT, "not ready in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_pod_with_the_environment_of_a_managed_kafka_becomes_ready() {
    let plaintext: Brokers = variable("KING_TEST_KAFKA").parse().unwrap();
    let name = format!("test-managed-pod-{}", std::process::id());
    let names = ["rq", "rs", "sessions", "CHANGELOG", "DEAD-LETTERS"].map(|noun| format!("{name}-{noun}"));
    let [requests, responses, sessions, ..] = &names;
    topics::ensure(&plaintext, &names.each_ref().map(|name| Topic::records(name))).await.unwrap();

    let mut pod = pod(&variable("KING_TEST_KAFKA_SECRET"));
    pod.args(["--admin-address", "127.0.0.1:0", "--exit-with-parent", "--group", &name]);
    pod.args(["--requests", requests, "--responses", responses, "--sessions", sessions]);
    let mut child = pod.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    await_ready(&mut child);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());

    let admin: AdminClient<DefaultClientContext> = client::base(&plaintext, "test-admin").create().unwrap();
    admin.delete_topics(&names.each_ref().map(String::as_str), &AdminOptions::new()).await.unwrap();
}

#[test]
fn a_pod_that_is_refused_says_why_and_ends() {
    let output = pod("wrong").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("refuses the credentials"), "{said}");
}
