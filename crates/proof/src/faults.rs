//! What is done to Kafka while a load runs.

pub(crate) mod change;
mod changelog;
mod commits;
mod foreign_member;
mod transaction;

use anyhow::{Context, Result};
use kafka::Brokers;

use crate::broker;
use crate::cluster::Cluster;
use crate::load::Load;
use crate::names::Names;
use crate::schedule::{Disturbance, Protocol};
use crate::setup::Setup;
use foreign_member::ForeignMember;
use transaction::Transaction;

/// Kafka as a schedule sees it, and what is done to it now.
pub(crate) struct Faults<'a> {
    setup: &'a Setup,
    /// The three brokers, where the schedule runs on those.
    cluster: Option<&'a Cluster>,
    brokers: &'a Brokers,
    names: &'a Names,
    load: &'a Load,
    seed: u64,
    protocol: Protocol,
    transaction: Option<Transaction>,
    foreign_member: Option<ForeignMember>,
    /// How many records of somebody else's count.
    foreign_records: usize,
}

impl<'a> Faults<'a> {
    pub(crate) fn new(
        setup: &'a Setup,
        cluster: Option<&'a Cluster>,
        brokers: &'a Brokers,
        names: &'a Names,
        load: &'a Load,
        (seed, protocol): (u64, Protocol),
    ) -> Self {
        Self {
            setup,
            cluster,
            brokers,
            names,
            load,
            seed,
            protocol,
            transaction: None,
            foreign_member: None,
            foreign_records: 0,
        }
    }

    /// How many records of somebody else's are in the inputs and count.
    pub(crate) fn foreign_records(&self) -> usize {
        self.foreign_records
    }

    /// Does what a step says.
    pub(crate) async fn apply(&mut self, disturbance: Disturbance) -> Result<()> {
        let Self { setup, brokers, names, load, seed, protocol, .. } = *self;
        let partitions = load.partitions;
        match disturbance {
            Disturbance::KillBroker => {
                broker::kill(setup.broker_pid_file.as_deref().context("nobody starts the broker again")?)
            }
            Disturbance::KillNode(node) => self.cluster()?.kill(node),
            Disturbance::StartNode(node) => {
                self.cluster()?.start_again(node);
                Ok(())
            }
            Disturbance::FillDisk => self.cluster()?.fill_disk().await,
            Disturbance::FreeDisk => self.cluster()?.free_disk().await,
            Disturbance::SetCommits(commits) => commits::set(brokers, names, partitions, commits, seed).await,
            Disturbance::Open(input) => {
                let transaction = Transaction::open(brokers, names, input, partitions, seed).await?;
                self.transaction = Some(transaction);
                Ok(())
            }
            Disturbance::Close(ending) => match self.transaction.take() {
                Some(transaction) => {
                    self.foreign_records += transaction.close(ending).await?;
                    Ok(())
                }
                None => Ok(()),
            },
            Disturbance::ForeignMemberJoins(input) => {
                // What it commits where no pod ever has is told by count, and lost: that is no schedule's end.
                broker::first_commits(brokers, names, input, load.partitions_of(input)).await?;
                self.foreign_member = Some(ForeignMember::join(brokers, names, input, protocol)?);
                Ok(())
            }
            Disturbance::ForeignMemberLeaves => match self.foreign_member.take() {
                Some(foreign_member) => foreign_member.leave().await,
                None => Ok(()),
            },
            Disturbance::ShrinkChangelog => changelog::shrink(brokers, names).await,
            Disturbance::RestoreChangelog => changelog::restore(brokers, names).await,
        }
    }

    fn cluster(&self) -> Result<&Cluster> {
        self.cluster.context("there are no three brokers")
    }
}
