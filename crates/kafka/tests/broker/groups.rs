//! Describing groups through the C interface, and moving the offsets of one that has no members.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kafka::control::ControlWriter;
use kafka::groups::{self, GroupDescription};
use kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use kafka::rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use kafka::{Brokers, Controls, client};
use model::controls::{KafkaControls, Refusal};

use crate::fixture::{LIMIT, Made, PARTITIONS, joined, unique, within};

/// A member of a group, which polls on a thread of its own until it is dropped.
pub(crate) struct Joined {
    leave: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Joined {
    pub(crate) fn new(brokers: &Brokers, pod: &str, group_id: &str, inputs: &[String; 2]) -> Self {
        Self::reading(brokers, pod, group_id, &[&inputs[0], &inputs[1]])
    }

    /// A member that reads these topics.
    pub(crate) fn reading(brokers: &Brokers, pod: &str, group_id: &str, topics: &[&str]) -> Self {
        let membership = client::Membership::Classic { session_timeout: client::STOCK_SESSION_TIMEOUT };
        let config = client::pod_consumer(brokers, pod, group_id, membership);
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(topics).unwrap();
        let leave = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let leave = Arc::clone(&leave);
            move || {
                while !leave.load(Ordering::Relaxed) {
                    consumer.poll(Duration::from_millis(20));
                }
            }
        });
        Self { leave, thread: Some(thread) }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.leave.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Asks until the answer is as expected.
async fn describe(
    brokers: &Brokers,
    group_id: &str,
    good: impl Fn(&GroupDescription) -> bool,
) -> GroupDescription {
    within("the group's description", async {
        loop {
            match groups::describe(brokers, group_id).await {
                Ok(group) if good(&group) => return group,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_group_is_described_with_its_members_and_their_pairs() {
    let (made, inputs) = Made::inputs().await;
    let group_id = unique("group");
    let members = ["pod-a", "pod-b"].map(|pod| Joined::new(&made.brokers, pod, &group_id, &inputs));
    let assigned = |group: &GroupDescription| {
        group.state == "Stable"
            && group.members.len() == 2
            && group.members.iter().all(|m| !m.assignment.is_empty())
    };
    let group = describe(&made.brokers, &group_id, assigned).await;
    assert!(group.members.iter().all(|member| member.host.starts_with('/')), "{group:?}");
    let topics = joined(&inputs);
    let owners = group.owners(&topics, &[PARTITIONS as usize; 2]).task_owners(&topics);
    let count = |pod: &str| owners.iter().flatten().filter(|owner| *owner == pod).count();
    let mut counts = [count("pod-a"), count("pod-b")];
    counts.sort_unstable();
    assert_eq!(counts, [1, 2], "{owners:?}");

    tokio::task::spawn_blocking(move || drop(members)).await.unwrap();
    describe(&made.brokers, &group_id, |group| group.members.is_empty()).await;
    made.delete().await;
}

#[tokio::test]
async fn an_unknown_group_is_dead_and_has_no_members() {
    let (made, _) = Made::inputs().await;
    let group = describe(&made.brokers, &unique("group"), |_| true).await;
    assert_eq!((group.state.as_str(), group.members.len()), ("Dead", 0));
    made.delete().await;
}

#[tokio::test]
async fn a_coordinator_that_does_not_answer_is_an_error_that_may_pass() {
    let nobody: Brokers = "127.0.0.1:1".parse().unwrap();
    let error = within("an answer", groups::describe(&nobody, "group")).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn offsets_move_to_the_end_only_when_the_group_is_empty() {
    let (made, inputs) = Made::inputs().await;
    let group_id = unique("group");
    made.produce(&inputs[0], 1, 5).await;
    let writer = ControlWriter::with_topic(&made.brokers, "test", "unused").unwrap();
    let controls = Controls::with(writer, &made.brokers, &group_id, inputs.clone());

    let member = Joined::new(&made.brokers, "pod", &group_id, &inputs);
    describe(&made.brokers, &group_id, |group| group.state == "Stable").await;
    let refusal = controls.skip_to_end().await.unwrap_err();
    assert!(matches!(&refusal, Refusal::Rejected(text) if text.contains("stop all pods")), "{refusal:?}");

    tokio::task::spawn_blocking(move || drop(member)).await.unwrap();
    describe(&made.brokers, &group_id, |group| group.members.is_empty()).await;
    controls.skip_to_end().await.unwrap();
    assert_eq!(committed(&made, &group_id, &inputs), [0, 5, 0, 0, 0, 0]);
    made.delete().await;
}

fn committed(made: &Made, group_id: &str, inputs: &[String; 2]) -> Vec<i64> {
    let consumer: BaseConsumer = client::sampling(&made.brokers, "test", group_id).create().unwrap();
    let mut list = TopicPartitionList::new();
    for input in inputs {
        list.add_partition_range(input, 0, i32::try_from(PARTITIONS).unwrap() - 1);
    }
    let answer = consumer.committed_offsets(list, LIMIT).unwrap();
    let offset = |offset| match offset {
        Offset::Offset(offset) => offset,
        other => panic!("{other:?}"),
    };
    answer.elements().iter().map(|element| offset(element.offset())).collect()
}
