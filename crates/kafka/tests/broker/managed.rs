//! The listener that a managed Kafka has: TLS by a CA of the tests' own, made out to `localhost`, and SASL PLAIN.

use kafka::client::{Credentials, Security, Trouble, check, describe_broker};
use kafka::rdkafka::producer::{FutureProducer, FutureRecord};
use kafka::sampler::{self, Config};
use kafka::topics::Ensured;
use kafka::{Brokers, Error, client, topics};
use tokio_util::sync::CancellationToken;

use crate::fixture::{LIMIT, Made, unique, within};

/// One of the variables that `cargo xtask test` sets beside `KING_TEST_KAFKA`.
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("this test needs a Kafka with TLS in {name}: run `cargo xtask test`, which starts one")
    })
}

fn address() -> String {
    variable("KING_TEST_KAFKA_TLS")
}

fn ours() -> Option<String> {
    Some(variable("KING_TEST_KAFKA_CA"))
}

fn right() -> Option<Credentials> {
    Some(Credentials::new(variable("KING_TEST_KAFKA_KEY"), variable("KING_TEST_KAFKA_SECRET")))
}

fn wrong() -> Option<Credentials> {
    Some(Credentials::new(variable("KING_TEST_KAFKA_KEY"), "wrong"))
}

fn brokers(address: &str, ca: Option<String>, credentials: Option<Credentials>) -> Brokers {
    let security = Security::Tls { ca: ca.map(Into::into), credentials };
    address.parse::<Brokers>().unwrap().with_security(security)
}

/// Why Kafka cannot be spoken to.
async fn trouble(brokers: &Brokers) -> Trouble {
    match within("a refusal", check(brokers)).await.unwrap_err() {
        Error::Refused { trouble, .. } => trouble,
        error => panic!("not told why: {error}"),
    }
}

/// The options of a binary, as far as they are Kafka's.
#[derive(Debug, clap::Parser)]
struct Options {
    #[command(flatten)]
    kafka: Brokers,
}

#[tokio::test]
async fn a_file_of_cas_that_the_options_take_is_taken_by_librdkafka_as_well() {
    let pem = std::fs::read(variable("KING_TEST_KAFKA_CA")).unwrap();
    let text = String::from_utf8(pem.clone()).unwrap();
    let trusted = text.replace("CERTIFICATE-----", "TRUSTED CERTIFICATE-----");
    let files = [
        [b"# die Zertifikate f\xFCr die B\xFChne\n", pem.as_slice()].concat(),
        [b"\xEF\xBB\xBF", pem.as_slice()].concat(),
        trusted.into_bytes(),
        text.replace('\n', "\r\n").into_bytes(),
    ];
    for (number, content) in files.iter().enumerate() {
        let file = std::env::temp_dir().join(format!("{}-{number}.pem", unique("ca")));
        std::fs::write(&file, content).unwrap();
        let path = file.to_str().unwrap();
        let words = ["x", "--kafka", &address(), "--kafka-security", "ssl", "--kafka-ca", path];
        let taken = <Options as clap::Parser>::try_parse_from(words).unwrap().kafka;
        let checked = check(&brokers(taken.as_str(), Some(path.to_owned()), right())).await;
        std::fs::remove_file(&file).unwrap();
        assert!(checked.is_ok(), "{}: {checked:?}", String::from_utf8_lossy(content));
    }
}

#[tokio::test]
async fn who_has_the_secret_and_the_ca_produces_and_samples() {
    let brokers = brokers(&address(), ours(), right());
    check(&brokers).await.unwrap();
    // Topics are made, and taken away, over the other listener; here they are there already.
    let (made, inputs) = Made::inputs().await;
    let wanted: Vec<topics::Topic> = inputs.iter().map(|name| crate::fixture::records(name)).collect();
    assert_eq!(topics::ensure(&brokers, &wanted).await.unwrap(), Ensured::default());
    let producer: FutureProducer = client::base(&brokers, "test").create().unwrap();
    let record = FutureRecord::<(), str>::to(&inputs[0]).partition(1).payload("record");
    producer.send(record, LIMIT).await.unwrap();

    let cancel = CancellationToken::new();
    let _end = cancel.clone().drop_guard();
    let group_id = unique("group");
    let topics = crate::fixture::joined(&inputs);
    let config = Config { group_id, topics, ..Config::of_the_demo(&brokers) };
    let mut sampled = sampler::start(config, cancel).unwrap().sampled;
    let known = |sampled: &model::lag::Sampled| {
        let sample = sampled.sample.as_ref();
        sample.is_some_and(|sample| sample.offsets[0][1].is_some_and(|offsets| offsets.log_end_offset == 1))
    };
    within("a sample", sampled.wait_for(known)).await.unwrap();
    made.delete().await;
}

#[tokio::test]
async fn a_release_is_not_asked_for_over_tls_and_the_settings_are() {
    let description = describe_broker(&brokers(&address(), ours(), right())).await.unwrap();
    assert_eq!(description.label, "Kafka");
    assert_eq!(description.transaction_cleanup_interval, Some(std::time::Duration::from_millis(200)));
}

#[tokio::test]
async fn a_wrong_secret_a_wrong_ca_and_a_wrong_host_are_told_apart() {
    let (address, other_ca) = (address(), Some(variable("KING_TEST_KAFKA_OTHER_CA")));
    let by_number = address.replace("localhost", "127.0.0.1");
    for (brokers, expected) in [
        (brokers(&address, ours(), wrong()), Trouble::AuthenticationRefused),
        (brokers(&address, ours(), None), Trouble::CredentialsExpected),
        (brokers(&address, other_ca, right()), Trouble::CertificateUntrusted),
        // No system trusts a CA that was made a minute ago.
        (brokers(&address, None, right()), Trouble::CertificateUntrusted),
        (brokers(&by_number, ours(), right()), Trouble::CertificateOfAnotherHost),
    ] {
        assert_eq!(trouble(&brokers).await, expected, "{brokers:?}");
    }
}

#[tokio::test]
async fn a_listener_of_another_kind_is_told_from_one_that_is_not_there() {
    let plaintext = crate::fixture::brokers();
    assert_eq!(trouble(&address().parse().unwrap()).await, Trouble::TlsExpected);
    assert_eq!(trouble(&brokers(plaintext.as_str(), ours(), right())).await, Trouble::NoTlsThere);
    let nobody = check(&brokers("127.0.0.1:1", ours(), right())).await.unwrap_err();
    assert!(matches!(nobody, Error::Unreachable { .. }) && nobody.is_retryable(), "{nobody}");
}

#[tokio::test]
async fn who_is_refused_does_not_wait_for_topics() {
    let brokers = brokers(&address(), ours(), wrong());
    let waiting = topics::wait_until_present(&brokers, &["no-such-topic"]);
    let error = within("a refusal", waiting).await.unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(
        error.to_string(),
        format!("Kafka at {} refuses the credentials: correct API_KEY and SECRET_KEY", address())
    );
}
