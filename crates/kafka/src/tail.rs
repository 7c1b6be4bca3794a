//! A reader outside of any group that has all partitions of a topic, for as long as the process lives: what the
//! followers of one topic have in common.
//!
//! It takes in partitions that are added, and says what it cannot read. A consumer that stands still while its logs
//! grow is replaced, and the next one goes on where it was.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::Error;
use crate::client::{self, Answered, Brokers, PATIENCE, Renewing, Tracing};
use crate::layout::{self, Leaders};
use crate::sampler::list_offsets;

/// How long a follower's thread may sleep before it looks whether it should end.
const POLL: Duration = Duration::from_millis(100);
/// How often it looks for partitions that were added, and whether its consumer stands still.
const LOOK: Duration = Duration::from_secs(2);
/// The same while there is nothing to read yet.
const FIRST_LOOKS: Duration = Duration::from_millis(250);

/// What to read.
pub(crate) struct Tail<'a> {
    pub(crate) brokers: &'a Brokers,
    /// How the follower calls itself.
    pub(crate) client_id: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) from: From,
    /// How long the broker may hold a request back while there is no record.
    pub(crate) patience: Duration,
}

/// Where a follower begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// With the oldest record.
    Beginning,
    /// With what comes from now on.
    End,
}

/// What a follower hears.
pub(crate) enum Event<'a> {
    /// A record.
    Record(&'a BorrowedMessage<'a>),
    /// Every partition was read to its end once; said again when that becomes true again after partitions were added.
    CaughtUp,
}

/// Reads a topic.
pub(crate) struct Follower {
    topic: [String; 1],
    from: From,
    consumer: Renewing<BaseConsumer<Tracing>>,
    places: Vec<Place>,
    looked: Option<Instant>,
    /// What was said of what cannot be read, while it lasts.
    said: Option<String>,
}

/// Where the follower is in one partition.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// The next record to read; `None` while that is the consumer's to find out.
    next: Option<i64>,
    /// The log's end when it was last looked at.
    end: Option<i64>,
    /// What was heard of it since then.
    heard: Heard,
    /// Whether the log's end was heard of after the last record.
    is_at_end: bool,
    /// Since when there is more to read, and nothing was heard.
    waiting_since: Option<Instant>,
    is_caught_up: bool,
}

/// What was heard of a partition since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Heard {
    #[default]
    Nothing,
    Something,
}

impl Place {
    fn hear(&mut self, is_at_end: bool) {
        (self.heard, self.is_at_end, self.waiting_since) = (Heard::Something, is_at_end, None);
    }

    /// Compares it with the log's end, if that is known. A log that has grown since the last look may have been read
    /// since then: what ends a transaction is never heard of as a record.
    fn look(&mut self, end: Option<i64>, now: Instant) {
        let heard = std::mem::take(&mut self.heard);
        let Some(end) = end else { return };
        let has_grown = self.end.replace(end).is_some_and(|before| before != end);
        if heard == Heard::Nothing && (has_grown || !self.is_at_end) {
            self.waiting_since.get_or_insert(now);
        }
    }

    /// It is asked for anew.
    fn begin(&mut self) {
        (self.heard, self.is_at_end, self.waiting_since) = (Heard::Something, false, None);
    }
}

impl Tail<'_> {
    /// Makes the follower; what it reads, it finds out when it is first asked to.
    pub(crate) fn follower(&self) -> Result<Follower, Error> {
        let mut settings = client::reader(self.brokers, self.client_id);
        settings
            .set("group.id", self.client_id)
            .set("auto.offset.reset", if self.from == From::End { "latest" } else { "earliest" })
            .set("enable.partition.eof", "true")
            .set("fetch.min.bytes", "1")
            .set("fetch.wait.max.ms", self.patience.as_millis().to_string());
        Ok(Follower {
            topic: [self.topic.to_owned()],
            from: self.from,
            consumer: Renewing::new(move || client::create(&settings))?,
            places: Vec::new(),
            looked: None,
            said: None,
        })
    }
}

