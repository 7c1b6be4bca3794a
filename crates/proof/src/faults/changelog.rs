//! A changelog that refuses all but the smallest records.

use anyhow::{Result, bail};
use kafka::Brokers;
use kafka::rdkafka::admin::{AdminOptions, AlterConfig, ResourceSpecifier};

use crate::broker::{self, SETTINGS};
use crate::names::Names;

/// Not even an empty block fits.
const TINY: &str = "100";
/// Kafka's default, with which all blocks fit.
const USUAL: &str = "1048588";

pub(super) async fn shrink(brokers: &Brokers, names: &Names) -> Result<()> {
    allow(brokers, names, TINY).await
}

pub(super) async fn restore(brokers: &Brokers, names: &Names) -> Result<()> {
    allow(brokers, names, USUAL).await
}

/// Sets `max.message.bytes`. What else was set when the topic was made has to be set again.
async fn allow(brokers: &Brokers, names: &Names, bytes: &str) -> Result<()> {
    let topic = names.changelog();
    let config = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("max.message.bytes", bytes);
    let config = SETTINGS.iter().fold(config, |config, (key, value)| config.set(key, value));
    let results = broker::admin(brokers)?.alter_configs([&config], &AdminOptions::new()).await?;
    match results.into_iter().find_map(Result::err) {
        Some((_, code)) => bail!("cannot set {topic}'s max.message.bytes: {code}"),
        None => Ok(()),
    }
}
