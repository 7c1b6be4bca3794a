//! The two producers, and how each is started.

use std::fmt;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use workload::avro;
use workload::generator::Generator;

use crate::broker::{self, Broker};
use crate::frames::inputs;
use crate::measured::Measured;

/// Of both topics together, and of the peer's only one.
pub(crate) const PARTITIONS: u32 = 2 * model::PARTITIONS;
/// `linger.ms` of `datagen` when it is not paced, and of the peer.
pub(crate) const LINGER_MS: u32 = 50;
/// librdkafka fills batches up to this size (`batch.size`, its default).
pub(crate) const BATCH_BYTES: u32 = 1_000_000;
/// A request is nearly always followed by a response: 201 records of 101 frames.
const RECORDS_OF_FRAMES: (u64, u64) = (201, 101);
const PAYLOADS: &str = "payloads";
/// Frames whose sizes stand for all.
const SAMPLE: usize = 2_000;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// `datagen`.
    Ours,
    /// `org.apache.kafka.tools.ProducerPerformance`.
    Peer,
}

/// One run of one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    /// Who.
    pub(crate) side: Side,
    /// What the names of its topics begin with.
    pub(crate) prefix: &'a str,
    /// How many.
    pub(crate) records: u64,
    /// Records a second; `None` as fast as possible.
    pub(crate) rate: Option<u32>,
    /// Where logs go, and where the payloads are.
    pub(crate) directory: &'a Path,
}

impl Side {
    /// Ours first.
    pub(crate) const BOTH: [Self; 2] = [Self::Ours, Self::Peer];
}

impl Run<'_> {
    /// The topics that it writes to.
    pub(crate) fn topics(&self) -> Vec<String> {
        match self.side {
            Side::Ours => inputs(self.prefix).to_vec(),
            Side::Peer => vec![self.prefix.to_owned()],
        }
    }

    /// Partitions of each topic.
    pub(crate) fn partitions_each(&self) -> u32 {
        if self.side == Side::Ours { model::PARTITIONS } else { PARTITIONS }
    }

    /// Starts the producer.
    pub(crate) fn start(&self, broker: &Broker) -> Result<Measured> {
        let log = self.directory.join(format!("{}.log", self.prefix));
        let cores = broker.cores.as_ref();
        match self.side {
            Side::Ours => {
                Measured::start(cores, &broker::program("datagen")?, self.our_arguments(broker), log)
            }
            Side::Peer => Measured::start(cores, &broker.java, self.peer_arguments(broker)?, log),
        }
    }

    fn our_arguments(&self, broker: &Broker) -> Vec<String> {
        let (records, frames) = RECORDS_OF_FRAMES;
        let [requests, responses] = inputs(self.prefix);
        let options = [
            ("--kafka", broker.brokers.to_string()),
            ("--requests", requests),
            ("--responses", responses),
            ("--frames", (self.records * frames / records).to_string()),
        ];
        let pace = match self.rate {
            Some(rate) => {
                vec!["--frames-per-second".to_owned(), (u64::from(rate) * frames / records).to_string()]
            }
            None => vec!["--unpaced".to_owned()],
        };
        let options = options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
        options.chain(pace).chain(["--exit-with-parent".to_owned()]).collect()
    }

    fn peer_arguments(&self, broker: &Broker) -> Result<Vec<String>> {
        let mut arguments: Vec<String> =
            ["-Xmx512m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"]
                .map(str::to_owned)
                .to_vec();
        arguments.push(broker.kafka_class_path()?);
        arguments.push("org.apache.kafka.tools.ProducerPerformance".to_owned());
        let options = [
            ("--bootstrap-server", broker.brokers.to_string()),
            ("--topic", self.prefix.to_owned()),
            ("--num-records", self.records.to_string()),
            ("--payload-file", self.directory.join(PAYLOADS).display().to_string()),
            ("--throughput", self.rate.map_or("-1".to_owned(), |rate| rate.to_string())),
        ];
        arguments.extend(options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
        arguments.push("--command-property".to_owned());
        arguments.extend(
            [
                "acks=all",
                "enable.idempotence=true",
                "compression.type=none",
                "max.in.flight.requests.per.connection=5",
            ]
            .map(str::to_owned),
        );
        arguments.extend([format!("linger.ms={LINGER_MS}"), format!("batch.size={BATCH_BYTES}")]);
        Ok(arguments)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "datagen",
            Self::Peer => "ProducerPerformance",
        })
    }
}

/// Bytes of a record of ours, key and value.
pub(crate) fn average_bytes() -> f64 {
    let sizes = sizes();
    sizes.iter().sum::<usize>() as f64 / sizes.len() as f64
}

/// Lines as long as our records: the peer draws one of them a record, which is cheaper for it than making one up.
pub(crate) fn write_payloads(directory: &Path) -> Result<()> {
    let file = directory.join(PAYLOADS);
    let created = std::fs::File::create(&file).with_context(|| format!("cannot write {}", file.display()))?;
    let mut lines = BufWriter::new(created);
    for size in sizes() {
        writeln!(lines, "{}", "x".repeat(size))?;
    }
    Ok(lines.flush()?)
}

fn sizes() -> Vec<usize> {
    let mut generator = Generator::new(2018, 2_000, model::PARTITIONS, 0);
    let size = |_| {
        let frame = generator.draw(1_700_000_000_000, None).frame;
        avro::encode_header(&frame.header).len() + avro::encode_body(true, &frame.hits).len()
    };
    (0..SAMPLE).map(size).collect()
}
