//! Wrong passcodes: each one makes the client that sent it wait twice as long as the last, and nobody else.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use model::Millis;

/// The wait after the first wrong passcode.
const FIRST_WAIT_MS: Millis = 1_000;
const LONGEST_WAIT_MS: Millis = 300_000;
/// Who has been quiet for so long begins anew.
const FORGOTTEN_AFTER_MS: Millis = 3_600_000;
/// Clients that are remembered.
const MAX_CLIENTS: usize = 1_024;

/// The clients that sent wrong passcodes.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    clients: HashMap<IpAddr, Wrong>,
}

#[derive(Debug, Clone, Copy)]
struct Wrong {
    times: u32,
    until_ms: Millis,
}

impl Attempts {
    /// Whether a client may try now.
    ///
    /// # Errors
    /// The milliseconds after which it may.
    pub(super) fn may_try(&self, now_ms: Millis, address: IpAddr) -> Result<(), u32> {
        match self.clients.get(&client(address)) {
            Some(wrong) if wrong.until_ms > now_ms => Err(millis(wrong.until_ms - now_ms)),
            _ => Ok(()),
        }
    }

    /// Notes a wrong passcode; gives back how long its client has to wait.
    pub(super) fn wrong(&mut self, now_ms: Millis, address: IpAddr) -> u32 {
        let client = client(address);
        self.clients.retain(|_, wrong| wrong.until_ms + FORGOTTEN_AFTER_MS > now_ms);
        let times = self.clients.get(&client).map_or(0, |wrong| wrong.times).saturating_add(1);
        let wait_ms = FIRST_WAIT_MS.saturating_mul(1 << (times - 1).min(16)).min(LONGEST_WAIT_MS);
        if self.clients.len() >= MAX_CLIENTS && !self.clients.contains_key(&client) {
            let first =
                self.clients.iter().min_by_key(|(_, wrong)| wrong.until_ms).map(|(client, _)| *client);
            first.and_then(|first| self.clients.remove(&first));
        }
        self.clients.insert(client, Wrong { times, until_ms: now_ms + wait_ms });
        millis(wait_ms)
    }

    /// The client knows the passcode.
    pub(super) fn right(&mut self, address: IpAddr) {
        self.clients.remove(&client(address));
    }
}

/// Whoever has one IPv6 address has its whole /64.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

fn millis(wait_ms: Millis) -> u32 {
    u32::try_from(wait_ms).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_wrong_passcode_doubles_the_wait_of_that_client_alone() {
        let mut attempts = Attempts::default();
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        assert_eq!(attempts.wrong(0, one), 1_000);
        assert_eq!(attempts.may_try(400, one), Err(600));
        assert_eq!(attempts.may_try(400, other), Ok(()));
        assert_eq!(attempts.may_try(1_000, one), Ok(()));
        assert_eq!(attempts.wrong(1_000, one), 2_000);
        let waits: Vec<u32> = (0..10).map(|_| attempts.wrong(10_000, one)).collect();
        assert_eq!(waits.last(), Some(&300_000));
        attempts.right(one);
        assert_eq!(attempts.wrong(400_000, one), 1_000);
    }

    #[test]
    fn an_hour_of_quiet_is_forgiven() {
        let mut attempts = Attempts::default();
        attempts.wrong(0, address("192.0.2.1"));
        assert_eq!(attempts.wrong(3_602_000, address("192.0.2.1")), 1_000);
    }

    #[test]
    fn a_client_is_its_ipv6_network() {
        let mut attempts = Attempts::default();
        attempts.wrong(0, address("2001:db8::1"));
        assert!(attempts.may_try(0, address("2001:db8::ffff")).is_err());
        assert!(attempts.may_try(0, address("2001:db8:0:1::1")).is_ok());
        attempts.wrong(0, address("::ffff:192.0.2.1"));
        assert!(attempts.may_try(0, address("192.0.2.1")).is_err());
    }

    #[test]
    fn only_so_many_clients_are_remembered() {
        let mut attempts = Attempts::default();
        for n in 0..5_000_u32 {
            attempts.wrong(u64::from(n), IpAddr::V4(n.into()));
        }
        assert_eq!(attempts.clients.len(), MAX_CLIENTS);
    }
}
