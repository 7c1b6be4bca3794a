//! Keys and values as bytes: Avro's single-object encoding (`C3 01`, the CRC-64-AVRO fingerprint of the writer's
//! schema, the datum), so that nothing but Kafka must run.
//!
//! Decoding is for bytes from anywhere: it never panics, allocates no more than the input is long, and accepts every
//! schema that was ever in use.

use std::fmt;
use std::io::BufRead;
use std::sync::LazyLock;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{SerializeStruct, Serializer};
use serde::{Serialize, de};
use serde_avro_fast::Schema;
use serde_avro_fast::de::read::SliceRead;
use serde_avro_fast::de::{DeserializerConfig, DeserializerState};
use serde_avro_fast::ser::SerializerConfig;

use crate::frame::MAX_HITS;
use crate::{FrameBody, FrameHeader, GameSession, Hit};

/// The schemas as text, for people and for a schema registry.
pub mod schema {
    /// Key of frames and of sessions.
    pub const FRAME_HEADER: &str = include_str!("../schemas/FrameHeader.avsc");
    /// Value of frames.
    pub const FRAME_BODY: &str = include_str!("../schemas/FrameBody.avsc");
    /// Value of sessions.
    pub const GAME_SESSION: &str = include_str!("../schemas/GameSession.avsc");
    /// Value of sessions as the first version wrote it; still readable.
    pub const GAME_SESSION_2018: &str = include_str!("../schemas/2018/GameSession.avsc");
    /// Declared, never produced.
    pub const GAME_ACTION: &str = include_str!("../schemas/GameAction.avsc");
}

/// No key or value of ours is longer; whatever is, is not looked at.
const LONGEST: usize = 64 * 1024;
/// The most elements of an array that are read; a session holds far fewer hits.
const MAX_ELEMENTS: usize = 1_000;
const PREAMBLE: usize = 10;

/// Why bytes could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// They do not begin with `C3 01` and a fingerprint.
    #[error("not in Avro's single-object encoding")]
    NotSingleObject,
    /// They were written with a schema that this program does not know.
    #[error("written with an unknown schema, fingerprint {fingerprint:016x}")]
    UnknownSchema {
        /// CRC-64-AVRO of that schema.
        fingerprint: u64,
    },
    /// They are longer than any record of ours.
    #[error("{0} bytes are more than any record has")]
    TooLong(usize),
    /// They do not follow their schema, or a value is out of range.
    #[error(transparent)]
    Datum(#[from] serde_avro_fast::de::DeError),
    /// Bytes follow the datum.
    #[error("bytes follow the datum")]
    Trailing,
}

impl DecodeError {
    /// A word for metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotSingleObject => "encoding",
            Self::UnknownSchema { .. } => "schema",
            Self::TooLong(_) => "size",
            Self::Datum(_) | Self::Trailing => "datum",
        }
    }
}

/// Encodes the key of a frame or of a session.
#[must_use]
pub fn encode_header(header: &FrameHeader) -> Vec<u8> {
    encode(header, &FRAME_HEADER)
}

/// Decodes the key of a frame or of a session.
///
/// # Errors
/// When the bytes are no such key.
pub fn decode_header(bytes: &[u8]) -> Result<FrameHeader, DecodeError> {
    decode(bytes, &[&FRAME_HEADER])
}

/// Encodes the value of a request (`approval` false) or of a response (`approval` true).
#[must_use]
pub fn encode_body(approval: bool, hits: &[Hit]) -> Vec<u8> {
    encode(&BodyRef { approval, hits }, &FRAME_BODY)
}

/// Decodes the value of a frame. A hit that does not decode is skipped and counted.
///
/// # Errors
/// When the bytes are no such value, or it holds more than [`MAX_HITS`] hits.
pub fn decode_body(bytes: &[u8]) -> Result<FrameBody, DecodeError> {
    decode(bytes, &[&FRAME_BODY])
}

