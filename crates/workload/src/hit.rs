//! One hit: its record in Avro, its bytes inside a frame, and what it is worth.
//!
//! The bytes are `key direction? impact doubleKey? level game`, where `?` is one byte, 00 absent or FF present, then
//! the value. A frame carries them in hex.

use serde::{Deserialize, Serialize};

/// One hit, as the Avro record `Hit` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    /// Violence; 0 when it missed.
    pub impact: u8,
    /// The key that was pressed.
    pub key: Key,
    /// A second key that was pressed with it.
    pub double_key: Option<Key>,
    /// Where to. The first version failed on a hit without it.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// How it landed.
    pub impact_type: ImpactType,
    /// How good the player is.
    pub level: Level,
    /// Which game is played.
    pub game: Game,
}

/// An enum whose variants are one byte each on the wire.
macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $byte:literal,)+ }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        $(#[$doc])*
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// All of them, in the schema's order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            const fn byte(self) -> u8 {
                match self { $(Self::$variant => $byte,)+ }
            }

            const fn from_byte(byte: u8) -> Result<Self, HitError> {
                match byte {
                    $($byte => Ok(Self::$variant),)+
                    byte => Err(HitError::Unknown { field: stringify!($name), byte }),
                }
            }
        }
    };
}

coded! {
    /// A button.
    Key {
        /// The left one.
        X = 0xe3,
        /// The right one.
        O = 0xc3,
    }
}

coded! {
    /// Where a hit goes.
    #[serde(rename_all = "UPPERCASE")]
    Direction {
        /// Up.
        Up = 0x8a,
        /// Down.
        Down = 0x8c,
        /// Right.
        Right = 0x8e,
        /// Left.
        Left = 0x8d,
    }
}

coded! {
    /// How a hit lands.
    ImpactType {
        /// It ends the fight.
        Fatal = 0x72,
        /// It hurts much.
        Critical = 0x4f,
        /// A move of the fighter's own.
        Special = 0xa2,
        /// A plain hit.
        Direct = 0xb1,
        /// It goes into the air.
        Missed = 0x1f,
    }
}

coded! {
    /// How good a player is.
    Level {
        /// Plays for a living.
        Pro = 0xf9,
        /// Plays often.
        Inter = 0xe9,
        /// Has just begun.
        NewBie = 0xd9,
    }
}

coded! {
    /// The game on a machine.
    #[expect(missing_docs, reason = "the names of the games are all there is to say")]
    Game {
        Neowave = 0xa5,
        NeoBlood = 0xb5,
        HowlingBlood = 0xc5,
        MaximumImpact = 0xd5,
        HeatofBattleFromParadise = 0xe5,
    }
}

const ABSENT: u8 = 0x00;
const PRESENT: u8 = 0xff;
/// With a direction, a violence and a second key.
const LONGEST: usize = 9;

/// Why bytes are no hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HitError {
    /// Something else than pairs of hexadecimal digits.
    #[error("not hexadecimal")]
    NotHex,
    /// The bytes end within the hit.
    #[error("the hit ends too early")]
    TooShort,
    /// Bytes follow the hit.
    #[error("bytes follow the hit")]
    TooLong,
    /// A byte that has no meaning where it stands.
    #[error("{byte:02x} is no {field}")]
    Unknown {
        /// What should have stood there.
        field: &'static str,
        /// The byte.
        byte: u8,
    },
}

