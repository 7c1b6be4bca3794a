//! What schedules are about, and which seed is about what.

use std::fmt;

/// What a schedule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Theme {
    /// Pods are killed, terminated, stopped for a while, added and taken away.
    Chaos,
    /// One pod becomes twelve, and one again.
    Scale,
    /// Each pod is replaced by a new one, one after the other.
    Upgrade,
    /// The only broker is killed and started again.
    Broker,
    /// One broker of three is killed, and started again some seconds later.
    BrokerOfThree,
    /// The disk of all brokers is full for ten seconds; they may die of it and are started again.
    DiskFull,
    /// Partitions are added to both inputs.
    PartitionsAdded,
    /// An input is deleted and made anew.
    TopicRecreated,
    /// While no pod runs, somebody sets the group's offsets back.
    CommitsBack,
    /// While no pod runs, somebody sets the group's offsets beyond the ends of the logs.
    CommitsAhead,
    /// While no pod runs, the group's offsets are deleted, as they are when they expire.
    CommitsExpired,
    /// Somebody else's transaction is open on an input for some seconds, and is aborted.
    ForeignAborted,
    /// Somebody else's transaction is open on an input for some seconds, and is committed: its records are malformed.
    ForeignCommitted,
    /// Another consumer joins the group for some seconds, and commits what it reads.
    ForeignMember,
    /// The changelog refuses all but the smallest records for some seconds.
    SmallChangelog,
    /// The pods' connections are slow, and break.
    SlowConnections,
    /// One writer's clock is ten seconds ahead of the other's, in a load of the present time.
    Clocks,
}

/// Which theme a seed has: seeds in a row take turns, so that twenty of them have every theme.
const TURNS: [Theme; 20] = [
    Theme::Chaos,
    Theme::PartitionsAdded,
    Theme::Scale,
    Theme::CommitsBack,
    Theme::Broker,
    Theme::Upgrade,
    Theme::ForeignAborted,
    Theme::TopicRecreated,
    Theme::ForeignMember,
    Theme::BrokerOfThree,
    Theme::Chaos,
    Theme::CommitsAhead,
    Theme::SmallChangelog,
    Theme::SlowConnections,
    Theme::DiskFull,
    Theme::ForeignCommitted,
    Theme::CommitsExpired,
    Theme::TopicRecreated,
    Theme::Clocks,
    Theme::Broker,
];

impl Theme {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 17] = [
        Self::Chaos,
        Self::Scale,
        Self::Upgrade,
        Self::Broker,
        Self::BrokerOfThree,
        Self::DiskFull,
        Self::PartitionsAdded,
        Self::TopicRecreated,
        Self::CommitsBack,
        Self::CommitsAhead,
        Self::CommitsExpired,
        Self::ForeignAborted,
        Self::ForeignCommitted,
        Self::ForeignMember,
        Self::SmallChangelog,
        Self::SlowConnections,
        Self::Clocks,
    ];

    /// The theme of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let turn = seed % TURNS.len() as u64;
        TURNS[usize::try_from(turn).unwrap_or(0)]
    }

    /// On which broker it is proved.
    #[must_use]
    pub(crate) fn ground(self) -> Ground {
        match self {
            Self::BrokerOfThree | Self::DiskFull => Ground::Cluster,
            Self::SlowConnections => Ground::Proxy,
            Self::Broker => Ground::Mortal,
            Self::Chaos
            | Self::Scale
            | Self::Upgrade
            | Self::PartitionsAdded
            | Self::TopicRecreated
            | Self::CommitsBack
            | Self::CommitsAhead
            | Self::CommitsExpired
            | Self::ForeignAborted
            | Self::ForeignCommitted
            | Self::ForeignMember
            | Self::SmallChangelog
            | Self::Clocks => Ground::Shared,
        }
    }

    /// Whether the load is written before the pods start, which then work slowly. A broker that is away for seconds
    /// would otherwise look like an input without records, and the outcome would depend on the clock.
    #[must_use]
    pub(crate) fn is_written_before(self) -> bool {
        matches!(self.ground(), Ground::Cluster | Ground::Mortal)
    }
}

/// On which broker a theme is proved, and who else may use it meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// The one broker, beside other seeds.
    Shared,
    /// The one broker, alone, since it is killed.
    Mortal,
    /// The one broker, which the pods reach through the proxy.
    Proxy,
    /// Three brokers of the proof's own.
    Cluster,
}

impl fmt::Display for Theme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chaos => "pods killed and stopped",
            Self::Scale => "pods scaled",
            Self::Upgrade => "pods upgraded",
            Self::Broker => "broker killed",
            Self::BrokerOfThree => "one broker of three killed",
            Self::DiskFull => "disk full",
            Self::PartitionsAdded => "partitions added",
            Self::TopicRecreated => "input made anew",
            Self::CommitsBack => "commits set back",
            Self::CommitsAhead => "commits set ahead",
            Self::CommitsExpired => "commits expired",
            Self::ForeignAborted => "foreign transaction aborted",
            Self::ForeignCommitted => "foreign transaction committed",
            Self::ForeignMember => "foreign member in the group",
            Self::SmallChangelog => "changelog refuses records",
            Self::SlowConnections => "slow connections",
            Self::Clocks => "clocks apart",
        })
    }
}
