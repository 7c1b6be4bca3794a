//! The steps of a schedule.

use std::fmt;
use std::time::Duration;

use workload::Input;

/// A step and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed {
    /// From the beginning of the load.
    pub at: Duration,
    /// What is done.
    pub step: Step,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// To a pod, by its number.
    Pod(u32, Action),
    /// To Kafka.
    Kafka(Disturbance),
}

/// What is done to a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Starts it.
    Start,
    /// Waits until it is ready.
    Ready,
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Terminate,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Continue,
}

/// What is done to Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// SIGKILL for the only broker; its supervisor starts it again.
    KillBroker,
    /// SIGKILL for one of three brokers.
    KillNode(usize),
    /// Starts it again.
    StartNode(usize),
    /// Fills the brokers' disk.
    FillDisk,
    /// Frees it again.
    FreeDisk,
    /// Sets the group's offsets, when the last pod has left.
    SetCommits(Commits),
    /// Begins a transaction with malformed records in an input.
    Open(Input),
    /// Ends it.
    Close(Ending),
    /// Another consumer of an input joins the group, and commits what it reads.
    ForeignMemberJoins(Input),
    /// It leaves.
    ForeignMemberLeaves,
    /// The changelog refuses all but the smallest records.
    ShrinkChangelog,
    /// It takes them again.
    RestoreChangelog,
}

/// Where the group's offsets are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    /// Some way back, in some partitions to the beginning.
    Back,
    /// Beyond the ends of the logs.
    Ahead,
    /// Nowhere: they are deleted.
    Expired,
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its records do not count.
    Abort,
    /// They do.
    Commit,
}

/// What becomes of the topics of the inputs. The writer of the load does it, since it must know when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// So many partitions are added to both, one topic after the other; then there are records in those as well.
    Grow {
        /// From the beginning of the load.
        at: Duration,
        /// How many.
        more: u32,
    },
    /// One is deleted, when all of it is committed, and made anew.
    Recreate {
        /// From the beginning of the load.
        at: Duration,
        /// Which one.
        input: Input,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(pod, Action::Start) => write!(f, "start pod-{pod}"),
            Self::Pod(pod, Action::Ready) => write!(f, "wait until pod-{pod} is ready"),
            Self::Pod(pod, Action::Kill) => write!(f, "SIGKILL pod-{pod}"),
            Self::Pod(pod, Action::Terminate) => write!(f, "SIGTERM pod-{pod}"),
            Self::Pod(pod, Action::Stop) => write!(f, "SIGSTOP pod-{pod}"),
            Self::Pod(pod, Action::Continue) => write!(f, "SIGCONT pod-{pod}"),
            Self::Kafka(disturbance) => disturbance.fmt(f),
        }
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillBroker => f.write_str("SIGKILL the broker"),
            Self::KillNode(node) => write!(f, "SIGKILL broker {node}"),
            Self::StartNode(node) => write!(f, "start broker {node}"),
            Self::FillDisk => f.write_str("fill the disk"),
            Self::FreeDisk => f.write_str("free the disk"),
            Self::SetCommits(Commits::Back) => f.write_str("set the commits back"),
            Self::SetCommits(Commits::Ahead) => f.write_str("set the commits beyond the ends"),
            Self::SetCommits(Commits::Expired) => f.write_str("delete the commits"),
            Self::Open(input) => write!(f, "open a foreign transaction on the {input:?}"),
            Self::Close(Ending::Abort) => f.write_str("abort the foreign transaction"),
            Self::Close(Ending::Commit) => f.write_str("commit the foreign transaction"),
            Self::ForeignMemberJoins(input) => {
                write!(f, "a foreign member joins the group for the {input:?}")
            }
            Self::ForeignMemberLeaves => f.write_str("the foreign member leaves"),
            Self::ShrinkChangelog => f.write_str("let the changelog refuse large records"),
            Self::RestoreChangelog => f.write_str("let the changelog take records again"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grow { at, more } => {
                write!(f, "{:5.2} s  add {more} partitions to both inputs", at.as_secs_f64())
            }
            Self::Recreate { at, input } => {
                write!(f, "{:5.2} s  delete the {input:?} and make them anew", at.as_secs_f64())
            }
        }
    }
}
