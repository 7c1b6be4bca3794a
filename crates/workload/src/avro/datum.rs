//! Reading datums, which follow a record's preamble. It never allocates more than in proportion to its bytes.

use std::io::BufRead;

use serde::de::Deserialize;
use serde_avro_fast::Schema;
use serde_avro_fast::de::read::SliceRead;
use serde_avro_fast::de::{DeserializerConfig, DeserializerState};

use super::DecodeError;

/// No key or value of ours is longer; whatever is, is not looked at. The longest session (563 hits) has 6 kB.
pub(super) const LONGEST: usize = 64 * 1024;
/// The most elements of an array that are read: a session holds at most 500 hits before its last frame, which adds
/// [`MAX_HITS`](crate::frame::MAX_HITS) at most.
const MAX_ELEMENTS: usize = 1_000;
/// A hit's direction is four levels deep; a writer's schema that nests much deeper is there to waste our time.
const MAX_DEPTH: usize = 16;

/// Reads a datum with its writer's schema; fields are found by their names.
pub(super) fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8], writer: &Schema) -> Result<T, DecodeError> {
    let mut config = DeserializerConfig::new(writer);
    config.max_seq_size = MAX_ELEMENTS;
    config.allowed_depth = MAX_DEPTH;
    let mut state = DeserializerState::with_config(SliceRead::new(bytes), config);
    let value = T::deserialize(state.deserializer())?;
    match state.into_reader().fill_buf() {
        Ok([]) => Ok(value),
        _ => Err(DecodeError::Trailing),
    }
}
