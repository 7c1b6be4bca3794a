//! What operators do to a Kafka that runs: partitions are added, topics made anew, offsets set, expired and taken over
//! by others, transactions left open, brokers lost. Whoever follows goes on, and says what is the matter.

use kafka::rdkafka::admin::AdminOptions;
use kafka::rdkafka::mocking::{MockCluster, MockCoordinator};
use kafka::rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use kafka::sampler::Timings;
use kafka::topics::Topic;
use kafka::{Brokers, control, dead_letters, sampler, sessions};
use model::lag::{Doubt, Sample, Sampled};
use model::load::LoadSettings;
use model::topics::TopicPartition;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fixture::{LIMIT, Made, PARTITIONS, records, unique, within};
use crate::groups::Joined;
use crate::sampler::{commit, config, offsets, open_transaction};

/// A sampler that runs until this is dropped.
struct Sampling {
    sampled: watch::Receiver<Sampled>,
    timings: watch::Receiver<Timings>,
    _end: DropGuard,
}

impl Sampling {
    fn start(brokers: &Brokers, group_id: &str, inputs: &[String; 2]) -> Self {
        let cancel = CancellationToken::new();
        let sampler = sampler::start(config(brokers, group_id, inputs), cancel.clone()).unwrap();
        Self { sampled: sampler.sampled, timings: sampler.timings, _end: cancel.drop_guard() }
    }

    /// The next sample that is as expected.
    async fn until(&mut self, what: &str, good: impl Fn(&Sample) -> bool) -> Sample {
        let good = |sampled: &Sampled| sampled.outage.is_none() && sampled.sample.as_ref().is_some_and(&good);
        within(what, self.sampled.wait_for(good)).await.unwrap().sample.clone().unwrap()
    }

    /// Why there is no sample.
    async fn reason(&mut self, words: &str) -> String {
        let says =
            |sampled: &Sampled| sampled.outage.as_ref().is_some_and(|outage| outage.reason.contains(words));
        within(words, self.sampled.wait_for(says)).await.unwrap().outage.clone().unwrap().reason
    }
}

fn doubts(sample: &Sample, topic: usize, partition: u32) -> Vec<Doubt> {
    let lag = model::fold::lag(sample);
    let of = TopicPartition { topic, partition };
    lag.doubts.iter().filter(|(told, _)| *told == of).map(|(_, doubt)| *doubt).collect()
}

#[tokio::test]
async fn partitions_that_are_added_are_counted_also_those_of_one_input_only() {
    let (made, inputs) = Made::inputs().await;
    let group_id = unique("group");
    let mut sampling = Sampling::start(&made.brokers, &group_id, &inputs);
    let total = |sample: &Sample| model::fold::lag(sample).total(0);
    sampling.until("the first sample", |sample| total(sample) == Some(0)).await;
    let counts = |sample: &Sample| (sample.offsets[0].len(), sample.offsets[1].len());

    made.grow(&inputs[0], 5).await;
    made.produce(&inputs[0], 4, 7).await;
    let sample = sampling.until("the new partitions", |sample| total(sample) == Some(7)).await;
    assert_eq!(counts(&sample), (5, 3));
    assert_eq!(model::fold::lag(&sample).only(4), vec![0]);

    let pod = Joined::new(&made.brokers, "pod-a", &group_id, &inputs);
    let owns = |sample: &Sample| {
        let owners = sample.group.iter().flat_map(|group| group.task_owners(&sample.topics));
        owners.filter(|owner| owner.as_deref() == Some("pod-a")).count()
    };
    sampling.until("an owner for each", |sample| owns(sample) == 5).await;
    made.grow(&inputs[1], 5).await;
    sampling.until("the other halves", |sample| counts(sample) == (5, 5)).await;
    tokio::task::spawn_blocking(move || drop(pod)).await.unwrap();
    made.delete().await;
}

#[tokio::test]
async fn a_commit_beyond_the_end_is_never_a_lag_of_zero() {
    let (made, inputs) = Made::inputs().await;
    let group_id = unique("group");
    made.produce(&inputs[0], 1, 4).await;
    commit(&made, &group_id, &inputs[0], 1, 10_000_000);
    let mut sampling = Sampling::start(&made.brokers, &group_id, &inputs);
    let sample = sampling.until("a sample", |sample| !sample.offsets[0].is_empty()).await;
    assert_eq!(sample.offsets[0][1], offsets(Some(10_000_000), 0, 4));
    assert_eq!(model::fold::lag(&sample).partitions[0][1], Some(4));
    assert_eq!(doubts(&sample, 0, 1), [Doubt::Ahead]);
    made.delete().await;
}

