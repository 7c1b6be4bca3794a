//! Making topics, waiting for them, and what a broker says of itself.

use kafka::topics::{self, Ensured, Grown, Topic};
use kafka::{Brokers, Error, client};

use crate::fixture::{Made, PARTITIONS, brokers, records, unique, within};

#[tokio::test]
async fn making_topics_again_changes_nothing() {
    let wanted = [records(&unique("a")), Topic::control(&unique("b")), Topic::history(&unique("c"))];
    let made = Made::new(&wanted[..1]).await;
    let names: Vec<String> = wanted.iter().map(|topic| topic.name.clone()).collect();
    let ensured = topics::ensure(&made.brokers, &wanted).await.unwrap();
    assert_eq!((ensured.made.as_slice(), ensured.grown.as_slice()), (&names[1..], &[][..]));
    assert_eq!(topics::ensure(&made.brokers, &wanted).await.unwrap(), Ensured::default());
    let all = Made::new(&wanted).await;
    all.delete().await;
}

#[tokio::test]
async fn an_input_with_fewer_partitions_is_refused() {
    let mut topic = records(&unique("topic"));
    let made = Made::new(std::slice::from_ref(&topic)).await;
    topic.partitions += 1;
    let error = topics::ensure(&made.brokers, &[topic]).await.unwrap_err();
    assert!(matches!(error, Error::PartitionCount { expected: 4, found: 3, .. }), "{error}");
    assert!(!error.is_retryable());
    made.delete().await;
}

#[tokio::test]
async fn our_topics_grow_with_the_larger_input() {
    let inputs = [records(&unique("rq")), records(&unique("rs"))];
    let small = |topic: Topic| Topic { partitions: PARTITIONS, ..topic };
    let outputs =
        [small(Topic::sessions(&unique("sessions"))), small(Topic::changelog(&unique("changelog")))];
    let single = Topic::control(&unique("control"));
    let all = [inputs.as_slice(), &outputs, std::slice::from_ref(&single)].concat();
    let made = Made::new(&all).await;
    let names: Vec<&str> = all.iter().map(|topic| topic.name.as_str()).collect();

    // As an operator would, to one input first.
    for (input, partitions, grown) in [(names[0], 5, 5), (names[1], 4, 5)] {
        let added = topics::grow(&made.brokers, &[input], partitions).await.unwrap();
        assert_eq!(added, [grown_from_three(input, partitions)]);
        let ensured = topics::ensure(&made.brokers, &all).await.unwrap();
        assert!(ensured.made.is_empty(), "{ensured:?}");
        let outputs = if partitions == 5 { &names[2..4] } else { &[] };
        let expected: Vec<Grown> = outputs.iter().map(|name| grown_from_three(name, grown)).collect();
        assert_eq!(ensured.grown, expected);
    }
    let counts = topics::partition_counts(&made.brokers, &names).await.unwrap();
    assert_eq!(counts, [Some(5), Some(4), Some(5), Some(5), Some(1)]);
    made.delete().await;
}

#[tokio::test]
async fn pods_that_grow_the_same_topics_at_once_all_find_them_large_enough() {
    let wanted = [records(&unique("a")), records(&unique("b"))];
    let made = Made::new(&wanted).await;
    let names = wanted.each_ref().map(|topic| topic.name.as_str());
    let grow = || topics::grow(&made.brokers, &names, 5);
    let (one, two, three) = within("three grow", async { tokio::join!(grow(), grow(), grow()) }).await;
    let mut grown = [one.unwrap(), two.unwrap(), three.unwrap()].concat();
    grown.sort_by(|a, b| a.topic.cmp(&b.topic));
    let mut expected = names.map(|name| grown_from_three(name, 5));
    expected.sort_by(|a, b| a.topic.cmp(&b.topic));
    assert_eq!(grown, expected, "each was grown by one of them");
    assert_eq!(topics::partition_counts(&made.brokers, &names).await.unwrap(), [Some(5), Some(5)]);
    assert_eq!(topics::grow(&made.brokers, &names, 4).await.unwrap(), [], "nothing is taken away");
    made.delete().await;
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_not_grown() {
    let (brokers, nobody) = (brokers(), unique("nobody"));
    assert_eq!(topics::partition_counts(&brokers, &[&nobody]).await.unwrap(), [None]);
    let error = topics::grow(&brokers, &[&nobody], 5).await.unwrap_err();
    assert!(matches!(&error, Error::TopicMissing { topic } if *topic == nobody), "{error}");
    assert!(error.is_retryable());
}

fn grown_from_three(topic: &str, to: u32) -> Grown {
    Grown { topic: topic.to_owned(), from: PARTITIONS, to }
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