impl Hit {
    /// The hit as a frame carries it: lower-case hex.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.hex().as_str().to_owned()
    }

    /// The same without allocating.
    pub(crate) fn hex(&self) -> Hex {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = Hex { digits: [0; 2 * LONGEST], len: 0 };
        for (pair, byte) in hex.digits.as_chunks_mut::<2>().0.iter_mut().zip(self.bytes()) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0x0f)]];
            hex.len += 2;
        }
        hex
    }

    /// The hit that a frame carries.
    ///
    /// # Errors
    /// When the text is not hex, or its bytes are not exactly one hit.
    pub fn from_hex(hex: &str) -> Result<Self, HitError> {
        let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return Err(HitError::NotHex) };
        if pairs.len() > LONGEST {
            return Err(HitError::TooLong);
        }
        let mut bytes = [0; LONGEST];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Self::from_bytes(&bytes[..pairs.len()])
    }

    /// The hit that these bytes are.
    ///
    /// # Errors
    /// When they are not exactly one hit.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HitError> {
        let mut bytes = Bytes(bytes.iter());
        let key = Key::from_byte(bytes.next()?)?;
        let direction = bytes.optional("direction")?.map(Direction::from_byte).transpose()?;
        let impact_type = ImpactType::from_byte(bytes.next()?)?;
        let impact = if impact_type == ImpactType::Missed { 0 } else { bytes.next()? };
        let double_key = bytes.optional("second key")?.map(Key::from_byte).transpose()?;
        let level = Level::from_byte(bytes.next()?)?;
        let game = Game::from_byte(bytes.next()?)?;
        match bytes.0.next() {
            None => Ok(Self { impact, key, double_key, direction, impact_type, level, game }),
            Some(_) => Err(HitError::TooLong),
        }
    }

    /// The hit in three bytes, the lowest one is 0: for where many are kept.
    #[must_use]
    pub(crate) fn pack(&self) -> u32 {
        let optional = |index: Option<usize>| index.map_or(0, |index| index as u32 + 1);
        let place = |of: usize| of as u32;
        u32::from(self.impact) << 24
            | place(self.key as usize) << 23
            | optional(self.double_key.map(|key| key as usize)) << 21
            | optional(self.direction.map(|direction| direction as usize)) << 18
            | place(self.impact_type as usize) << 15
            | place(self.level as usize) << 13
            | place(self.game as usize) << 10
    }

    /// The hit that was packed.
    ///
    /// # Errors
    /// When no hit is packed so.
    pub(crate) fn unpack(packed: u32) -> Result<Self, HitError> {
        fn one_of<T: Copy>(all: &[T], index: u32, field: &'static str) -> Result<T, HitError> {
            let found = usize::try_from(index).ok().and_then(|index| all.get(index));
            found.copied().ok_or(HitError::Unknown { field, byte: index as u8 })
        }

        let bits = |at: u32, width: u32| packed >> at & ((1 << width) - 1);
        let optional = |index: u32| index.checked_sub(1);
        Ok(Self {
            impact: bits(24, 8) as u8,
            key: one_of(Key::ALL, bits(23, 1), "Key")?,
            double_key: optional(bits(21, 2)).map(|key| one_of(Key::ALL, key, "Key")).transpose()?,
            direction: optional(bits(18, 3))
                .map(|direction| one_of(Direction::ALL, direction, "Direction"))
                .transpose()?,
            impact_type: one_of(ImpactType::ALL, bits(15, 3), "ImpactType")?,
            level: one_of(Level::ALL, bits(13, 2), "Level")?,
            game: one_of(Game::ALL, bits(10, 3), "Game")?,
        })
    }

    /// What it is worth: its violence, times 2 when special, 3 when critical, 5 when fatal, and twice that with a
    /// second key. A miss is worth nothing.
    #[must_use]
    pub const fn score(&self) -> u32 {
        let weight = match self.impact_type {
            ImpactType::Missed => 0,
            ImpactType::Direct => 1,
            ImpactType::Special => 2,
            ImpactType::Critical => 3,
            ImpactType::Fatal => 5,
        };
        let keys = if self.double_key.is_some() { 2 } else { 1 };
        self.impact as u32 * weight * keys
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        let violence = (self.impact_type != ImpactType::Missed).then_some(self.impact);
        std::iter::once(self.key.byte())
            .chain(marked(self.direction.map(Direction::byte)))
            .chain(std::iter::once(self.impact_type.byte()))
            .chain(violence)
            .chain(marked(self.double_key.map(Key::byte)))
            .chain([self.level.byte(), self.game.byte()])
    }
}

