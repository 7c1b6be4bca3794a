//! The three kinds of records, each with the schemas that this program was built with.

use std::sync::LazyLock;

use serde_avro_fast::Schema;

use super::schema;

/// What a record is; each kind has a schema of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Header,
    Body,
    Session,
}

static FRAME_HEADER: LazyLock<Schema> = LazyLock::new(|| built_in(schema::FRAME_HEADER));
static FRAME_BODY: LazyLock<Schema> = LazyLock::new(|| built_in(schema::FRAME_BODY));
static GAME_SESSION: LazyLock<Schema> = LazyLock::new(|| built_in(schema::GAME_SESSION));
static GAME_SESSION_2018: LazyLock<Schema> = LazyLock::new(|| built_in(schema::original::GAME_SESSION));

impl Kind {
    const ALL: [Self; 3] = [Self::Header, Self::Body, Self::Session];

    /// The schema with which this program writes.
    pub(super) fn schema(self) -> &'static Schema {
        match self {
            Self::Header => &FRAME_HEADER,
            Self::Body => &FRAME_BODY,
            Self::Session => &GAME_SESSION,
        }
    }

    /// The built-in schema with this fingerprint, if it is of this kind. Header and body have not changed since the
    /// first version.
    pub(super) fn by_fingerprint(self, fingerprint: &[u8; 8]) -> Option<&'static Schema> {
        let schema = self.schema();
        if schema.rabin_fingerprint() == fingerprint {
            return Some(schema);
        }
        let original: &Schema = &GAME_SESSION_2018;
        (self == Self::Session && original.rabin_fingerprint() == fingerprint).then_some(original)
    }

    /// The kind of the record with this name, without its namespace: what Avro compares.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Header => "FrameHeader",
            Self::Body => "FrameBody",
            Self::Session => "GameSession",
        }
    }
}

pub(super) fn built_in(text: &str) -> Schema {
    text.parse().expect("the schemas are part of the program, and each is parsed by a test")
}