/// Encodes the value of a session.
#[must_use]
pub fn encode_session(session: &GameSession) -> Vec<u8> {
    encode(session, &GAME_SESSION)
}

/// Decodes the value of a session, also one that the first version wrote.
///
/// # Errors
/// When the bytes are no such value.
pub fn decode_session(bytes: &[u8]) -> Result<GameSession, DecodeError> {
    decode(bytes, &[&GAME_SESSION, &GAME_SESSION_2018])
}

static FRAME_HEADER: LazyLock<Schema> = LazyLock::new(|| parse(schema::FRAME_HEADER));
static FRAME_BODY: LazyLock<Schema> = LazyLock::new(|| parse(schema::FRAME_BODY));
static GAME_SESSION: LazyLock<Schema> = LazyLock::new(|| parse(schema::GAME_SESSION));
static GAME_SESSION_2018: LazyLock<Schema> = LazyLock::new(|| parse(schema::GAME_SESSION_2018));

fn parse(text: &str) -> Schema {
    text.parse().expect("the schemas are part of the program, and each is parsed by a test")
}

fn encode<T: Serialize>(value: &T, schema: &Schema) -> Vec<u8> {
    serde_avro_fast::to_single_object_vec(value, &mut SerializerConfig::new(schema))
        .expect("a Vec takes every byte, and the types follow the schemas, as tests show")
}

fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8], known: &[&'static Schema]) -> Result<T, DecodeError> {
    if bytes.len() > LONGEST {
        return Err(DecodeError::TooLong(bytes.len()));
    }
    let Some((&[0xc3, 0x01, ref fingerprint @ ..], datum)) = bytes.split_first_chunk::<PREAMBLE>() else {
        return Err(DecodeError::NotSingleObject);
    };
    let schema = known
        .iter()
        .find(|schema| schema.rabin_fingerprint() == fingerprint)
        .ok_or(DecodeError::UnknownSchema { fingerprint: u64::from_le_bytes(*fingerprint) })?;
    let mut config = DeserializerConfig::new(schema);
    config.max_seq_size = MAX_ELEMENTS;
    let mut state = DeserializerState::with_config(SliceRead::new(datum), config);
    let value = T::deserialize(state.deserializer())?;
    match state.into_reader().fill_buf() {
        Ok([]) => Ok(value),
        _ => Err(DecodeError::Trailing),
    }
}

struct BodyRef<'a> {
    approval: bool,
    hits: &'a [Hit],
}

impl Serialize for BodyRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("FrameBody", 2)?;
        body.serialize_field("approval", &Some(self.approval))?;
        body.serialize_field("bytes", &HexRef(self.hits))?;
        body.end()
    }
}

struct HexRef<'a>(&'a [Hit]);

impl Serialize for HexRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Hit::to_hex))
    }
}

impl<'de> Deserialize<'de> for FrameBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Record {
            approval: Option<bool>,
            bytes: Hits,
        }

        let Record { approval, bytes: Hits { hits, bad_hits } } = Record::deserialize(deserializer)?;
        Ok(Self { approval, hits, bad_hits })
    }
}

struct Hits {
    hits: Vec<Hit>,
    bad_hits: u32,
}

impl<'de> Deserialize<'de> for Hits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HitsVisitor;

        impl<'de> Visitor<'de> for HitsVisitor {
            type Value = Hits;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("hits in hex")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Hits, A::Error> {
                let mut read = Hits { hits: Vec::new(), bad_hits: 0 };
                for position in 0.. {
                    let Some(hex) = sequence.next_element::<&str>()? else { break };
                    if position == MAX_HITS {
                        return Err(de::Error::custom("too many hits in a frame"));
                    }
                    match Hit::from_hex(hex) {
                        Ok(hit) => read.hits.push(hit),
                        Err(_) => read.bad_hits += 1,
                    }
                }
                Ok(read)
            }
        }

        deserializer.deserialize_seq(HitsVisitor)
    }
}

#[cfg(test)]
mod tests;
