//! The configuration.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use kafka::Brokers;
use process::ProcessArgs;

/// Serves record lag to autoscalers: Kubernetes' metrics APIs, KEDA, Prometheus
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "lag-api", version)]
pub struct Config {
    /// Where Kafka is, and how to speak to it
    #[command(flatten)]
    pub kafka: Brokers,
    /// The consumer group whose lag it is
    #[arg(long, env = "KING_GROUP", default_value = workload::topics::GROUP_ID, value_name = "GROUP")]
    pub group: String,
    /// The topics that the group reads [default: those of the demo]
    #[arg(
        long,
        env = "KING_TOPICS",
        value_delimiter = ',',
        value_name = "TOPICS",
        required_if_eq("joined", "true")
    )]
    pub topics: Vec<String>,
    /// The same partition of every topic is worked on together, as when Kafka Streams joins them
    #[arg(long)]
    pub joined: bool,
    /// The cluster to serve in, where this is no pod of it; several files are one, as in KUBECONFIG
    #[arg(long, env = "KING_KUBECONFIG", value_name = "FILES")]
    pub kubeconfig: Option<OsString>,
    /// The context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    pub context: Option<String>,
    /// The namespace of the application [default: that of the ServiceAccount, else king-of-scaling]
    #[arg(long, env = "KING_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Which pods are the application's
    #[arg(
        long,
        default_value = "app.kubernetes.io/part-of=king-of-scaling,app.kubernetes.io/name=kstreams",
        value_name = "SELECTOR"
    )]
    pub pod_selector: String,
    /// Our Service, as the two APIServices name it
    #[arg(long, default_value = "lag-api", value_name = "NAME")]
    pub service: String,
    /// Where to serve the metrics APIs, over TLS
    #[arg(long, env = "HTTPS_ADDRESS", default_value = "0.0.0.0:8443", value_name = "ADDRESS")]
    pub https_address: SocketAddr,
    /// Where to serve KEDA
    #[arg(long, env = "GRPC_ADDRESS", default_value = "0.0.0.0:9443", value_name = "ADDRESS")]
    pub grpc_address: SocketAddr,
    /// Where to serve /livez, /readyz, /metrics and /served
    #[arg(long, env = "ADMIN_ADDRESS", default_value = "0.0.0.0:9090", value_name = "ADDRESS")]
    pub admin_address: SocketAddr,
    /// A directory with tls.crt, tls.key and perhaps ca.crt; while it holds none, the certificate is self-made
    #[arg(long, env = "TLS_DIR", value_name = "DIRECTORY")]
    pub tls_dir: Option<PathBuf>,
    /// What all our programs take.
    #[command(flatten)]
    pub process: ProcessArgs,
}
