//! A Kafka without a demo around it: where it is, which programs are measured against it, and the topics of a run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use kafka::Brokers;
use kafka::rdkafka::admin::{AdminClient, AdminOptions};
use kafka::rdkafka::client::DefaultClientContext;
use kafka::topics::Topic;

use crate::cores::Cores;
use crate::demo::ensure_local;

/// Which Kafka to measure with, and where the peers are; `cargo xtask bench` sets these.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct BrokerArgs {
    /// The Kafka of a measurement that needs no demo, for example `127.0.0.1:9092`
    #[arg(long, env = "KING_TEST_KAFKA", global = true, value_name = "HOST:PORT")]
    kafka: Option<Brokers>,
    /// The file with the id of its process, which then leaves a core to what is measured
    #[arg(long, env = "KING_TEST_KAFKA_PID_FILE", global = true, value_name = "FILE")]
    kafka_pid_file: Option<PathBuf>,
    /// The Java that runs the peers
    #[arg(long, env = "KING_JAVA", default_value = "java", global = true, value_name = "PROGRAM")]
    java: PathBuf,
    /// The folder of Apache Kafka's jars, with its tools
    #[arg(long, env = "KING_KAFKA_JARS", global = true, value_name = "FOLDER")]
    kafka_jars: Option<PathBuf>,
    /// The folder of the jars that `bench/peer` is built into
    #[arg(long, env = "KING_PEER_JARS", global = true, value_name = "FOLDER")]
    peer_jars: Option<PathBuf>,
}

/// A Kafka on this machine, with its cores apart from those of what is measured.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    /// Where it is.
    pub(crate) brokers: Brokers,
    /// Who runs where; `None` where nothing can be pinned.
    pub(crate) cores: Option<Cores>,
    /// The Java that runs the peers.
    pub(crate) java: PathBuf,
    kafka_jars: Option<PathBuf>,
    peer_jars: Option<PathBuf>,
}

impl BrokerArgs {
    /// The Kafka, if it is on this machine; from now on it and this program keep off the measured core.
    pub(crate) fn open(&self) -> Result<Broker> {
        let brokers = self.kafka.clone().context(
            "KING_TEST_KAFKA is not set: run it as `cargo xtask bench NAME`, which starts a Kafka and sets it",
        )?;
        brokers.addresses().try_for_each(ensure_local)?;
        let cores = Cores::of_this_machine();
        if let Some(cores) = &cores {
            cores.keep_off(std::process::id())?;
            self.kafka_pid()?.map_or(Ok(()), |pid| cores.keep_off(pid))?;
        }
        let (java, kafka_jars) = (self.java.clone(), self.kafka_jars.clone());
        Ok(Broker { brokers, cores, java, kafka_jars, peer_jars: self.peer_jars.clone() })
    }

    fn kafka_pid(&self) -> Result<Option<u32>> {
        let Some(file) = &self.kafka_pid_file else { return Ok(None) };
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let pid = text.trim().parse().with_context(|| format!("{} has no process id", file.display()))?;
        Ok(Some(pid))
    }
}

impl Broker {
    /// The class path of Kafka's own tools.
    pub(crate) fn kafka_class_path(&self) -> Result<String> {
        class_path(self.kafka_jars.as_deref().context("KING_KAFKA_JARS is not set: where are Kafka's jars?")?)
    }

    /// The class path of the peer.
    pub(crate) fn peer_class_path(&self) -> Result<String> {
        class_path(self.peer_jars.as_deref().context("KING_PEER_JARS is not set: where is the peer?")?)
    }

    /// Makes topics of this many partitions that keep all there is in them, whatever the age of its records.
    pub(crate) async fn make_topics(&self, names: &[String], partitions: u32) -> Result<()> {
        let config = vec![("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")];
        let topic = |name: &String| Topic { partitions, config: config.clone(), ..Topic::records(name) };
        let topics: Vec<Topic> = names.iter().map(topic).collect();
        kafka::topics::ensure(&self.brokers, &topics).await?;
        Ok(())
    }

    /// Deletes every topic whose name begins with `prefix`: also those that an application has made for itself.
    pub(crate) async fn delete_topics(&self, prefix: &str) -> Result<()> {
        use kafka::rdkafka::consumer::{BaseConsumer, Consumer};

        let consumer: BaseConsumer = kafka::client::reader(&self.brokers, "bench").create()?;
        let metadata =
            tokio::task::spawn_blocking(move || consumer.fetch_metadata(None, Duration::from_secs(10)))
                .await??;
        let names: Vec<&str> = metadata
            .topics()
            .iter()
            .map(|topic| topic.name())
            .filter(|name| name.starts_with(prefix))
            .collect();
        let admin: AdminClient<DefaultClientContext> =
            kafka::client::producer(&self.brokers, "bench").create()?;
        if !names.is_empty() {
            admin.delete_topics(&names, &AdminOptions::new()).await?;
        }
        Ok(())
    }
}

fn class_path(folder: &Path) -> Result<String> {
    let jars = folder.join("*").into_os_string().into_string();
    jars.map_err(|folder| anyhow::anyhow!("{} is not UTF-8", folder.display()))
}

/// A program of ours, built beside this one.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let program =
        std::env::current_exe().context("cannot find this program's own file")?.with_file_name(name);
    anyhow::ensure!(program.exists(), "{} is not built: `cargo build --release`", program.display());
    Ok(program)
}
