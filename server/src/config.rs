//! The server's configuration: options for what may be seen, the environment for what may not.

#[cfg(feature = "kubernetes")]
mod kubernetes;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use kafka::Brokers;
use process::{ConfigError, ProcessArgs};
use rand::Rng;
use schema_registry::{RegistryArgs, RegistryConfig};

use crate::access::{Front, Proxy, PublicUrl};
use crate::invitation::{Invitation, Invitations};

/// Signs the cookies: 64 bytes in hexadecimal. Without it they end with this process.
const COOKIE_SECRET: &str = "KING_COOKIE_SECRET";
/// Makes a presenter. Without it there is none.
const PASSCODE: &str = "KING_PASSCODE";
const DEVICE_TOKEN: &str = "KING_DEVICE_TOKEN";

/// Characters that a passcode has at least.
const SHORTEST_PASSCODE: usize = 12;

/// Serves the show and the phones, runs the pods, and keeps what all look at
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "server", version)]
pub struct Args {
    /// Where Kafka is, and how to speak to it
    #[command(flatten)]
    kafka: Brokers,
    /// The port of the pages
    #[arg(long, default_value_t = 8930)]
    port: u16,
    /// The address of the pages; 0.0.0.0 lets phones in
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    bind: IpAddr,
    /// What the outside calls this server, where a tunnel or an ingress is in front
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// What is in front of this server, and says in X-Forwarded-For for whom it asks: an address or a network, several
    /// times if need be. Nobody else is believed; 127.0.0.1 is a tunnel that runs on this machine
    #[arg(long, value_name = "ADDRESS[/BITS]")]
    trusted_proxy: Vec<Proxy>,
    /// How often the autoscaler looks, in seconds
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=60))]
    sync: u64,
    /// The most pods that there may be
    #[arg(long, default_value_t = 12, value_name = "PODS", value_parser = clap::value_parser!(u32).range(4..=12))]
    max_pods: u32,
    /// Records per second that a pod may process; 0: no limit
    #[arg(long, default_value_t = 2_000, value_name = "RECORDS")]
    capacity: u32,
    /// The program of a pod; by default the one beside this program
    #[arg(long, value_name = "PATH")]
    streams: Option<PathBuf>,
    /// A cluster instead of local pods.
    #[cfg(feature = "kubernetes")]
    #[command(flatten)]
    pub cluster: kubernetes::ClusterArgs,
    /// Where to serve /metrics; nowhere by default
    #[arg(long, env = "ADMIN_ADDRESS", value_name = "ADDRESS:PORT")]
    admin_address: Option<SocketAddr>,
    /// The directory of the page's files
    #[arg(long, default_value = "target/site", value_name = "DIRECTORY")]
    site: PathBuf,
    /// Where the schemas are.
    #[command(flatten)]
    registry: RegistryArgs,
    /// What all our programs take.
    #[command(flatten)]
    pub process: ProcessArgs,
}

/// Who runs the pods.
#[derive(Debug, Clone)]
pub enum Runtime {
    /// This process: they are its children.
    Local {
        /// The program of a pod.
        streams: PathBuf,
    },
    /// A Kubernetes cluster.
    #[cfg(feature = "kubernetes")]
    Kubernetes(cluster::kubernetes::KubernetesConfig),
}

/// The configuration, checked.
pub struct Config {
    /// Where Kafka is.
    pub kafka: Brokers,
    /// Where the schemas are, if a registry has them.
    pub registry: Option<RegistryConfig>,
    /// Where to listen.
    pub address: SocketAddr,
    /// Where to tell how this process is.
    pub admin_address: Option<SocketAddr>,
    /// What is in front of it.
    pub front: Front,
    /// How often the autoscaler looks.
    pub sync: Duration,
    /// The most pods.
    pub max_pods: u32,
    /// Records per second of a pod; 0: no limit.
    pub capacity: u32,
    /// Who runs the pods.
    pub runtime: Runtime,
    /// The directory of the page's files.
    pub site: PathBuf,
    /// What a presenter types.
    pub passcode: Option<String>,
    /// What makes a device known.
    pub device_token: Option<String>,
    /// Signs the cookies.
    pub secret: [u8; 64],
}

impl Runtime {
    /// Whether this process runs in a cluster, where nobody outside reaches its address.
    fn has_addresses_of_a_cluster(&self) -> bool {
        match self {
            Self::Local { .. } => false,
            #[cfg(feature = "kubernetes")]
            Self::Kubernetes(cluster) => kubernetes::is_around_us(cluster),
        }
    }
}