#[tokio::test]
async fn what_an_open_transaction_holds_is_told_until_it_ends() {
    let (made, inputs) = Made::inputs().await;
    let mut sampling = Sampling::start(&made.brokers, &unique("group"), &inputs);
    made.produce(&inputs[0], 1, 2).await;
    let producer = open_transaction(&made, &inputs[0], 1).await;
    made.produce(&inputs[0], 1, 5).await;
    let held = |sample: &Sample| {
        doubts(sample, 0, 1).into_iter().find_map(|doubt| match doubt {
            Doubt::Held { records, since_ms } => Some((records, since_ms)),
            _ => None,
        })
    };
    let sample =
        sampling.until("what is held", |sample| held(sample).is_some_and(|(records, _)| records == 6)).await;
    assert_eq!(model::fold::lag(&sample).partitions[0][1], Some(2), "what nobody can read is no lag");
    let (_, since_ms) = held(&sample).unwrap();
    assert!(sample.sampled_ms >= since_ms + model::lag::HELD_MS);
    tokio::task::spawn_blocking(move || producer.abort_transaction(LIMIT).unwrap()).await.unwrap();
    let sample = sampling.until("the end of it", |sample| held(sample).is_none()).await;
    // The marker of the aborted transaction has an offset of its own.
    assert_eq!(model::fold::lag(&sample).partitions[0][1], Some(9));
    made.delete().await;
}

#[tokio::test]
async fn commits_that_are_gone_are_told_from_those_that_never_were() {
    let (made, inputs) = Made::inputs().await;
    let group_id = unique("group");
    made.produce(&inputs[0], 1, 5).await;
    commit(&made, &group_id, &inputs[0], 1, 3);
    let mut sampling = Sampling::start(&made.brokers, &group_id, &inputs);
    let lag = |sample: &Sample| model::fold::lag(sample).partitions[0].get(1).copied().flatten();
    sampling.until("the commit", |sample| lag(sample) == Some(2)).await;
    made.admin().delete_groups(&[&group_id], &AdminOptions::new()).await.unwrap();
    let gone = sampling.until("no commit", |sample| lag(sample) == Some(5)).await;
    assert_eq!(doubts(&gone, 0, 1), [Doubt::Gone]);
    assert_eq!(doubts(&gone, 0, 0), [Doubt::New], "there was none before");
    commit(&made, &group_id, &inputs[0], 1, 4);
    let back = sampling.until("a commit", |sample| lag(sample) == Some(1)).await;
    assert_eq!(doubts(&back, 0, 1), []);

    // A topic that is made anew takes its commits with it.
    made.make_anew(&records(&inputs[0])).await;
    let anew = sampling.until("the new topic", |sample| lag(sample) == Some(0)).await;
    assert_eq!(doubts(&anew, 0, 1), [Doubt::Gone]);
    made.delete().await;
}

#[tokio::test]
async fn a_member_that_is_no_pod_is_told_with_what_it_owns() {
    let (made, inputs) = Made::inputs().await;
    let group_id = unique("group");
    let pod = Joined::new(&made.brokers, "pod-a", &group_id, &inputs);
    let other = Joined::reading(&made.brokers, "other-app", &group_id, &[&inputs[0]]);
    let mut sampling = Sampling::start(&made.brokers, &group_id, &inputs);
    let member = |sample: &Sample, name: &str| {
        let members = &sample.group.as_ref()?.members;
        members.iter().find(|member| member.client_id == name).cloned()
    };
    let both = |sample: &Sample| member(sample, "pod-a").is_some() && member(sample, "other-app").is_some();
    let sample = sampling.until("both members", both).await;
    let (pod_owns, other_owns) = (member(&sample, "pod-a").unwrap(), member(&sample, "other-app").unwrap());
    assert_eq!(pod_owns.partitions[0] + other_owns.partitions[0], PARTITIONS);
    assert_eq!((pod_owns.partitions[1], other_owns.partitions[1]), (PARTITIONS, 0));
    assert_eq!(other_owns.host, "127.0.0.1");
    tokio::task::spawn_blocking(move || drop((pod, other))).await.unwrap();
    made.delete().await;
}

/// Two brokers, of which the first leads all partitions.
fn two_brokers(
    inputs: &[String; 2],
) -> (MockCluster<'static, kafka::rdkafka::producer::DefaultProducerContext>, Brokers) {
    let cluster = MockCluster::new(2).unwrap();
    for input in inputs {
        cluster.create_topic(input, i32::try_from(PARTITIONS).unwrap(), 1).unwrap();
        for partition in 0..i32::try_from(PARTITIONS).unwrap() {
            cluster.partition_leader(input, partition, Some(1)).unwrap();
        }
    }
    let brokers = cluster.bootstrap_servers().parse().unwrap();
    (cluster, brokers)
}

#[tokio::test]
async fn a_coordinator_that_is_away_is_named_and_asked_again_once_it_is_back() {
    let inputs = [unique("rq"), unique("rs")];
    let group_id = unique("group");
    let (cluster, brokers) = two_brokers(&inputs);
    cluster.coordinator(MockCoordinator::Group(group_id.clone()), 2).unwrap();
    let mut sampling = Sampling::start(&brokers, &group_id, &inputs);
    let whole = |sample: &Sample| sample.offsets[0].iter().all(Option::is_some);
    sampling.until("a sample", |sample| !sample.offsets[0].is_empty() && whole(sample)).await;
    cluster.broker_down(2).unwrap();
    let reason = sampling.reason("coordinator").await;
    assert!(!reason.contains("start it"), "another broker answers: {reason}");
    // Each of them waited for its answer: by then the clients have been replaced at least once.
    let failures = |timings: &Timings| timings.failed >= 5;
    within("failures", sampling.timings.wait_for(failures)).await.unwrap();
    cluster.broker_up(2).unwrap();
    sampling.until("a sample again", whole).await;
}

