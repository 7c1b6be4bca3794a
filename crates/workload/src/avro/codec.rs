//! The codec: one encoding to write with, both to read.

use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};

use serde::de::Deserialize;
use serde_avro_fast::Schema;

use super::datum;
use super::kind::Kind;
use super::learned::Learned;
use super::{DecodeError, LearnError, write};
use crate::{FrameBody, FrameHeader, GameSession, Hit};

/// Begins a record in single-object encoding; the fingerprint of its schema follows.
const SINGLE_OBJECT: [u8; 2] = [0xc3, 0x01];
const SINGLE_OBJECT_PREAMBLE: usize = 10;
/// Begins a record in Confluent's encoding; the id of its schema follows, big-endian.
const CONFLUENT: u8 = 0x00;
const CONFLUENT_PREAMBLE: usize = 5;

/// The ids that a registry gave to the schemas with which this program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// Of [`schema::FRAME_HEADER`](super::schema::FRAME_HEADER).
    pub header: u32,
    /// Of [`schema::FRAME_BODY`](super::schema::FRAME_BODY).
    pub body: u32,
    /// Of [`schema::GAME_SESSION`](super::schema::GAME_SESSION).
    pub session: u32,
}

impl Ids {
    const fn of(self, kind: Kind) -> u32 {
        match kind {
            Kind::Header => self.header,
            Kind::Body => self.body,
            Kind::Session => self.session,
        }
    }

    fn has(self, id: u32) -> bool {
        [self.header, self.body, self.session].contains(&id)
    }
}

/// Encodes and decodes keys and values. Writing follows the codec's own encoding, reading accepts both. Cheap to clone;
/// clones share what they learn.
#[derive(Clone, Default)]
pub struct Codec {
    /// Writes Confluent's encoding with these; without them the single-object encoding.
    ids: Option<Ids>,
    learned: Arc<RwLock<Learned>>,
}

impl Codec {
    /// Writes Avro's single-object encoding: nothing but Kafka must run.
    #[must_use]
    pub fn single_object() -> Self {
        Self::default()
    }

    /// Writes Confluent's encoding with the ids that a registry gave.
    #[must_use]
    pub fn confluent(ids: Ids) -> Self {
        Self { ids: Some(ids), ..Self::default() }
    }

    /// Takes in what a registry says about an id; from then on records with it are read.
    ///
    /// # Errors
    /// When the text is no schema, or none of ours, or some hundred schemas have been learned. That is remembered:
    /// records with this id are [`DecodeError::ForeignId`] from then on, and nobody need ask again.
    pub fn learn(&self, id: u32, schema: &str) -> Result<(), LearnError> {
        self.learned.write().unwrap_or_else(PoisonError::into_inner).learn(id, schema)
    }

    /// Remembers that the registry has no schema with this id.
    pub fn refuse(&self, id: u32) {
        self.learned.write().unwrap_or_else(PoisonError::into_inner).refuse(id);
    }

    /// Encodes the key of a frame or of a session.
    #[must_use]
    pub fn encode_header(&self, header: &FrameHeader) -> Vec<u8> {
        // Preamble, timestamp, six digits and their length, zone.
        let mut bytes = self.preamble(Kind::Header, 10 + 7 + 1);
        write::header(header, &mut bytes);
        bytes
    }

    /// Decodes the key of a frame or of a session.
    ///
    /// # Errors
    /// When the bytes are no such key.
    pub fn decode_header(&self, bytes: &[u8]) -> Result<FrameHeader, DecodeError> {
        self.decode(bytes, Kind::Header)
    }

    /// Encodes the value of a request (`approval` false) or of a response (`approval` true).
    #[must_use]
    pub fn encode_body(&self, approval: bool, hits: &[Hit]) -> Vec<u8> {
        let mut bytes = self.preamble(Kind::Body, 8 + 19 * hits.len());
        write::body(approval, hits, &mut bytes);
        bytes
    }

