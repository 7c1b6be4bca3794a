//! Measures how long a partition with records and a living owner stood still without a word from that owner.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kafka::rdkafka::TopicPartitionList;
use kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use kafka::rdkafka::error::KafkaResult;
use kafka::rdkafka::topic_partition_list::{Offset, TopicPartitionListElem};
use kafka::{Brokers, client, groups};
use tokio::task::JoinHandle;
use workload::Input;

use crate::broker;
use crate::names::Names;
use crate::pods::Awake;

/// How often to look.
const LOOK: Duration = Duration::from_millis(500);
const ANSWER: Duration = Duration::from_millis(1_500);
/// A look that failed, or took longer, says nothing about the time before it.
const GAP: Duration = Duration::from_secs(2);

/// A partition of an input.
type Partition = (String, i32);

/// The longest silence so far, and where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// How long.
    pub lasted: Duration,
    /// Which partition, and its owner; nothing while no partition has stood still.
    pub partition: String,
}

/// Who watches, while it runs.
pub(crate) struct Watch {
    longest: Arc<Mutex<Option<Silence>>>,
    watching: JoinHandle<()>,
}

impl Watch {
    /// Begins to watch a group.
    pub(crate) fn start(brokers: &Brokers, names: &Names, awake: Awake, logs: PathBuf) -> Self {
        let longest = Arc::default();
        let watching = tokio::spawn(watch(brokers.clone(), names.clone(), awake, logs, Arc::clone(&longest)));
        Self { longest, watching }
    }

    /// The longest silence; `None` when there was never a look.
    pub(crate) fn end(self) -> Option<Silence> {
        self.watching.abort();
        self.longest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

async fn watch(
    brokers: Brokers,
    names: Names,
    awake: Awake,
    logs: PathBuf,
    longest: Arc<Mutex<Option<Silence>>>,
) {
    let (mut standing, mut words) = (Standing::default(), Words::new(logs));
    let mut eyes = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let begin = Instant::now();
        let observation = look(&brokers, &names, eyes.take()).await;
        let Ok((again, observation)) = observation.inspect_err(|_| standing = Standing::default()) else {
            continue;
        };
        eyes = Some(again);
        let owners: HashMap<Partition, String> = observation.owners;
        let living = |partition: &Partition| owners.get(partition).filter(|owner| awake.has(owner)).cloned();
        let now = Instant::now();
        if now - begin > GAP {
            standing = Standing::default();
            continue;
        }
        for owner in owners.values() {
            words.listen(owner, now);
        }
        let silence =
            standing.note(now, &observation.positions, living, |owner, since| words.first(owner, since));
        let mut longest = longest.lock().unwrap_or_else(PoisonError::into_inner);
        if longest.as_ref().is_none_or(|longest| silence.lasted > longest.lasted) {
            *longest = Some(silence);
        }
    }
}

/// What is seen at one look.
struct Observation {
    /// Committed offset and readable end of each partition.
    positions: BTreeMap<Partition, (i64, i64)>,
    owners: HashMap<Partition, String>,
}

/// The clients that look; they are made anew after a failure.
struct Eyes {
    committed: BaseConsumer,
    ends: BaseConsumer,
}

async fn look(brokers: &Brokers, names: &Names, eyes: Option<Eyes>) -> Result<(Eyes, Observation)> {
    let eyes = match eyes {
        Some(eyes) => eyes,
        None => Eyes {
            committed: client::sampling(brokers, "proof", names.group()).create()?,
            ends: client::reader(brokers, "proof").set("group.id", "proof").create()?,
        },
    };
    let topics = Input::ALL.map(|input| names.input(input));
    let asked = tokio::task::spawn_blocking(move || ask(&eyes, &topics).map(|positions| (eyes, positions)));
    let (positions, group) = tokio::join!(asked, groups::describe(brokers, names.group()));
    let (eyes, positions) = positions??;
    let mut owners = HashMap::new();
    for member in group?.members {
        for (topic, partition) in member.assignment {
            owners.insert((topic, i32::try_from(partition)?), member.client_id.clone());
        }
    }
    Ok((eyes, Observation { positions, owners }))
}

fn ask(eyes: &Eyes, topics: &[String; 2]) -> Result<BTreeMap<Partition, (i64, i64)>> {
    let mut list = TopicPartitionList::new();
    for topic in topics {
        for partition in 0..broker::partitions(&eyes.ends, topic)? {
            list.add_partition_offset(topic, i32::try_from(partition)?, Offset::End)?;
        }
    }
    let offsets = |list: KafkaResult<TopicPartitionList>| -> KafkaResult<BTreeMap<Partition, Option<i64>>> {
        let list = list?;
        let offset = |element: TopicPartitionListElem<'_>| {
            element.error()?;
            let offset = element.offset().to_raw().filter(|&offset| offset >= 0);
            Ok(((element.topic().to_owned(), element.partition()), offset))
        };
        list.elements().into_iter().map(offset).collect()
    };
    let committed = offsets(eyes.committed.committed_offsets(list.clone(), ANSWER))?;
    let mut positions = BTreeMap::new();
    for (partition, end) in offsets(eyes.ends.offsets_for_times(list, ANSWER))? {
        let end = end.with_context(|| format!("the end of {}/{} is unknown", partition.0, partition.1))?;
        // Nothing committed is the beginning.
        let position = committed.get(&partition).copied().flatten().unwrap_or(0);
        positions.insert(partition, (position, end));
    }
    Ok(positions)
}

