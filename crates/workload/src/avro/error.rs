//! Why bytes, or the text of a schema, are of no use.

/// Why bytes could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// They begin neither with `C3 01` and a fingerprint nor with `00` and an id.
    #[error("neither in Avro's single-object encoding nor in Confluent's")]
    UnknownEncoding,
    /// They were written with a schema that this program does not know.
    #[error("written with an unknown schema, fingerprint {fingerprint:016x}")]
    UnknownFingerprint {
        /// CRC-64-AVRO of that schema.
        fingerprint: u64,
    },
    /// They name a schema by an id that nobody has explained yet. A registry may know it: ask, and give its answer to
    /// [`Codec::learn`](super::Codec::learn) or [`Codec::refuse`](super::Codec::refuse), then decode once more.
    #[error("written with an unknown schema, id {id}")]
    UnknownId {
        /// The registry's id.
        id: u32,
    },
    /// They name a schema that the registry does not have, or that is none of ours.
    #[error("written with a schema that is none of ours, id {id}")]
    ForeignId {
        /// The registry's id.
        id: u32,
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
            Self::UnknownEncoding => "encoding",
            Self::UnknownFingerprint { .. } | Self::UnknownId { .. } | Self::ForeignId { .. } => "schema",
            Self::TooLong(_) => "size",
            Self::Datum(_) | Self::Trailing => "datum",
        }
    }
}

/// Why a codec did not learn a schema.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// The text is no Avro schema.
    #[error("schema {id} cannot be read: {source}")]
    Parse {
        /// The registry's id.
        id: u32,
        /// What is wrong with it.
        #[source]
        source: serde_avro_fast::schema::SchemaError,
    },
    /// It is a schema of something else than headers, bodies and sessions.
    #[error("schema {id} is {name}, which is none of ours")]
    Foreign {
        /// The registry's id.
        id: u32,
        /// Its name, or what it is when it has none.
        name: String,
    },
    /// The codec has learned so many schemas that this looks like an attack, or a registry gone wrong.
    #[error("schema {id} is one too many: {most} are known")]
    Full {
        /// The registry's id.
        id: u32,
        /// The most that a codec learns.
        most: usize,
    },
}
