//! Making topics, waiting for them, and what a broker says of itself.

use kafka::topics::{self, Topic};
use kafka::{Brokers, Error, client};

use crate::fixture::{Made, brokers, records, unique, within};

#[tokio::test]
async fn making_topics_again_changes_nothing() {
    let wanted = [records(&unique("a")), Topic::control(&unique("b")), Topic::history(&unique("c"))];
    let made = Made::new(&wanted[..1]).await;
    let names: Vec<String> = wanted.iter().map(|topic| topic.name.clone()).collect();
    assert_eq!(topics::ensure(&made.brokers, &wanted).await.unwrap(), names[1..]);
    assert!(topics::ensure(&made.brokers, &wanted).await.unwrap().is_empty());
    let all = Made::new(&wanted).await;
    all.delete().await;
}

#[tokio::test]
async fn a_topic_with_other_partitions_is_refused() {
    let mut topic = records(&unique("topic"));
    let made = Made::new(std::slice::from_ref(&topic)).await;
    topic.partitions += 1;
    let error = topics::ensure(&made.brokers, &[topic]).await.unwrap_err();
    assert!(matches!(error, Error::PartitionCount { expected: 4, found: 3, .. }), "{error}");
    assert!(!error.is_retryable());
    made.delete().await;
}

#[tokio::test]
async fn who_waits_for_a_topic_sees_it_appear() {
    let (brokers, topic) = (brokers(), records(&unique("topic")));
    let waiting = tokio::spawn({
        let (brokers, name) = (brokers.clone(), topic.name.clone());
        async move { topics::wait_until_present(&brokers, &[&name]).await }
    });
    let made = Made::new(&[topic]).await;
    within("the topic is seen", waiting).await.unwrap().unwrap();
    made.delete().await;
}

#[tokio::test]
async fn a_broker_says_its_release_and_how_many_there_are() {
    let description = client::describe_broker(&brokers()).await.unwrap();
    let release = description.label.strip_prefix("Kafka ").expect("a release");
    assert!(release.split('.').all(|part| part.parse::<u32>().is_ok()), "{release}");
    assert!(description.brokers >= 1);
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_said_with_a_remedy() {
    let nobody: Brokers = "127.0.0.1:1".parse().unwrap();
    let error = client::describe_broker(&nobody).await.unwrap_err();
    assert!(error.is_retryable());
    let text = error.to_string();
    assert!(text.contains("127.0.0.1:1") && text.contains("--kafka"), "{text}");
}