#[tokio::test]
async fn partitions_that_have_a_leader_go_on_and_the_others_are_named() {
    let inputs = [unique("rq"), unique("rs")];
    let (cluster, brokers) = two_brokers(&inputs);
    let mut sampling = Sampling::start(&brokers, &unique("group"), &inputs);
    let whole =
        |sample: &Sample| sample.offsets[0].len() == 3 && sample.offsets[0].iter().all(Option::is_some);
    sampling.until("a sample", whole).await;
    cluster.partition_leader(&inputs[0], 1, None).unwrap();
    let sample = sampling.until("one partition unknown", |sample| sample.offsets[0][1].is_none()).await;
    assert!(sample.offsets[0][0].is_some() && sample.offsets[0][2].is_some());
    let named = |sample: &Sample| doubts(sample, 0, 1) == [Doubt::NoLeader];
    let sample = sampling.until("the reason", named).await;
    let lag = model::fold::lag(&sample);
    assert_eq!((lag.total(0), lag.total(1)), (None, Some(0)));
    assert_eq!(lag.unknown(0).unwrap(), format!("no leader for {} 1", inputs[0]));
    cluster.partition_leader(&inputs[0], 1, Some(1)).unwrap();
    sampling.until("all of them again", whole).await;
}

#[tokio::test]
async fn who_follows_a_topic_goes_on_with_partitions_that_are_added_and_when_it_is_made_anew() {
    let (made, topic) = Made::one(Topic::dead_letters).await;
    let cancel = CancellationToken::new();
    let _end = cancel.clone().drop_guard();
    let config =
        dead_letters::Config { topic: topic.clone(), ..dead_letters::Config::new(&made.brokers, "test") };
    let mut letters = dead_letters::follow(&config, |_| false, cancel.clone()).unwrap().tally;
    let mut counted = async |wanted: u64| {
        let is = |seen: &Option<model::dead_letters::DeadLetters>| {
            seen.as_ref().is_some_and(|seen| seen.count == wanted)
        };
        drop(within("the count", letters.wait_for(is)).await.unwrap());
    };
    made.produce(&topic, 1, 2).await;
    counted(2).await;
    made.grow(&topic, 4).await;
    made.produce(&topic, 3, 5).await;
    counted(7).await;
    made.make_anew(&Topic { partitions: 4, ..Topic::dead_letters(&topic) }).await;
    made.produce(&topic, 3, 1).await;
    made.produce(&topic, 1, 1).await;
    counted(9).await;
    made.delete().await;
}

#[tokio::test]
async fn sessions_of_a_partition_that_is_added_arrive_from_its_first_record_on() {
    let (made, topic) = Made::one(Topic::records).await;
    let cancel = CancellationToken::new();
    let _end = cancel.clone().drop_guard();
    let config = sessions::Config { topic: topic.clone(), ..sessions::Config::new(&made.brokers, "test") };
    let mut tail = sessions::tail(&config, |_| true, cancel.clone()).unwrap();
    let producer = || -> FutureProducer { made.config().create().unwrap() };
    let send = async |producer: &FutureProducer, partition, key: &str| {
        let record = FutureRecord::to(&topic).partition(partition).key(key).payload("value");
        producer.send(record, LIMIT).await.unwrap();
    };
    let before = producer();
    // Where the end was found is not visible, so one record after the other is sent until one arrives.
    within("the first session", async {
        while tail.try_recv().is_err() {
            send(&before, 0, "before").await;
        }
    })
    .await;
    made.grow(&topic, 5).await;
    // A producer of before does not know the new partitions yet.
    send(&producer(), 4, "after").await;
    let added = within("the session of the new partition", async {
        loop {
            let record = tail.recv().await.unwrap();
            if record.partition == 4 {
                return record;
            }
        }
    })
    .await;
    assert_eq!((added.offset, added.key.as_slice()), (0, &b"after"[..]));
    made.delete().await;
}

#[tokio::test]
async fn who_follows_the_control_topic_goes_on_when_it_is_made_anew() {
    let (made, topic) = Made::one(Topic::control).await;
    let cancel = CancellationToken::new();
    let _end = cancel.clone().drop_guard();
    let mut control = control::follow_topic(&made.brokers, "test", &topic, cancel.clone()).unwrap();
    let set = async |base| {
        let writer = control::ControlWriter::with_topic(&made.brokers, "test", &topic).unwrap();
        writer.set_load(&LoadSettings { base, ..LoadSettings::default() }).await.unwrap();
    };
    let mut is = async |base| {
        let is = |control: &control::Control| control.load.as_ref().is_some_and(|load| load.base == base);
        drop(within("the load", control.wait_for(is)).await.unwrap());
    };
    set(100).await;
    set(200).await;
    is(200).await;
    made.make_anew(&Topic::control(&topic)).await;
    set(300).await;
    is(300).await;
    made.delete().await;
}
