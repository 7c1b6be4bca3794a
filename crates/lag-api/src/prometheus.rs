//! Lag for Prometheus, under the names of the demo's first version. What is unknown has no sample; how old the newest
//! sample is, is a gauge of its own.

use std::fmt;

use model::Millis;
use model::lag::{Doubt, PartitionOffsets};
use model::scaling::LagView;
use model::snapshot::Lag;
use model::topics::{Topic, TopicPartition};
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
            for (place, topic) in look.group.topics.list.iter().enumerate() {
                encode_partitions(&mut encoder, &look, distance, place, topic)?;
            }
        }
        encode_group(&mut encoder, &look)?;
        if let Some(view) = look.fresh_view() {
            encode_counts(&mut encoder, &view.lag)?;
            encode_held(&mut encoder, &view.lag)?;
            encode_doubts(&mut encoder, &view.lag)?;
        }
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
    place: usize,
    topic: &Topic,
) -> Result<(), fmt::Error> {
    let lag = topic.pod_metric();
    let (name, metric, help) = match distance {
        Distance::Lag => (lag, "records-lag", "Records between the group's commit and the log's end"),
        Distance::Lead => {
            let lead = lag.replacen("lag", "lead", 1);
            (lead, "records-lead", "Records between the log's start and the group's commit")
        }
    };
    let mut gauge = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
    let Some((sample, view)) = look.owned_sample() else { return Ok(()) };
    for (partition, offsets) in sample.offsets.get(place).into_iter().flatten().enumerate() {
        let value = match distance {
            Distance::Lag => view.lag.partitions[place][partition].and_then(|lag| i64::try_from(lag).ok()),
            Distance::Lead => offsets.as_ref().and_then(lead),
        };
        let Some(value) = value else { continue };
        let labels = [
            ("client", owner(view, place, partition).to_owned()),
            ("partition", partition.to_string()),
            ("topic", topic.name.clone()),
            ("metric", metric.to_owned()),
        ];
        ConstGauge::new(value).encode(gauge.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Records between the log's start and the group's commit, where there is one.
fn lead(offsets: &PartitionOffsets) -> Option<i64> {
    offsets.committed_offset?;
    Some(offsets.position() - offsets.log_start_offset)
}

/// The owner's name; empty while nobody owns the partition.
fn owner(view: &LagView, topic: usize, partition: usize) -> &str {
    let owners = view.group.as_ref().and_then(|group| group.owners.get(topic));
    owners.and_then(|owners| owners.get(partition)?.as_deref()).unwrap_or_default()
}

fn encode_group(encoder: &mut DescriptorEncoder, look: &Look) -> Result<(), fmt::Error> {
    for (metric, help) in [
        (GroupMetric::Lag, "Lag of the group in a topic, records"),
        (GroupMetric::Total, "Lag of the group, records"),
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

/// How many partitions each topic has: one that was added shows here first.
fn encode_counts(encoder: &mut DescriptorEncoder, lag: &Lag) -> Result<(), fmt::Error> {
    let help = "Partitions of a topic";
    let mut gauge = encoder.encode_descriptor("kafka_partitions", help, None, MetricType::Gauge)?;
    for (topic, count) in lag.topics.list.iter().zip(lag.counts()) {
        if count > 0 {
            let labels = [("topic", topic.name.as_str())];
            ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX))
                .encode(gauge.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// What open transactions hold back. It is no lag, since nobody can read it.
fn encode_held(encoder: &mut DescriptorEncoder, lag: &Lag) -> Result<(), fmt::Error> {
    let help = "Records that an open transaction has held back for a second or longer";
    let mut records = encoder.encode_descriptor("kafka_held_records", help, None, MetricType::Gauge)?;
    for (of, held, _) in held(lag) {
        ConstGauge::new(held).encode(records.encode_family(&partition_labels(lag, of))?)?;
    }
    let help = "How long that transaction has held records back";
    let unit = Some(&Unit::Seconds);
    let mut seconds = encoder.encode_descriptor("kafka_held", help, unit, MetricType::Gauge)?;
    for (of, _, since_ms) in held(lag) {
        let age = std::time::Duration::from_millis(lag.sampled_ms.saturating_sub(since_ms));
        let labels = partition_labels(lag, of);
        ConstGauge::new(age.as_secs_f64()).encode(seconds.encode_family(&labels)?)?;
    }
    Ok(())
}

fn held(lag: &Lag) -> impl Iterator<Item = (TopicPartition, i64, Millis)> {
    lag.doubts.iter().filter_map(|(of, doubt)| match doubt {
        Doubt::Held { records, since_ms } => {
            Some((*of, i64::try_from(*records).unwrap_or(i64::MAX), *since_ms))
        }
        _ => None,
    })
}

/// What makes the lag of single partitions special, as a gauge that is 1 while it does.
fn encode_doubts(encoder: &mut DescriptorEncoder, lag: &Lag) -> Result<(), fmt::Error> {
    let help = "1 while the lag of a partition is special: new, commits-gone, records-lost, commit-ahead, held, no-leader, \
                no-answer, only-one-topic";
    let mut gauge = encoder.encode_descriptor("kafka_lag_doubt", help, None, MetricType::Gauge)?;
    for (of, word) in doubts(lag) {
        let [topic, partition] = partition_labels(lag, of);
        let labels = [topic, partition, ("doubt", word.to_owned())];
        ConstGauge::new(1_i64).encode(gauge.encode_family(&labels)?)?;
    }
    Ok(())
}

fn doubts(lag: &Lag) -> Vec<(TopicPartition, &'static str)> {
    let word = |doubt: &Doubt| match doubt {
        Doubt::New => "new",
        Doubt::Gone => "commits-gone",
        Doubt::Lost => "records-lost",
        Doubt::Ahead => "commit-ahead",
        Doubt::Held { .. } => "held",
        Doubt::NoLeader => "no-leader",
    };
    let mut found: Vec<_> = lag.doubts.iter().map(|(of, doubt)| (*of, word(doubt))).collect();
    for (topic, lags) in lag.partitions.iter().enumerate() {
        for (partition, value) in (0..).zip(lags) {
            let of = TopicPartition { topic, partition };
            if value.is_none() && !lag.doubts.contains(&(of, Doubt::NoLeader)) {
                found.push((of, "no-answer"));
            }
        }
    }
    for task in 0..lag.task_count() {
        if !lag.only(task).is_empty() {
            found.extend(lag.task_partitions(task).into_iter().map(|of| (of, "only-one-topic")));
        }
    }
    found
}

fn partition_labels(lag: &Lag, of: TopicPartition) -> [(&'static str, String); 2] {
    [("topic", lag.topics.name(of.topic).to_owned()), ("partition", of.partition.to_string())]
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
    fn what_is_special_about_a_partition_has_a_gauge() {
        let (sources, publish) = sources();
        let mut special = sampled(&[(3, Some("kstreams-a")), (4, None), (5, None)]);
        let of = |topic, partition| TopicPartition { topic, partition };
        let sample = special.sample.as_mut().unwrap();
        sample.offsets[0].push(None);
        sample.offsets[0][2].as_mut().unwrap().committed_offset = Some(10_000_000);
        sample.doubts = vec![
            (of(1, 1), Doubt::Held { records: 882, since_ms: crate::testing::NOW_MS - 2_500 }),
            (of(0, 3), Doubt::NoLeader),
        ];
        publish.sampled.send_replace(special);
        let text = scrape(sources);
        for line in [
            r#"kafka_partitions{topic="GAME-FRAME-RQ"} 4"#,
            r#"kafka_partitions{topic="GAME-FRAME-RS"} 3"#,
            r#"kafka_held_records{topic="GAME-FRAME-RS",partition="1"} 882"#,
            r#"kafka_held_seconds{topic="GAME-FRAME-RS",partition="1"} 2.5"#,
            r#"kafka_lag_doubt{topic="GAME-FRAME-RS",partition="1",doubt="held"} 1"#,
            r#"kafka_lag_doubt{topic="GAME-FRAME-RQ",partition="2",doubt="commit-ahead"} 1"#,
            r#"kafka_lag_doubt{topic="GAME-FRAME-RQ",partition="3",doubt="no-leader"} 1"#,
            r#"kafka_lag_doubt{topic="GAME-FRAME-RQ",partition="3",doubt="only-one-topic"} 1"#,
            r#"consumer_lag_game_frame_rq{client="",partition="2",topic="GAME-FRAME-RQ",metric="records-lag"} 65"#,
            r#"consumer_lead_game_frame_rq{client="",partition="2",topic="GAME-FRAME-RQ",metric="records-lead"} 0"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("kafka_lag{"), "a part is not a total: {text}");
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
