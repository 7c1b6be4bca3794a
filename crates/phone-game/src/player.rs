//! One player: how fast they may hit, what they have hit, and what of it has come back.

use std::collections::VecDeque;
use std::net::IpAddr;

use model::Millis;
use model::bucket::Bucket;
use model::dead_letters::DeadLetter;
use model::play::{Direction, Impact, Key, Stage, TAPS_PER_SECOND, Tap};
use model::snapshot::short_name;
use workload::{EventTime, Hit};

use super::Returned;
use super::identity::Identity;

/// Taps on their way that are remembered; the room's limit and the timeout keep the sum of all players far lower.
const MAX_WAITING: usize = 300;
/// A tap that has not come back by then never will: its record was lost to retention or to a reset.
const LOST_AFTER_MS: Millis = 120_000;
/// Taps that have come back and are still shown.
const SHOWN: usize = 12;

/// Somebody who has joined.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) identity: Identity,
    /// Where from.
    pub(super) from: IpAddr,
    /// The last sign of life: a tap, or a stream that reads.
    pub(super) seen_ms: Millis,
    pub(super) score: u64,
    /// How long the last tap took that came back.
    pub(super) last_ms: Option<u32>,
    pub(super) bucket: Bucket,
    last_ts: EventTime,
    last_number: u32,
    /// In the order of their numbers; those that wait and the last ones that came back.
    sent: VecDeque<Sent>,
    /// The newest session that came back, and the last tap that was sent before: it may be here before Kafka's
    /// acknowledgement of the tap in it.
    returned: Option<(Returned, u32)>,
}

#[derive(Debug)]
struct Sent {
    tap: Tap,
    /// Of its frame: no other of this player has it.
    ts: EventTime,
    arrived_ms: Millis,
    /// `None` until Kafka has acknowledged the request.
    offset: Option<i64>,
    hurt: Option<String>,
    /// When this changed last, in the game's count of changes.
    revision: u64,
}

impl Player {
    pub(super) fn new(identity: Identity, from: IpAddr, now_ms: Millis) -> Self {
        Self {
            identity,
            from,
            seen_ms: now_ms,
            score: 0,
            last_ms: None,
            bucket: Bucket::new(TAPS_PER_SECOND, 2 * TAPS_PER_SECOND, now_ms),
            last_ts: EventTime::MIN,
            last_number: 0,
            sent: VecDeque::new(),
            returned: None,
        }
    }

    /// The time of the next frame: that of the server, but later than every one before.
    pub(super) fn next_ts(&mut self, now_ms: Millis) -> EventTime {
        let now = EventTime::try_from(now_ms).unwrap_or(EventTime::MAX);
        self.last_ts = now.max(self.last_ts.saturating_add(1));
        self.last_ts
    }

    /// Notes a tap that is about to be sent; gives back its number.
    pub(super) fn begin(
        &mut self,
        now_ms: Millis,
        ts: EventTime,
        (key, direction): (Key, Option<Direction>),
        hit: &Hit,
    ) -> u32 {
        self.last_number += 1;
        let tap = Tap {
            number: self.last_number,
            key,
            direction,
            impact: impact(hit),
            points: hit.score(),
            partition: 0,
            acked_ms: 0,
            stage: Stage::Waiting { ahead: None, since_ms: now_ms },
        };
        self.sent.push_back(Sent { tap, ts, arrived_ms: now_ms, offset: None, hurt: None, revision: 0 });
        if self.sent.len() > MAX_WAITING + SHOWN {
            self.sent.pop_front();
        }
        self.last_number
    }

    /// Kafka has the tap; what it looks like now.
    pub(super) fn acked(&mut self, now_ms: Millis, number: u32, ack: &Ack<'_>) -> Option<Tap> {
        let sent = self.sent.iter_mut().find(|sent| sent.tap.number == number)?;
        let acked_ms = now_ms.saturating_sub(sent.arrived_ms);
        sent.offset = Some(ack.offset);
        sent.revision = ack.revision;
        sent.hurt = ack.hurt.map(str::to_owned);
        sent.tap.partition = ack.partition;
        sent.tap.acked_ms = u32::try_from(acked_ms).unwrap_or(u32::MAX);
        sent.place(ack.position);
        if let Some((returned, last)) = self.returned.clone() {
            self.count(now_ms, ack.revision, &returned, last);
        }
        self.sent.iter().find(|sent| sent.tap.number == number).map(|sent| sent.tap.clone())
    }

    /// Kafka did not take the tap: it never was.
    pub(super) fn forget(&mut self, number: u32) {
        self.sent.retain(|sent| sent.tap.number != number);
    }

    /// A session of this player came back.
    pub(super) fn returned(&mut self, now_ms: Millis, revision: u64, returned: Returned) {
        self.count(now_ms, revision, &returned, self.last_number);
        if self.returned.as_ref().is_none_or(|(known, _)| known.rq_offset <= returned.rq_offset) {
            self.returned = Some((returned, self.last_number));
        }
    }

