//! What is done to pods and brokers while a load runs: steps at their times, drawn from the seed. The modules that draw
//! them are those of the themes: [`pods`], [`brokers`], [`topics`], [`group`].

mod brokers;
mod draft;
mod group;
mod pods;
mod step;
mod theme;
mod topics;

use std::fmt;

use rand::SeedableRng;
use rand::rngs::StdRng;

pub(crate) use brokers::NODES;
use draft::Draft;
pub use step::{Action, Change, Commits, Disturbance, Ending, Step, Timed};
pub(crate) use theme::Ground;
pub use theme::Theme;

/// The steps of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// What it is about.
    pub theme: Theme,
    /// How the pods share the partitions.
    pub protocol: Protocol,
    /// In the order of their times.
    pub steps: Vec<Timed>,
    /// What becomes of the inputs, if anything.
    pub change: Option<Change>,
}

/// How pods share the partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// KIP-848, the pods' default.
    Consumer,
    /// `--group-protocol classic`.
    Classic,
}

impl Schedule {
    /// The schedule of a seed. Of twenty seeds in a row four use the classic protocol, others than the twenty before.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let theme = Theme::of(seed);
        let protocol =
            if (seed + seed / 20).is_multiple_of(5) { Protocol::Classic } else { Protocol::Consumer };
        // Another sequence than the load's.
        let mut draft = Draft::new(StdRng::seed_from_u64(!seed));
        match theme {
            Theme::Chaos => draft.chaos(),
            Theme::Scale => draft.scale(),
            Theme::Upgrade => draft.upgrade(),
            Theme::Broker => draft.broker(),
            Theme::BrokerOfThree => draft.broker_of_three(),
            Theme::DiskFull => draft.disk_full(),
            Theme::PartitionsAdded => draft.partitions_added(),
            Theme::TopicRecreated => draft.topic_recreated(),
            Theme::CommitsBack => draft.commits(Commits::Back),
            Theme::CommitsAhead => draft.commits(Commits::Ahead),
            Theme::CommitsExpired => draft.commits(Commits::Expired),
            Theme::ForeignAborted => draft.foreign_transaction(Ending::Abort),
            Theme::ForeignCommitted => draft.foreign_transaction(Ending::Commit),
            Theme::ForeignMember => draft.foreign_member(),
            Theme::SmallChangelog => draft.small_changelog(),
            Theme::SlowConnections => draft.slow_connections(),
            Theme::Clocks => draft.clocks(),
        }
        let Draft { mut steps, change, .. } = draft;
        steps.sort_by_key(|timed| timed.at);
        Self { theme, protocol, steps, change }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { theme, protocol, steps, change } = self;
        write!(f, "{theme}, protocol {protocol:?}")?;
        if let Some(change) = change {
            write!(f, "\n  {change}")?;
        }
        steps.iter().try_for_each(|Timed { at, step }| write!(f, "\n  {:5.2} s  {step}", at.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests;
