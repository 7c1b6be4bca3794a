//! What can be wrong with a seed, each kind by its type: the test tolerates one of them and no other.

use std::fmt::{self, Display};
use std::time::Duration;

/// No complaint shows more examples.
const EXAMPLES: usize = 10;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complaint {
    /// Records that the pods wrote are not those that had to come out.
    Output(Wrong, Examples),
    /// The inputs do not hold what was written: the broker has lost or doubled something, or the harness has a fault.
    Inputs {
        /// How many records are in the logs.
        read: usize,
        /// How many were written.
        written: usize,
    },
    /// A topic of the application's has fewer partitions than its inputs.
    TopicTooSmall {
        /// The topic.
        topic: String,
        /// How many partitions it has.
        partitions: u32,
        /// How many the inputs have.
        inputs: u32,
    },
    /// The group did not commit the ends of the inputs in time: topic, partition, committed offset, end.
    NotCommitted(Vec<String>),
    /// Fewer final sessions than expected some time after the last commit.
    NotFinal {
        /// How many there were.
        finals: usize,
        /// How many there had to be.
        expected: usize,
    },
    /// A pod ended by itself, or did not end when it was asked to.
    Pod {
        /// Its number.
        pod: u32,
        /// What was wrong with it.
        problem: String,
    },
    /// A transaction never ends, though its producer is gone and its timeout is over.
    OpenTransaction {
        /// The topic.
        topic: String,
        /// The partition; `None` for the group's offsets.
        partition: Option<u32>,
    },
    /// A partition with records and a living owner stood still for too long, and its owner said nothing.
    Silence {
        /// For how long.
        lasted: Duration,
        /// Which partition, and who owned it.
        partition: String,
    },
    /// No final session had to come out: nothing was compared.
    NothingCompared,
    /// The harness itself could not go on.
    Harness(String),
}

/// What is wrong with records that the pods wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// A final session is missing.
    FinalMissing,
    /// A final session that should not be.
    FinalUnexpected,
    /// A final session is not as it should be.
    FinalDifferent,
    /// A final session comes again.
    FinalTwice,
    /// A record does not decode as a session.
    NoSession,
    /// A session is under a wrong key or in a wrong partition.
    SessionMisplaced,
    /// An update comes after its final session.
    UpdateAfterFinal,
    /// An update holds more than its final session.
    UpdateOfMore,
    /// An update has a wrong number of hits.
    UpdateHits,
    /// A dead letter is missing.
    LetterMissing,
    /// A dead letter that should not be.
    LetterUnexpected,
    /// A dead letter has a wrong reason.
    LetterReason,
    /// A dead letter comes more often than it should.
    LetterTwice,
    /// A dead letter does not say where it comes from.
    LetterOrigin,
}

/// Some of the records with the same problem, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examples {
    /// The first ones.
    pub first: Vec<String>,
    /// How many there are in all.
    pub all: usize,
}

impl Complaint {
    /// The complaint about all these records, if there are any.
    pub(crate) fn about(wrong: Wrong, records: impl IntoIterator<Item = String>) -> Option<Self> {
        let mut records: Vec<String> = records.into_iter().collect();
        let all = records.len();
        records.truncate(EXAMPLES);
        (all > 0).then_some(Self::Output(wrong, Examples { first: records, all }))
    }
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FinalMissing => "missing",
            Self::FinalUnexpected => "unexpected",
            Self::FinalDifferent => "different",
            Self::FinalTwice => "final a second time",
            Self::NoSession => "not a session",
            Self::SessionMisplaced => "under a wrong key or in a wrong partition",
            Self::UpdateAfterFinal => "update after its final session",
            Self::UpdateOfMore => "update of more than the final session",
            Self::UpdateHits => "update with a wrong number of hits",
            Self::LetterMissing => "missing dead letter",
            Self::LetterUnexpected => "unexpected dead letter",
            Self::LetterReason => "dead letter for a wrong reason",
            Self::LetterTwice => "dead letter that comes twice",
            Self::LetterOrigin => "dead letter without its origin",
        })
    }
}

impl Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(wrong, Examples { first, all }) => {
                write!(f, "{all} times {wrong}")?;
                first.iter().try_for_each(|record| write!(f, "\n    {record}"))
            }
            Self::Inputs { read, written } => write!(f, "{read} records in the inputs, {written} written"),
            Self::TopicTooSmall { topic, partitions, inputs } => {
                write!(f, "{topic} has {partitions} partitions, its inputs have {inputs}")
            }
            Self::NotCommitted(behind) => write!(f, "not committed to the ends: {}", behind.join(", ")),
            Self::NotFinal { finals, expected } => {
                write!(f, "{finals} final sessions of {expected} long after the last commit")
            }
            Self::Pod { pod, problem } => write!(f, "pod-{pod} {problem}"),
            Self::OpenTransaction { topic, partition: Some(partition) } => {
                write!(f, "a transaction in {topic}/{partition} stays open")
            }
            Self::OpenTransaction { topic, partition: None } => {
                write!(f, "a transaction in the offsets of {topic} stays open")
            }
            Self::Silence { lasted, partition } => {
                write!(f, "{partition} stood still for {:.1} s without a word", lasted.as_secs_f64())
            }
            Self::NothingCompared => f.write_str("nothing was compared"),
            Self::Harness(error) => f.write_str(error),
        }
    }
}
