//! A second listener for the tests' broker, as a managed Kafka has it: TLS by a CA of our own, and a key with its
//! secret. All of it is made anew for each run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::prerequisites::{Consent, Packages};
use crate::{port, secret, tool};

/// What `openssl` reads. The broker's certificate is for `localhost` only: by its number, 127.0.0.1, it is another
/// host.
const SETTINGS: &str = "\
[req]
distinguished_name = name
x509_extensions = ca
prompt = no
[name]
CN = king-of-scaling-tests
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = keyCertSign
[broker]
subjectAltName = DNS:localhost
";
const KEY: &str = "test-key";

/// The listener, and what its clients need.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    port: u16,
    secret: String,
    /// Private key and certificate of the broker, in PEM.
    broker: [String; 2],
    ca: PathBuf,
    other_ca: PathBuf,
}

impl Tls {
    /// Makes CA, certificate and secret in a directory.
    pub(crate) fn make(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let openssl = OpenSsl::find(directory)?;
        openssl.run(
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -config openssl.cnf -days 2",
        )?;
        openssl.run(
            "req -x509 -newkey rsa:2048 -nodes -keyout other-ca.key -out other-ca.pem -config openssl.cnf -days 2",
        )?;
        openssl.run("req -newkey rsa:2048 -nodes -keyout broker.key -out broker.csr -config openssl.cnf")?;
        openssl.run(
            "x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -set_serial 1 -out broker.pem -extfile openssl.cnf -extensions broker -days 2",
        )?;
        let read = |name: &str| {
            std::fs::read_to_string(directory.join(name)).with_context(|| format!("reading {name}"))
        };
        Ok(Self {
            port: port::free()?,
            secret: secret::passcode()?,
            broker: [read("broker.key")?, read("broker.pem")?],
            ca: directory.join("ca.pem"),
            other_ca: directory.join("other-ca.pem"),
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn listener(&self, host: &str) -> String {
        format!(",TLS://{host}:{}", self.port)
    }

    /// The broker's settings for it. In a line of a properties file the lines of a PEM are words.
    pub(super) fn settings(&self) -> String {
        let [key, certificate] = self.broker.each_ref().map(|pem| pem.trim().replace('\n', " "));
        format!(
            "sasl.enabled.mechanisms=PLAIN\n\
             ssl.keystore.type=PEM\n\
             ssl.keystore.key={key}\n\
             ssl.keystore.certificate.chain={certificate}\n\
             listener.name.tls.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
             user_{KEY}=\"{}\";\n",
            self.secret
        )
    }

    /// Tells the tests about it.
    pub(crate) fn describe_to(&self, command: &mut Command) {
        command
            .env("KING_TEST_KAFKA_TLS", format!("localhost:{}", self.port))
            .env("KING_TEST_KAFKA_CA", &self.ca)
            .env("KING_TEST_KAFKA_OTHER_CA", &self.other_ca)
            .env("KING_TEST_KAFKA_KEY", KEY)
            .env("KING_TEST_KAFKA_SECRET", &self.secret);
    }
}

/// The program that makes keys and certificates, in the directory where they go.
struct OpenSsl<'a> {
    program: PathBuf,
    directory: &'a Path,
}

impl<'a> OpenSsl<'a> {
    fn find(directory: &'a Path) -> Result<Self> {
        const PACKAGES: Packages = Packages { apt: &["openssl"], brew: &["openssl"] };
        let mut program = tool::find(&["openssl"]);
        if program.is_none() && PACKAGES.offer("openssl is missing", Consent::GivenToRoot)? {
            program = tool::find(&["openssl"]);
        }
        let Some(program) = program else {
            bail!(
                "The tests of a managed Kafka need the program openssl, which makes their certificates: install it."
            );
        };
        std::fs::write(directory.join("openssl.cnf"), SETTINGS)?;
        Ok(Self { program, directory })
    }

    fn run(&self, words: &str) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(words.split(' ')).current_dir(self.directory);
        tool::quiet(&command, &self.directory.join("openssl.log"))
    }
}