    /// The application has put a record of the tap with this time aside.
    pub(super) fn put_aside(&mut self, ts: EventTime, revision: u64, letter: DeadLetter) {
        let Some(sent) = self.sent.iter_mut().find(|sent| sent.ts == ts) else { return };
        match sent.tap.stage {
            Stage::Waiting { .. } => {}
            // A session with a higher offset, which came back sooner than the dead letter.
            Stage::Counted { .. } => self.score = self.score.saturating_sub(sent.tap.points.into()),
            Stage::PutAside { .. } => return,
        }
        sent.tap.stage = Stage::PutAside { reason: letter.reason, error: letter.error };
        sent.revision = revision;
    }

    /// The application has come to this position in a partition.
    pub(super) fn committed(&mut self, partition: u32, position: Option<u64>, revision: u64) {
        for sent in self.sent.iter_mut().filter(|sent| sent.is_in(partition)) {
            if sent.place(position) {
                sent.revision = revision;
            }
        }
    }

    /// The pod that worked on this partition died.
    pub(super) fn hurt(&mut self, partition: u32, pod: &str) {
        for sent in self.sent.iter_mut().filter(|sent| sent.is_in(partition)) {
            sent.hurt = Some(pod.to_owned());
        }
    }

    /// Forgets the taps that will never come back, and those that are not shown any more.
    pub(super) fn prune(&mut self, now_ms: Millis) {
        let newest = self.last_number;
        self.sent.retain(|sent| {
            let is_late = sent.arrived_ms + LOST_AFTER_MS < now_ms;
            let is_shown = sent.tap.number + u32::try_from(SHOWN).unwrap_or(u32::MAX) > newest;
            if sent.is_waiting() { !is_late } else { is_shown }
        });
    }

    /// Scores and taps are as if the player had just joined.
    pub(super) fn reset(&mut self) {
        self.score = 0;
        self.last_ms = None;
        self.sent.clear();
    }

    /// The taps that are shown, oldest first, if they changed after a revision.
    pub(super) fn taps(&self, since: u64) -> Vec<Tap> {
        let acked = self.sent.iter().filter(|sent| sent.offset.is_some());
        let skipped = acked.clone().count().saturating_sub(SHOWN);
        acked.skip(skipped).filter(|sent| sent.revision > since).map(|sent| sent.tap.clone()).collect()
    }

    /// Counts what is in a session that came back: no tap that was sent after it, whatever it says.
    fn count(&mut self, now_ms: Millis, revision: u64, returned: &Returned, last: u32) {
        for sent in self.sent.iter_mut().filter(|sent| sent.is_in(returned.partition)) {
            if sent.tap.number > last {
                continue;
            }
            if sent.offset.is_some_and(|offset| offset <= returned.rq_offset) {
                let total_ms = millis_between(sent.arrived_ms, now_ms);
                sent.tap.stage = Stage::Counted {
                    pod: short_name(&returned.pod).to_owned(),
                    joined_ms: millis_between(sent.arrived_ms, returned.joined_at_ms),
                    total_ms,
                    hurt: sent.hurt.take(),
                };
                sent.revision = revision;
                self.score += u64::from(sent.tap.points);
                self.last_ms = Some(total_ms);
            }
        }
    }
}

/// What Kafka's acknowledgement of a tap says, and what is known of its partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ack<'a> {
    pub(super) partition: u32,
    pub(super) offset: i64,
    /// Where the application is in the partition.
    pub(super) position: Option<u64>,
    /// The pod that died there, while nobody has taken its place.
    pub(super) hurt: Option<&'a str>,
    pub(super) revision: u64,
}

impl Sent {
    fn is_waiting(&self) -> bool {
        matches!(self.tap.stage, Stage::Waiting { .. })
    }

    fn is_in(&self, partition: u32) -> bool {
        self.is_waiting() && self.offset.is_some() && self.tap.partition == partition
    }

    /// Works the place in line out; whether it changed.
    fn place(&mut self, position: Option<u64>) -> bool {
        let offset = self.offset.and_then(|offset| u64::try_from(offset).ok());
        let now = offset.zip(position).map(|(offset, position)| offset.saturating_sub(position));
        match &mut self.tap.stage {
            Stage::Waiting { ahead, .. } if *ahead != now => {
                *ahead = now;
                true
            }
            _ => false,
        }
    }
}

fn millis_between(from_ms: Millis, to_ms: Millis) -> u32 {
    u32::try_from(to_ms.saturating_sub(from_ms)).unwrap_or(u32::MAX)
}

fn impact(hit: &Hit) -> Impact {
    match hit.impact_type {
        workload::ImpactType::Fatal => Impact::Fatal,
        workload::ImpactType::Critical => Impact::Critical,
        workload::ImpactType::Special => Impact::Special,
        workload::ImpactType::Direct => Impact::Direct,
        workload::ImpactType::Missed => Impact::Missed,
    }
}