    /// Decodes the value of a frame. A hit that does not decode is skipped and counted.
    ///
    /// # Errors
    /// When the bytes are no such value, or it holds more than [`MAX_HITS`](crate::frame::MAX_HITS) hits.
    pub fn decode_body(&self, bytes: &[u8]) -> Result<FrameBody, DecodeError> {
        self.decode(bytes, Kind::Body)
    }

    /// Encodes the value of a session.
    #[must_use]
    pub fn encode_session(&self, session: &GameSession) -> Vec<u8> {
        let mut bytes = self.preamble(Kind::Session, 64 + 10 * session.hits.len());
        write::session(session, &mut bytes);
        bytes
    }

    /// Decodes the value of a session, also one that the first version wrote.
    ///
    /// # Errors
    /// When the bytes are no such value.
    pub fn decode_session(&self, bytes: &[u8]) -> Result<GameSession, DecodeError> {
        self.decode(bytes, Kind::Session)
    }

    /// What says which schema follows, with room for a datum of this length.
    fn preamble(&self, kind: Kind, datum: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SINGLE_OBJECT_PREAMBLE + datum);
        match self.ids {
            None => {
                bytes.extend(SINGLE_OBJECT);
                bytes.extend(kind.schema().rabin_fingerprint());
            }
            Some(ids) => {
                bytes.push(CONFLUENT);
                bytes.extend(ids.of(kind).to_be_bytes());
            }
        }
        bytes
    }

    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8], kind: Kind) -> Result<T, DecodeError> {
        if bytes.len() > datum::LONGEST {
            return Err(DecodeError::TooLong(bytes.len()));
        }
        let (writer, datum) = self.writer(bytes, kind)?;
        datum::decode(datum, &writer)
    }

    /// The schema that the bytes were written with, and the datum.
    fn writer<'b>(&self, bytes: &'b [u8], kind: Kind) -> Result<(Writer, &'b [u8]), DecodeError> {
        if let Some((&[0xc3, 0x01, ref fingerprint @ ..], datum)) =
            bytes.split_first_chunk::<SINGLE_OBJECT_PREAMBLE>()
        {
            return Ok((self.by_fingerprint(fingerprint, kind)?, datum));
        }
        if let Some((&[CONFLUENT, ref id @ ..], datum)) = bytes.split_first_chunk::<CONFLUENT_PREAMBLE>() {
            return Ok((self.by_id(u32::from_be_bytes(*id), kind)?, datum));
        }
        Err(DecodeError::UnknownEncoding)
    }

    fn by_fingerprint(&self, fingerprint: &[u8; 8], kind: Kind) -> Result<Writer, DecodeError> {
        if let Some(schema) = kind.by_fingerprint(fingerprint) {
            return Ok(Writer::BuiltIn(schema));
        }
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        let schema = learned.by_fingerprint(kind, fingerprint).map(Writer::Learned);
        schema.ok_or(DecodeError::UnknownFingerprint { fingerprint: u64::from_le_bytes(*fingerprint) })
    }

    fn by_id(&self, id: u32, kind: Kind) -> Result<Writer, DecodeError> {
        match self.ids {
            Some(ids) if ids.of(kind) == id => return Ok(Writer::BuiltIn(kind.schema())),
            // A key in the place of a value, say.
            Some(ids) if ids.has(id) => return Err(DecodeError::ForeignId { id }),
            _ => {}
        }
        self.learned.read().unwrap_or_else(PoisonError::into_inner).by_id(kind, id).map(Writer::Learned)
    }
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Codec").field("ids", &self.ids).finish_non_exhaustive()
    }
}

/// The schema of a record that is read.
enum Writer {
    BuiltIn(&'static Schema),
    Learned(Arc<Schema>),
}

impl Deref for Writer {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        match self {
            Self::BuiltIn(schema) => schema,
            Self::Learned(schema) => schema,
        }
    }
}
