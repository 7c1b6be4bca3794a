//! Keys and values as bytes: Avro, in one of two encodings that say which schema a record was written with.
//!
//! Without a schema registry that is Avro's single-object encoding (`C3 01`, the CRC-64-AVRO fingerprint of the
//! writer's schema, the datum), so that nothing but Kafka must run; with one it is Confluent's (`00`, the registry's id
//! of the schema in four bytes, the datum).
//!
//! Decoding is for bytes from anywhere: it never panics, allocates in proportion to the input, and accepts every schema
//! that was ever in use.

mod body;
mod codec;
mod datum;
mod error;
mod kind;
mod learned;
#[cfg(test)]
mod tests;
mod write;

use std::sync::LazyLock;

pub use codec::{Codec, Ids};
pub use error::{DecodeError, LearnError};

use crate::{FrameBody, FrameHeader, GameSession, Hit};

/// The schemas as text, for people and for a schema registry.
pub mod schema {
    /// Key of frames and of sessions.
    pub const FRAME_HEADER: &str = include_str!("../schemas/FrameHeader.avsc");
    /// Value of frames.
    pub const FRAME_BODY: &str = include_str!("../schemas/FrameBody.avsc");
    /// Value of sessions.
    pub const GAME_SESSION: &str = include_str!("../schemas/GameSession.avsc");
    /// Declared, never produced.
    pub const GAME_ACTION: &str = include_str!("../schemas/GameAction.avsc");

    /// The schemas of the first version, from 2018: what was written with them is still readable.
    pub mod original {
        /// Key of frames and of sessions.
        pub const FRAME_HEADER: &str = include_str!("../schemas/2018/FrameHeader.avsc");
        /// Value of frames.
        pub const FRAME_BODY: &str = include_str!("../schemas/2018/FrameBody.avsc");
        /// A hit of a session, which had to have a direction.
        pub const HIT: &str = include_str!("../schemas/2018/Hit.avsc");
        /// Value of sessions: nothing but hits.
        pub const GAME_SESSION: &str = include_str!("../schemas/2018/GameSession.avsc");
    }
}

static SINGLE_OBJECT: LazyLock<Codec> = LazyLock::new(Codec::single_object);

/// [`Codec::encode_header`] in the single-object encoding.
#[must_use]
pub fn encode_header(header: &FrameHeader) -> Vec<u8> {
    SINGLE_OBJECT.encode_header(header)
}

/// [`Codec::decode_header`] in the single-object encoding.
///
/// # Errors
/// When the bytes are no such key.
pub fn decode_header(bytes: &[u8]) -> Result<FrameHeader, DecodeError> {
    SINGLE_OBJECT.decode_header(bytes)
}

/// [`Codec::encode_body`] in the single-object encoding.
#[must_use]
pub fn encode_body(approval: bool, hits: &[Hit]) -> Vec<u8> {
    SINGLE_OBJECT.encode_body(approval, hits)
}

/// [`Codec::decode_body`] in the single-object encoding.
///
/// # Errors
/// When the bytes are no such value.
pub fn decode_body(bytes: &[u8]) -> Result<FrameBody, DecodeError> {
    SINGLE_OBJECT.decode_body(bytes)
}

/// [`Codec::encode_session`] in the single-object encoding.
#[must_use]
pub fn encode_session(session: &GameSession) -> Vec<u8> {
    SINGLE_OBJECT.encode_session(session)
}

/// [`Codec::decode_session`] in the single-object encoding.
///
/// # Errors
/// When the bytes are no such value.
pub fn decode_session(bytes: &[u8]) -> Result<GameSession, DecodeError> {
    SINGLE_OBJECT.decode_session(bytes)
}
