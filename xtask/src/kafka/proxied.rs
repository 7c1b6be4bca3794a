//! A listener of the tests' broker that tells its clients another address: there a test puts a proxy on the way, which
//! is slow and breaks connections.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use anyhow::Result;

use crate::port;

/// The listener, and the address that it tells.
#[derive(Debug, Clone)]
pub(crate) struct Proxied {
    port: u16,
    advertised: u16,
}

impl Proxied {
    /// At ports that nobody uses now.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { port: port::free()?, advertised: port::free()? })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn listener(&self, bind: IpAddr) -> String {
        format!(",PROXIED://{bind}:{}", self.port)
    }

    pub(super) fn advertised(&self) -> String {
        format!(",PROXIED://{}:{}", Ipv4Addr::LOCALHOST, self.advertised)
    }

    /// Tells the tests where the broker listens, and where it says that it does.
    pub(crate) fn describe_to(&self, command: &mut Command) {
        let (host, Self { port, advertised }) = (Ipv4Addr::LOCALHOST, self);
        command.env("KING_TEST_KAFKA_BEHIND_PROXY", format!("{host}:{port},{host}:{advertised}"));
    }
}