fn marked(value: Option<u8>) -> impl Iterator<Item = u8> {
    std::iter::once(if value.is_some() { PRESENT } else { ABSENT }).chain(value)
}

fn nibble(digit: u8) -> Result<u8, HitError> {
    // A hexadecimal digit is below 16.
    char::from(digit).to_digit(16).map(|value| value as u8).ok_or(HitError::NotHex)
}

/// A hit in hex.
pub(crate) struct Hex {
    digits: [u8; 2 * LONGEST],
    len: usize,
}

impl Hex {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.digits[..self.len]).unwrap_or_default()
    }
}

struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl Bytes<'_> {
    fn next(&mut self) -> Result<u8, HitError> {
        self.0.next().copied().ok_or(HitError::TooShort)
    }

    fn optional(&mut self, field: &'static str) -> Result<Option<u8>, HitError> {
        match self.next()? {
            ABSENT => Ok(None),
            PRESENT => self.next().map(Some),
            byte => Err(HitError::Unknown { field, byte }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hex: &str, hit: Hit, score: u32) {
        assert_eq!(Hit::from_hex(hex), Ok(hit), "{hex}");
        assert_eq!(hit.to_hex(), hex);
        assert_eq!(hit.score(), score, "{hex}");
    }

    #[test]
    fn the_examples_of_the_specification_are_read_and_written() {
        let missed = Hit {
            impact: 0,
            key: Key::X,
            double_key: None,
            direction: None,
            impact_type: ImpactType::Missed,
            level: Level::NewBie,
            game: Game::NeoBlood,
        };
        check("e3001f00d9b5", missed, 0);
        let critical = Hit {
            impact: 20,
            key: Key::O,
            double_key: Some(Key::O),
            direction: Some(Direction::Left),
            impact_type: ImpactType::Critical,
            ..missed
        };
        check("c3ff8d4f14ffc3d9b5", critical, 120);
        let direct = Hit {
            impact: 48,
            key: Key::O,
            double_key: None,
            direction: Some(Direction::Up),
            impact_type: ImpactType::Direct,
            level: Level::Inter,
            game: Game::HowlingBlood,
        };
        check("c3ff8ab13000e9c5", direct, 48);
    }

    #[test]
    fn every_combination_survives_the_round_trip() {
        let optional_keys = || std::iter::once(None).chain(Key::ALL.iter().copied().map(Some));
        let directions = || std::iter::once(None).chain(Direction::ALL.iter().copied().map(Some));
        for &key in Key::ALL {
            for direction in directions() {
                for double_key in optional_keys() {
                    for &impact_type in ImpactType::ALL {
                        for &level in Level::ALL {
                            for &game in Game::ALL {
                                let impact = if impact_type == ImpactType::Missed { 0 } else { 255 };
                                let hit =
                                    Hit { impact, key, double_key, direction, impact_type, level, game };
                                assert_eq!(Hit::from_hex(&hit.to_hex()), Ok(hit));
                                assert_eq!(Hit::unpack(hit.pack()), Ok(hit));
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_not_exactly_one_hit_is_refused() {
        for (hex, error) in [
            ("", HitError::TooShort),
            ("e", HitError::NotHex),
            ("zz", HitError::NotHex),
            ("é3", HitError::NotHex),
            ("e3001f00d9", HitError::TooShort),
            ("e3001f00d9b5b5", HitError::TooLong),
            ("c3ff8d4f14ffc3d9b5d9b5", HitError::TooLong),
            ("e4001f00d9b5", HitError::Unknown { field: "Key", byte: 0xe4 }),
            ("e3011f00d9b5", HitError::Unknown { field: "direction", byte: 0x01 }),
            ("e3001f00d9b6", HitError::Unknown { field: "Game", byte: 0xb6 }),
        ] {
            assert_eq!(Hit::from_hex(hex), Err(error), "{hex}");
        }
    }
}