impl Follower {
    /// Waits a moment for the next record; blocks.
    pub(crate) fn step(&mut self, hear: &mut impl FnMut(Event<'_>)) {
        self.look_if_due();
        let (partition, is_at_end) = match self.consumer.get().poll(POLL) {
            Some(Ok(record)) => {
                hear(Event::Record(&record));
                (record.partition(), false)
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                if self.reached_end(partition) {
                    hear(Event::CaughtUp);
                }
                (partition, true)
            }
            Some(Err(error)) => {
                tracing::debug!(topic = self.topic[0], %error, "records do not arrive");
                return;
            }
            None => return,
        };
        if let Some(place) = self.place(partition) {
            place.hear(is_at_end);
        }
    }

    fn place(&mut self, partition: i32) -> Option<&mut Place> {
        self.places.get_mut(usize::try_from(partition).ok()?)
    }

    /// Whether that was the last partition whose end was not reached.
    fn reached_end(&mut self, partition: i32) -> bool {
        let Some(place) = self.place(partition) else { return false };
        let is_news = !std::mem::replace(&mut place.is_caught_up, true);
        is_news && self.places.iter().all(|place| place.is_caught_up)
    }

    fn look_if_due(&mut self) {
        let pause = if self.places.is_empty() { FIRST_LOOKS } else { LOOK };
        let asked = Instant::now();
        if self.looked.is_some_and(|looked| asked.duration_since(looked) < pause) {
            if self.places.is_empty() {
                std::thread::sleep(POLL);
            }
            return;
        }
        let trouble = match self.look(asked) {
            Ok(leaders) => self.unread(leaders.as_ref()),
            Err(error) => {
                self.consumer.note(asked, Answered::Partly);
                Some(error.to_string())
            }
        };
        self.looked = Some(Instant::now());
        self.say(trouble);
    }

    /// Takes in partitions that were added, and replaces a consumer that stands still.
    fn look(&mut self, asked: Instant) -> Result<Option<Leaders>, Error> {
        self.note_positions();
        let stands_still = self
            .places
            .iter()
            .any(|place| place.waiting_since.is_some_and(|since| since.elapsed() > PATIENCE));
        if stands_still {
            tracing::warn!(
                topic = self.topic[0],
                "a reader stands still while its log grows: it is replaced"
            );
            self.consumer.replace()?;
            self.assign()?;
        } else if self.consumer.renew()? {
            self.assign()?;
        }
        let consumer = self.consumer.get();
        let leaders = layout::leaders(consumer, &self.topic[0], client::SAMPLE_TIMEOUT)
            .map_err(Error::FetchMetadata)?;
        let Some(leaders) = leaders else { return Ok(None) };
        let ends = list_offsets(
            consumer,
            self.topic.iter().map(String::as_str),
            &[leaders.len()],
            Offset::End,
            client::SAMPLE_TIMEOUT,
        )
        .map_err(Error::ListOffsets)?;
        let ends = ends.elements().into_iter().map(|end| match (end.error(), end.offset()) {
            (Ok(()), Offset::Offset(offset)) => Some(offset),
            _ => None,
        });
        let ends: Vec<Option<i64>> = ends.collect();
        let is_whole = ends.iter().zip(&leaders).all(|(end, has_leader)| end.is_some() || !has_leader);
        self.consumer.note(asked, Answered::whole(is_whole));
        self.take_in(&ends)?;
        Ok(Some(leaders))
    }

    /// Remembers where the consumer is.
    fn note_positions(&mut self) {
        let Ok(positions) = self.consumer.get().position() else { return };
        for position in positions.elements() {
            if let (Some(place), Offset::Offset(next)) = (self.place(position.partition()), position.offset())
            {
                place.next = Some(next);
            }
        }
    }

    fn take_in(&mut self, ends: &[Option<i64>]) -> Result<(), Error> {
        let mut is_anew = false;
        let now = Instant::now();
        for (place, end) in self.places.iter_mut().zip(ends) {
            place.look(*end, now);
            if end.zip(place.next).is_some_and(|(end, next)| end < next) {
                (place.next, is_anew) = (Some(0), true);
            }
        }
        if is_anew {
            tracing::warn!(topic = self.topic[0], "the topic was made anew: it is read from its beginning");
        }
        if ends.len() == self.places.len() {
            return if is_anew { self.assign() } else { Ok(()) };
        }
        let is_first = self.places.is_empty();
        if !is_first {
            let (topic, before, now) = (&self.topic[0], self.places.len(), ends.len());
            tracing::info!(topic, before, now, "the number of partitions has changed");
        }
        self.places.truncate(ends.len());
        for end in &ends[self.places.len()..] {
            // All that is in a partition that was added came after we began.
            let next = if is_first && self.from == From::End { *end } else { Some(0) };
            self.places.push(Place { next, end: *end, ..Place::default() });
        }
        self.assign()
    }

    fn assign(&mut self) -> Result<(), Error> {
        let failed = |source| Error::Assign { topic: self.topic[0].clone(), source };
        let mut assignment = TopicPartitionList::with_capacity(self.places.len());
        for (partition, place) in (0..).zip(&mut self.places) {
            let from = match (place.next, self.from) {
                // By name, since the oldest record may not be the first.
                (Some(0), _) | (None, From::Beginning) => Offset::Beginning,
                (Some(next), _) => Offset::Offset(next),
                (None, From::End) => Offset::End,
            };
            assignment.add_partition_offset(&self.topic[0], partition, from).map_err(failed)?;
            place.begin();
        }
        self.consumer.get().assign(&assignment).map_err(failed)
    }

    /// What cannot be read now.
    fn unread(&self, leaders: Option<&Leaders>) -> Option<String> {
        let Some(leaders) = leaders else { return Some("there is no such topic".to_owned()) };
        let lacking = (0..).zip(leaders).filter(|(_, has_leader)| !**has_leader);
        let lacking: Vec<u32> = lacking.map(|(partition, _)| partition).collect();
        (!lacking.is_empty())
            .then(|| format!("no leader for the partitions {}", model::figures::ranges(&lacking)))
    }

    fn say(&mut self, trouble: Option<String>) {
        let topic = &self.topic[0];
        match (&self.said, &trouble) {
            (None, Some(reason)) => tracing::warn!(topic, reason, "waiting for records"),
            (Some(_), None) => tracing::info!(topic, "all partitions are read"),
            _ => {}
        }
        self.said = trouble;
    }
}

/// A header that is text; `None` where it is missing or is not text.
pub(crate) fn header<'a>(record: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a str> {
    let found = record.headers()?.iter().find(|header| header.key == name)?;
    std::str::from_utf8(found.value?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_waiting(place: &mut Place, end: i64) -> bool {
        place.look(Some(end), Instant::now());
        place.waiting_since.is_some()
    }

    #[test]
    fn a_log_that_was_read_between_two_looks_is_not_waited_for() {
        let mut place = Place::default();
        place.begin();
        place.hear(true);
        assert!(!is_waiting(&mut place, 7));
        // A record and what ended its transaction, and then nothing more.
        place.hear(false);
        place.hear(true);
        assert!(!is_waiting(&mut place, 9));
        assert!((0..9).all(|_| !is_waiting(&mut place, 9)));
    }

    #[test]
    fn a_log_that_grows_in_silence_or_was_left_in_the_middle_is_waited_for() {
        let mut place = Place::default();
        place.begin();
        place.hear(true);
        assert!(!is_waiting(&mut place, 7));
        assert!(is_waiting(&mut place, 8), "it has grown");
        place.hear(false);
        assert!(!is_waiting(&mut place, 9));
        assert!(is_waiting(&mut place, 9), "its end was not heard of");
        place.look(None, Instant::now());
        assert!(place.waiting_since.is_some(), "an end that is not known changes nothing");
        place.begin();
        assert!(!is_waiting(&mut place, 9), "it has only begun");
        assert!(is_waiting(&mut place, 9));
    }
}
