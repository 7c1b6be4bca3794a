//! The generator at a Kafka with TLS and credentials, which `cargo xtask test` starts and tells of in
//! `KING_TEST_KAFKA_TLS` and its like: what it takes from the environment, and how it ends when it is refused.
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

/// The generator, with a person's environment for a managed Kafka, except for what the test changes.
fn datagen(brokers: &str, secret: &str) -> Command {
    let mut datagen = Command::new(env!("CARGO_BIN_EXE_datagen"));
    datagen
        .env("KAFKA_BROKERS", brokers)
        .env("API_KEY", variable("KING_TEST_KAFKA_KEY"))
        .env("SECRET_KEY", secret)
        .env("KAFKA_CA", variable("KING_TEST_KAFKA_CA"));
    datagen
}

fn is_ready(address: &str) -> bool {
    let mut answer = String::new();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /readyz HTTP/1.0\r\n\r\n").unwrap();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1) == Some("200")
}

fn await_ready(datagen: &mut Child) {
    let mut line = String::new();
    BufReader::new(datagen.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("admin ").unwrap();
    let begin = Instant::now();
    while !is_ready(address) {
        assert!(begin.elapsed() < LIMIT, "not ready in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn the_environment_of_a_managed_kafka_is_all_it_needs() {
    let plaintext: Brokers = variable("KING_TEST_KAFKA").parse().unwrap();
    let names = ["rq", "rs", "control"].map(|noun| format!("test-managed-{}-{noun}", std::process::id()));
    let [requests, responses, control] = &names;
    let wanted = [Topic::records(requests), Topic::records(responses), Topic::control(control)];
    topics::ensure(&plaintext, &wanted).await.unwrap();

    let mut datagen = datagen(&variable("KING_TEST_KAFKA_TLS"), &variable("KING_TEST_KAFKA_SECRET"));
    // OpenSSL's own variable does where ours is not set.
    datagen.env_remove("KAFKA_CA").env("SSL_CERT_FILE", variable("KING_TEST_KAFKA_CA"));
    datagen.args(["--admin-address", "127.0.0.1:0", "--exit-with-parent"]);
    datagen.args(["--requests", requests, "--responses", responses, "--control", control]);
    let mut child = datagen.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    await_ready(&mut child);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());

    let admin: AdminClient<DefaultClientContext> = client::base(&plaintext, "test-admin").create().unwrap();
    admin.delete_topics(&names.each_ref().map(String::as_str), &AdminOptions::new()).await.unwrap();
}

/// Runs it to its end: the exit code, and what it says.
fn end(mut datagen: Command) -> (Option<i32>, String) {
    let output = datagen.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains(&variable("KING_TEST_KAFKA_SECRET")), "{said}");
    (output.status.code(), said)
}

#[test]
fn what_somebody_must_correct_is_said_and_ends_it() {
    let (brokers, secret) = (variable("KING_TEST_KAFKA_TLS"), variable("KING_TEST_KAFKA_SECRET"));
    let by_number = brokers.replace("localhost", "127.0.0.1");
    let mut other_ca = datagen(&brokers, &secret);
    other_ca.env("KAFKA_CA", variable("KING_TEST_KAFKA_OTHER_CA"));
    let mut half = datagen(&brokers, &secret);
    half.env_remove("SECRET_KEY");
    let mut two_registries = datagen(&brokers, &secret);
    two_registries.env("SCHEMA_REGISTRY", "http://one.example:8081,http://two.example:8081");
    for (command, code, expected) in [
        (datagen(&brokers, "wrong"), 69, "refuses the credentials"),
        (other_ca, 69, "is not trusted"),
        (datagen(&by_number, &secret), 69, "for another host name"),
        (half, 64, "SECRET_KEY is not: set both"),
        (two_registries, 64, "give one address"),
    ] {
        let (ended, said) = end(command);
        assert_eq!(ended, Some(code), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
