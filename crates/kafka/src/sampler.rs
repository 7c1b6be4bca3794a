//! The sampler: every 250 ms, how far a group has come in its topics and how long their logs are.
//!
//! It runs on threads of its own and publishes into a `watch` channel; there is one, however many people look. When
//! Kafka does not answer it keeps the last sample, says since when and why, and goes on asking. How many partitions
//! there are, and the group's members, are asked for on threads of their own, so that a slow answer never delays the
//! offsets.

mod offsets;
mod partitions;
mod telling;
mod timings;

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::lag::{Memory, Outage, Sampled};
use model::topics::{Tasks, Topic, Topics};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use workload::Input;

use crate::client::{self, Brokers};
use crate::groups::{self, GroupDescription};
use crate::{Error, now_ms};
use offsets::Offsets;
pub(crate) use offsets::list_offsets;
use partitions::Partitions;
use telling::Telling;
pub use timings::Timings;

/// The longest pause between two attempts during an outage: a broker that is back is seen within a second.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How often to look, at the start, whether it is known how many partitions there are.
const FIRST_ANSWER: Duration = Duration::from_millis(5);

/// How often to sample, where nothing else is said.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// What to sample, and how often.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where Kafka is.
    pub brokers: Brokers,
    /// The group whose lag it is.
    pub group_id: String,
    /// The topics that it reads.
    pub topics: Arc<Topics>,
    /// The time from one sample to the next.
    pub interval: Duration,
}

impl Config {
    /// The demo's group and its two joined topics, four times a second.
    #[must_use]
    pub fn of_the_demo(brokers: &Brokers) -> Self {
        Self {
            brokers: brokers.clone(),
            group_id: workload::topics::GROUP_ID.to_owned(),
            topics: Arc::new(demo_topics()),
            interval: INTERVAL,
        }
    }
}

/// The topics that the demo's application joins.
#[must_use]
pub fn demo_topics() -> Topics {
    let topic =
        |input: Input| Topic { name: input.topic().to_owned(), records: Some(input.noun().to_owned()) };
    Topics { list: Input::ALL.map(topic).to_vec(), tasks: Tasks::Joined }
}

/// What a running sampler publishes. Its threads end when `cancel` fires or nobody receives the samples any more.
#[derive(Debug, Clone)]
pub struct Sampler {
    /// A new value after every attempt; `changed()` fails when the sampler has ended.
    pub sampled: watch::Receiver<Sampled>,
    /// How long samples take.
    pub timings: watch::Receiver<Timings>,
}

/// Starts to sample.
pub fn start(config: Config, cancel: CancellationToken) -> Result<Sampler, Error> {
    let config = Arc::new(config);
    let (samples, sampled) = watch::channel(Sampled::default());
    let (durations, timings) = watch::channel(Timings::default());
    let (groups, group) = watch::channel(None);
    let (layouts, partitions) = watch::channel(Partitions::default());
    let run = Run {
        config: Arc::clone(&config),
        offsets: Offsets::new(Arc::clone(&config), partitions.clone())?,
        partitions,
        group,
        memory: Memory::default(),
        telling: Telling::default(),
        samples,
        durations,
        cancel: cancel.clone(),
    };
    spawn("kafka-sampler", move || run.run())?;
    let (of_layouts, until) = (Arc::clone(&config), cancel.clone());
    spawn("kafka-partitions", move || {
        partitions::follow(&of_layouts, &layouts, || until.is_cancelled() || layouts.is_closed());
    })?;
    spawn("kafka-group", move || describe(&config, &groups, &cancel))?;
    Ok(Sampler { sampled, timings })
}

fn spawn(name: &'static str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map(drop)
        .map_err(|source| Error::SpawnThread { name, source })
}

/// All that the sampling thread owns.
struct Run {
    config: Arc<Config>,
    offsets: Offsets,
    partitions: watch::Receiver<Partitions>,
    group: watch::Receiver<Option<GroupDescription>>,
    /// What is remembered from sample to sample.
    memory: Memory,
    telling: Telling,
    samples: watch::Sender<Sampled>,
    durations: watch::Sender<Timings>,
    cancel: CancellationToken,
}

impl Run {
    fn run(mut self) {
        let mut next = Instant::now();
        let mut failures = 0;
        while self.partitions.borrow().is_awaited() && !self.has_ended() {
            std::thread::sleep(FIRST_ANSWER);
        }
        while !self.has_ended() {
            let succeeded = self.attempt();
            failures = if succeeded { 0 } else { failures + 1 };
            // Ticks keep their distance; after a slow attempt the missed ones are left out.
            next = (next + self.pause(failures)).max(Instant::now());
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    fn has_ended(&self) -> bool {
        self.cancel.is_cancelled() || self.samples.is_closed()
    }

    fn pause(&self, failures: u32) -> Duration {
        match failures {
            0 | 1 => self.config.interval,
            _ => (self.config.interval * failures).min(LONGEST_PAUSE.max(self.config.interval)),
        }
    }

    /// Takes one sample and publishes it, or why there is none.
    fn attempt(&mut self) -> bool {
        let (started_ms, started) = (now_ms(), Instant::now());
        let sample = self.offsets.sample(self.group.borrow().clone());
        let took = started.elapsed();
        self.durations.send_modify(|timings| timings.add(sample.is_ok().then_some(took)));
        match sample {
            Ok(mut sample) => {
                self.memory.look(&mut sample);
                self.telling.tell(&sample);
                let sampled = Sampled { sample: Some(sample), outage: None };
                if self.samples.send_replace(sampled).outage.is_some() {
                    tracing::info!("Kafka answers the sampler again");
                }
                true
            }
            Err(error) => {
                self.samples.send_modify(|sampled| fail(sampled, started_ms, &error));
                false
            }
        }
    }
}

/// Keeps the last sample, and when it all began.
fn fail(sampled: &mut Sampled, started_ms: model::Millis, error: &Error) {
    let reason = error.to_string();
    match &mut sampled.outage {
        Some(outage) => outage.reason = reason,
        none => {
            tracing::warn!(%error, "Kafka does not answer the sampler");
            *none = Some(Outage { since_ms: started_ms, reason });
        }
    }
}

/// Asks for the group's members at the sampler's pace. An unanswered question leaves the owners unknown.
fn describe(config: &Config, groups: &watch::Sender<Option<GroupDescription>>, cancel: &CancellationToken) {
    let publish = |group| drop(groups.send_replace(group));
    let ended = || cancel.is_cancelled() || groups.is_closed();
    let client = client::base(&config.brokers, "sampler-group");
    groups::follow(&client, &config.group_id, config.interval, publish, ended);
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::lag::Sample;

    #[test]
    fn an_outage_keeps_the_last_sample_and_its_own_beginning() {
        let sample = Sample {
            sampled_ms: 1,
            topics: Arc::default(),
            offsets: Vec::new(),
            doubts: Vec::new(),
            group: None,
        };
        let mut sampled = Sampled { sample: Some(sample.clone()), outage: None };
        let error =
            |reason: &str| Error::DescribeGroup { group_id: "g".to_owned(), reason: reason.to_owned() };
        fail(&mut sampled, 10, &error("first"));
        fail(&mut sampled, 20, &error("second"));
        assert_eq!(sampled.sample, Some(sample));
        let outage = sampled.outage.unwrap();
        assert_eq!(outage.since_ms, 10);
        assert!(outage.reason.contains("second"));
    }
}
