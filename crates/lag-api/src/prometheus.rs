//! Lag for Prometheus, under the names of the demo's first version. What is unknown has no sample; how old the newest sample is,
//! is a gauge of its own.

use std::fmt;

use model::lag::PartitionOffsets;
use model::scaling::LagView;
use model::{Input, Millis};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::look::{Look, Sources};
use crate::values::GroupMetric;

/// Whether a gauge is the distance to the log's end or to its start.
#[derive(Debug, Clone, Copy)]
enum Distance {
    Lag,
    Lead,
}

/// Looks when it is scraped.
#[derive(Debug)]
pub struct LagCollector {
    sources: Sources,
    started_ms: Millis,
}

impl LagCollector {
    /// Reads from these sources.
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        let started_ms = sources.clock.now_ms();
        Self { sources, started_ms }
    }
}

impl Collector for LagCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let look = self.sources.look();
        for distance in [Distance::Lag, Distance::Lead] {
            for input in Input::ALL {
                encode_partitions(&mut encoder, &look, distance, input)?;
            }
        }
        encode_group(&mut encoder, &look)?;
        let since_ms = look.sampled_ms().unwrap_or(self.started_ms);
        let age = std::time::Duration::from_millis(look.now_ms.saturating_sub(since_ms));
        let age = ConstGauge::new(age.as_secs_f64());
        let help = "Time since the newest sample of Kafka; since the start, before the first";
        age.encode(encoder.encode_descriptor(
            "lag_api_sample_age",
            help,
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?)
    }
}

/// One gauge, with a sample a partition: of its owner, where the lag and the owners are known.
fn encode_partitions(
    encoder: &mut DescriptorEncoder,
    look: &Look,
    distance: Distance,
    input: Input,
) -> Result<(), fmt::Error> {
    let name = match (distance, input) {
        (Distance::Lag, Input::Requests) => "consumer_lag_game_frame_rq",
        (Distance::Lag, Input::Responses) => "consumer_lag_game_frame_rs",
        (Distance::Lead, Input::Requests) => "consumer_lead_game_frame_rq",
        (Distance::Lead, Input::Responses) => "consumer_lead_game_frame_rs",
    };
    let (metric, help) = match distance {
        Distance::Lag => ("records-lag", "Records between the group's commit and the log's end"),
        Distance::Lead => ("records-lead", "Records between the log's start and the group's commit"),
    };
    let mut gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    let Some((sample, view)) = look.owned_sample() else { return Ok(()) };
    for (partition, offsets) in sample.offsets(input).iter().enumerate() {
        let Some(value) = records(distance, input, partition, offsets.as_ref(), view) else { continue };
        let labels = [
            ("client", owner(view, partition).to_owned()),
            ("partition", partition.to_string()),
            ("topic", input.topic().to_owned()),
            ("metric", metric.to_owned()),
        ];
        ConstGauge::new(value).encode(gauge.encode_family(&labels)?)?;
    }
    Ok(())
}

fn records(
    distance: Distance,
    input: Input,
    partition: usize,
    offsets: Option<&PartitionOffsets>,
    view: &LagView,
) -> Option<i64> {
    match distance {
        Distance::Lag => {
            view.lag.partitions(input).get(partition).copied().flatten().map(i64::try_from)?.ok()
        }
        Distance::Lead => {
            let offsets = offsets?;
            Some((offsets.committed_offset? - offsets.log_start_offset).max(0))
        }
    }
}

/// The owner's name; empty while nobody owns the partition.
fn owner(view: &LagView, partition: usize) -> &str {
    let owners = view.group.as_ref().map(|group| group.owners.as_slice()).unwrap_or_default();
    owners.get(partition).and_then(Option::as_deref).unwrap_or_default()
}

fn encode_group(encoder: &mut DescriptorEncoder, look: &Look) -> Result<(), fmt::Error> {
    for (metric, help) in [
        (GroupMetric::Lag, "Records that the group owes of a topic"),
        (GroupMetric::Total, "Records that the group owes"),
        (GroupMetric::MaxPartition, "The largest lag of a topic's partitions"),
    ] {
        let mut gauge = encoder.encode_descriptor(metric.name(), help, None, MetricType::Gauge)?;
        for series in look.group_values(metric).unwrap_or_default() {
            let labels: Vec<(String, String)> = series.labels.into_iter().collect();
            let value = i64::try_from(series.value).unwrap_or(i64::MAX);
            ConstGauge::new(value).encode(gauge.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::testing::{sampled, sources};

    fn scrape(sources: Sources) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(LagCollector::new(sources)));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn lag_and_lead_have_the_names_and_labels_of_the_first_version() {
        let (sources, publish) = sources();
        publish.sampled.send_replace(sampled(&[(3, Some("kstreams-a")), (4, None)]));
        let text = scrape(sources);
        for line in [
            r#"consumer_lag_game_frame_rq{client="kstreams-a",partition="0",topic="GAME-FRAME-RQ",metric="records-lag"} 3"#,
            r#"consumer_lag_game_frame_rs{client="",partition="1",topic="GAME-FRAME-RS",metric="records-lag"} 4"#,
            r#"consumer_lead_game_frame_rs{client="kstreams-a",partition="0",topic="GAME-FRAME-RS",metric="records-lead"} 60"#,
            r#"kafka_lag{group="KINGOFSCALING-APP",topic="GAME-FRAME-RQ"} 7"#,
            r#"kafka_lag_total{group="KINGOFSCALING-APP"} 14"#,
            "lag_api_sample_age_seconds 0.0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_is_unknown_has_no_sample() {
        let (sources, publish) = sources();
        let samples = |sources: &Sources| {
            let text = scrape(sources.clone());
            let is_lag = |line: &&str| line.starts_with("consumer_") || line.starts_with("kafka_");
            text.lines().filter(is_lag).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(samples(&sources), Vec::<String>::new());
        let mut unowned = sampled(&[(3, None)]);
        unowned.sample.as_mut().unwrap().group = None;
        publish.sampled.send_replace(unowned);
        assert!(samples(&sources).iter().all(|line| line.starts_with("kafka_")));
        let old = Sources { clock: process::Clock::new(|| crate::testing::NOW_MS + 7_000), ..sources };
        assert_eq!(samples(&old), Vec::<String>::new());
        assert!(scrape(old).contains("lag_api_sample_age_seconds 7.0"));
    }
}