impl Args {
    /// Checks what clap cannot, with secrets from the environment.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what would be right.
    pub fn check(self) -> Result<Config, ConfigError> {
        let secret = match environment(COOKIE_SECRET)? {
            Some(text) => secret(&text)?,
            None => random_secret(),
        };
        let public = self.public_url.as_deref().map(PublicUrl::parse).transpose()?;
        let front = Front { public, proxies: self.trusted_proxy };
        if front.nobody_can_sign_in() {
            tracing::warn!(
                "nobody can sign in by --public-url: say with --trusted-proxy what is in front of this server"
            );
        }
        let local = || self.streams.map_or_else(sibling, existing).map(|streams| Runtime::Local { streams });
        #[cfg(feature = "kubernetes")]
        let runtime = self.cluster.check()?.map_or_else(local, |cluster| Ok(Runtime::Kubernetes(cluster)))?;
        #[cfg(not(feature = "kubernetes"))]
        let runtime = local()?;
        let registry = self.registry.check().map_err(|error| ConfigError::new(error.to_string()))?;
        Ok(Config {
            kafka: self.kafka,
            registry,
            address: SocketAddr::new(self.bind, self.port),
            admin_address: self.admin_address,
            front,
            sync: Duration::from_secs(self.sync),
            max_pods: self.max_pods,
            capacity: self.capacity,
            runtime,
            site: self.site,
            passcode: environment(PASSCODE)?.map(|passcode| long_enough(PASSCODE, passcode)).transpose()?,
            device_token: environment(DEVICE_TOKEN)?
                .map(|token| long_enough(DEVICE_TOKEN, token))
                .transpose()?,
            secret,
        })
    }
}

impl Config {
    /// Where players join.
    ///
    /// # Errors
    /// When the public address is too long for a QR code.
    pub fn invitations(&self) -> Result<Invitations, ConfigError> {
        if let Some(public) = &self.front.public {
            return Invitation::to(&public.origin()).map(Invitations::Public);
        }
        if self.runtime.has_addresses_of_a_cluster() {
            return Ok(Invitations::Visited);
        }
        Invitation::to(&format!("http://{}", self.seen_from_outside())).map(Invitations::Network)
    }

    fn seen_from_outside(&self) -> SocketAddr {
        let address = self.address.ip();
        let address = if address.is_unspecified() { own_address().unwrap_or(address) } else { address };
        SocketAddr::new(address, self.address.port())
    }
}

/// The address that packets to the outside would have. Nothing is sent: 192.0.2.1 is nobody's.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

fn environment(name: &str) -> Result<Option<String>, ConfigError> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(ConfigError::new(format!("{name} is not UTF-8"))),
    }
}

/// Five guesses a second are looked at: what is short would be found during a talk.
fn long_enough(name: &str, secret: String) -> Result<String, ConfigError> {
    if secret.chars().count() < SHORTEST_PASSCODE {
        return Err(ConfigError::new(format!(
            "{name} is too short to keep strangers out: take at least {SHORTEST_PASSCODE} characters, say four words"
        )));
    }
    Ok(secret)
}

fn secret(text: &str) -> Result<[u8; 64], ConfigError> {
    // The value stays out of the sentence: it may be half right.
    let wrong = || ConfigError::new(format!("{COOKIE_SECRET} must be 64 bytes, as 128 hexadecimal digits"));
    let digits: Vec<u8> =
        text.chars().map_while(|digit| digit.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    if digits.len() != text.chars().count() {
        return Err(wrong());
    }
    let (pairs, []) = digits.as_chunks::<2>() else { return Err(wrong()) };
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    bytes.try_into().map_err(|_| wrong())
}

fn random_secret() -> [u8; 64] {
    let mut secret = [0; 64];
    rand::rng().fill_bytes(&mut secret);
    secret
}

fn sibling() -> Result<PathBuf, ConfigError> {
    let own = std::env::current_exe().map_err(|error| {
        ConfigError::new(format!("cannot find this program's directory ({error}): give --streams"))
    })?;
    existing(own.with_file_name(format!("streams{}", std::env::consts::EXE_SUFFIX)))
}

fn existing(path: PathBuf) -> Result<PathBuf, ConfigError> {
    if path.is_file() {
        Ok(path)
    } else {
        Err(ConfigError::new(format!(
            "there is no program of a pod at {}: give --streams PATH",
            path.display()
        )))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn a_short_passcode_is_refused_and_not_repeated() {
        assert_eq!(long_enough(PASSCODE, "ninja-panda-".to_owned()).unwrap(), "ninja-panda-");
        for short in ["x", "ninja-panda"] {
            let error = long_enough(PASSCODE, short.to_owned()).unwrap_err().to_string();
            assert!(error.contains("12 characters") && !error.contains(short), "{error}");
        }
    }

    #[test]
    fn a_secret_is_64_bytes_in_hexadecimal() {
        assert_eq!(secret(&"0f".repeat(64)).unwrap(), [15; 64]);
        for bad in ["", "0f", &"0f".repeat(63), &"0g".repeat(64), &"0f".repeat(65)] {
            let error = secret(bad).unwrap_err().to_string();
            assert!(!error.contains("0f0f"), "{error}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_said_before_a_port_is_opened() {
        for wrong in [["--max-pods", "13"], ["--sync", "0"], ["--kafka", "nowhere"], ["--bind", "here"]] {
            assert!(Args::try_parse_from([&["server"][..], &wrong].concat()).is_err(), "{wrong:?}");
        }
        let args =
            Args::try_parse_from(["server", "--public-url", "king.example", "--streams", "/"]).unwrap();
        assert!(args.check().is_err());
    }
}
