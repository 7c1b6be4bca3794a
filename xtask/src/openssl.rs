//! Which OpenSSL the programs are built with: the system's where there is one, since our own takes minutes to compile.

use std::process::Command;
use std::sync::OnceLock;

use crate::tool;

/// The arguments of cargo for an OpenSSL of our own.
pub(crate) const VENDORED: [&str; 2] = ["--features", "kafka/vendored-openssl"];

/// The arguments of cargo for the one to take here. On macOS the system has none, and Homebrew's is not said to stay.
pub(crate) fn features() -> &'static [&'static str] {
    static FEATURES: OnceLock<&[&str]> = OnceLock::new();
    FEATURES.get_or_init(|| if cfg!(target_os = "linux") && is_here() { &[] } else { &VENDORED })
}

/// Whether one can be built with, as `openssl-sys` and librdkafka look for it. librdkafka wants version 3 for what is
/// new.
fn is_here() -> bool {
    tool::output(Command::new("pkg-config").args(["--exists", "openssl >= 3"])).is_some()
}