/// Since when partitions stand still.
#[derive(Debug, Default)]
struct Standing(BTreeMap<Partition, Since>);

#[derive(Debug)]
struct Since {
    committed: i64,
    owner: String,
    at: Instant,
}

impl Standing {
    /// Takes note of a look. The longest silence that ends with it.
    fn note(
        &mut self,
        now: Instant,
        positions: &BTreeMap<Partition, (i64, i64)>,
        owner: impl Fn(&Partition) -> Option<String>,
        first_word: impl Fn(&str, Instant) -> Option<Instant>,
    ) -> Silence {
        let mut longest = Silence { lasted: Duration::ZERO, partition: String::new() };
        let mut standing = BTreeMap::new();
        for (partition, &(committed, end)) in positions {
            let Some(owner) = owner(partition).filter(|_| committed < end) else { continue };
            let before = self.0.remove(partition).filter(|it| it.committed == committed && it.owner == owner);
            let since = before.unwrap_or(Since { committed, owner, at: now });
            let lasted = first_word(&since.owner, since.at).unwrap_or(now) - since.at;
            if lasted > longest.lasted {
                let (topic, number) = partition;
                let Since { owner, .. } = &since;
                let partition = format!("{topic}/{number} of {owner}, at {committed} of {end},");
                longest = Silence { lasted, partition };
            }
            standing.insert(partition.clone(), since);
        }
        self.0 = standing;
        longest
    }
}

/// When pods warned of something, by their logs.
struct Words {
    logs: PathBuf,
    heard: HashMap<String, Heard>,
}

#[derive(Default)]
struct Heard {
    /// So much of the log was read.
    bytes: usize,
    words: Vec<Instant>,
}

impl Words {
    fn new(logs: PathBuf) -> Self {
        Self { logs, heard: HashMap::new() }
    }

    fn listen(&mut self, pod: &str, now: Instant) {
        let heard = self.heard.entry(pod.to_owned()).or_default();
        let log = read(&self.logs.join(format!("{pod}.log")));
        let new = log.get(heard.bytes..).unwrap_or_default();
        if new.lines().any(is_warning) {
            heard.words.push(now);
        }
        heard.bytes = log.len();
    }

    /// The first word since a time: from then on it is known that something is wrong.
    fn first(&self, pod: &str, since: Instant) -> Option<Instant> {
        self.heard.get(pod)?.words.iter().copied().find(|&word| word >= since)
    }
}

fn read(log: &Path) -> String {
    // No log is no word.
    std::fs::read(log).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A line of the log begins with its time, and then says how bad it is.
fn is_warning(line: &str) -> bool {
    matches!(line.split_whitespace().nth(1), Some("WARN" | "ERROR"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, committed: i64, end: i64) -> BTreeMap<Partition, (i64, i64)> {
        BTreeMap::from([(("rq".to_owned(), partition), (committed, end))])
    }

    #[test]
    fn silence_lasts_from_the_last_step_to_the_first_word_while_the_owner_lives() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let owner = |_: &Partition| Some("pod-1".to_owned());
        let mut standing = Standing::default();
        let mut lasted =
            |seconds: u32, positions, owner: &dyn Fn(&Partition) -> Option<String>, word: Option<u32>| {
                let word = word.map(|word| start + word * second);
                let word = |_: &str, since: Instant| word.filter(|&word| word >= since);
                standing.note(start + seconds * second, &positions, owner, word).lasted
            };
        assert_eq!(lasted(0, at(0, 5, 9), &owner, None), Duration::ZERO);
        assert_eq!(lasted(2, at(0, 5, 10), &owner, None), 2 * second);
        assert_eq!(lasted(3, at(0, 5, 10), &owner, Some(1)), second);
        assert_eq!(lasted(4, at(0, 6, 10), &owner, None), Duration::ZERO);
        assert_eq!(lasted(6, at(0, 6, 10), &|_| None, None), Duration::ZERO, "nobody owns it");
        assert_eq!(lasted(8, at(0, 6, 10), &owner, None), Duration::ZERO);
        assert_eq!(lasted(9, at(0, 6, 6), &owner, None), Duration::ZERO, "it has no records");
    }

    #[test]
    fn a_warning_is_told_by_its_level() {
        assert!(is_warning("2026-11-29T09:00:00.000000Z  WARN streams::restore: waiting"));
        assert!(!is_warning("2026-11-29T09:00:00.000000Z  INFO streams: WARN is a word"));
    }
}
