//! Who a phone is, as its signed cookie says it: enough to come back after a restart of the server.

use std::fmt;
use std::str::FromStr;

use model::play::FIGHTERS;
use workload::Machine;

/// What a player's cookie holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The machine in the player's frames.
    pub machine: Machine,
    /// Index in [`FIGHTERS`].
    pub fighter: u8,
    /// Tells those apart who chose the same fighter; the first one is 1.
    pub number: u32,
    /// Tells two phones apart that were given the same machine, one before and one after a restart.
    pub nonce: u64,
}

/// The text is no identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a player")]
pub struct NotAPlayer;

impl Identity {
    /// The name that people see.
    #[must_use]
    pub fn name(&self) -> String {
        let fighter = FIGHTERS.get(usize::from(self.fighter)).copied().unwrap_or_default();
        if self.number > 1 { format!("{fighter} {}", self.number) } else { fighter.to_owned() }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{:x}", self.machine, self.fighter, self.number, self.nonce)
    }
}

impl FromStr for Identity {
    type Err = NotAPlayer;

    fn from_str(text: &str) -> Result<Self, NotAPlayer> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(NotAPlayer);
        let identity = Self {
            machine: next()?.parse().map_err(|_| NotAPlayer)?,
            fighter: next()?.parse().map_err(|_| NotAPlayer)?,
            number: next()?.parse().map_err(|_| NotAPlayer)?,
            nonce: u64::from_str_radix(next()?, 16).map_err(|_| NotAPlayer)?,
        };
        let is_known = identity.machine.is_player() && usize::from(identity.fighter) < FIGHTERS.len();
        if is_known && parts.next().is_none() { Ok(identity) } else { Err(NotAPlayer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_reads_back() {
        let machine = Machine::player(7).unwrap();
        let identity = Identity { machine, fighter: 1, number: 2, nonce: u64::MAX };
        assert_eq!(identity.to_string().parse(), Ok(identity));
        assert_eq!(identity.name(), "Neon Mantis 2");
        assert_eq!(Identity { number: 1, ..identity }.name(), "Neon Mantis");
    }

    #[test]
    fn a_generators_machine_or_an_unknown_fighter_is_no_player() {
        for bad in ["", "900007", "000007.1.2.a", "900007.24.1.a", "900007.1.2.a.b", "900007.1.2.g"] {
            assert_eq!(bad.parse::<Identity>(), Err(NotAPlayer), "{bad}");
        }
    }
}
