//! A frame: one machine's hits at one instant. It travels twice, as a request and as its response, under the same
//! header.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{EventTime, Hit, partition_for};

/// The most hits that a frame may hold; the generator makes 1 to 5. More is malformed.
pub const MAX_HITS: usize = 64;

/// One machine's hits at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Whose, where and when.
    pub header: FrameHeader,
    /// In the order in which they were struck.
    pub hits: Vec<Hit>,
}

/// Key of a frame in Kafka; unique, since `ts` rises strictly within a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FrameHeader {
    /// When the frame was played. A phone's clock is never trusted: the server stamps its players' frames.
    pub ts: EventTime,
    /// On which machine.
    pub machine: Machine,
    /// In which zone that machine stands.
    pub zone: Zone,
}

/// Value of a frame in Kafka, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameBody {
    /// False on a request, true on a response.
    pub approval: Option<bool>,
    /// The hits that decode.
    pub hits: Vec<Hit>,
    /// How many more hits there were that do not decode.
    pub bad_hits: u32,
}

/// Where a machine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the symbols of the Avro enum Zone say what they say")]
pub enum Zone {
    EU,
    US,
    ZG,
    AU,
}

impl Zone {
    /// All zones, in the schema's order.
    pub const ALL: [Self; 4] = [Self::EU, Self::US, Self::ZG, Self::AU];
}

/// A machine's id: six digits, of which those from 900000 belong to people on their phones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Machine(u32);

/// The text is no machine id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a machine id has six digits")]
pub struct NotAMachine;

impl Machine {
    /// The first id of a player; the generator never draws it or one above.
    pub const FIRST_PLAYER: u32 = 900_000;
    /// How many players there can be.
    pub const PLAYERS: u32 = 1_000_000 - Self::FIRST_PLAYER;

    /// The machine with this number, if it has at most six digits.
    #[must_use]
    pub const fn new(id: u32) -> Option<Self> {
        if id < 1_000_000 { Some(Self(id)) } else { None }
    }

    /// The machine of the nth player, if there can be so many.
    #[must_use]
    pub const fn player(nth: u32) -> Option<Self> {
        if nth < Self::PLAYERS { Some(Self(Self::FIRST_PLAYER + nth)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn id(self) -> u32 {
        self.0
    }

    /// Whether a person plays on it.
    #[must_use]
    pub const fn is_player(self) -> bool {
        self.0 >= Self::FIRST_PLAYER
    }

    /// The partition that its frames go to.
    #[must_use]
    pub fn partition(self, partitions: u32) -> u32 {
        partition_for(self.digits().as_str(), partitions)
    }

    pub(crate) fn digits(self) -> Digits {
        let mut digits = [b'0'; 6];
        let mut rest = self.0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        Digits(digits)
    }
}

/// Six digits.
pub(crate) struct Digits([u8; 6]);

impl Digits {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.digits().as_str())
    }
}

impl FromStr for Machine {
    type Err = NotAMachine;

    fn from_str(text: &str) -> Result<Self, NotAMachine> {
        if text.len() != 6 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotAMachine);
        }
        text.parse().map(Self).map_err(|_| NotAMachine)
    }
}

impl Serialize for Machine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.digits().as_str())
    }
}

impl<'de> Deserialize<'de> for Machine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Machine;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a machine id of six digits")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Machine, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_written_with_six_digits_and_read_back() {
        for id in [0, 4, 42, 899_999, 900_000, 999_999] {
            let machine = Machine::new(id).unwrap();
            assert_eq!(machine.to_string(), format!("{id:06}"));
            assert_eq!(machine.to_string().parse(), Ok(machine));
        }
        assert_eq!(Machine::new(1_000_000), None);
    }

    #[test]
    fn anything_but_six_digits_is_no_machine() {
        for text in ["", "12345", "1234567", "+12345", "12 456", "12345a", "１２"] {
            assert_eq!(text.parse::<Machine>(), Err(NotAMachine), "{text}");
        }
    }

    #[test]
    fn players_are_the_ids_from_900000() {
        assert_eq!(Machine::player(0).unwrap().id(), 900_000);
        assert!(Machine::player(0).unwrap().is_player());
        assert!(!Machine::new(899_999).unwrap().is_player());
        assert_eq!(Machine::player(Machine::PLAYERS), None);
    }
}
