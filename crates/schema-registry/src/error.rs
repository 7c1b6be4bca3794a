//! What can go wrong with a schema registry.

use reqwest::StatusCode;

/// An operation on the schema registry failed. Retryable where [`Error::is_retryable`] says so. Nothing here holds a
/// credential.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is none that we take. Not retryable.
    #[error("the schema registry's address is of no use ({0}): write https://HOST[:PORT][/PATH]")]
    ParseAddress(&'static str),
    /// Half of the credentials is missing. Not retryable.
    #[error("SCHEMA_REGISTRY_KEY and SCHEMA_REGISTRY_SECRET belong together: set both or none")]
    HalfCredentials,
    /// The HTTP client could not be made. Not retryable.
    #[error("cannot make a client for the schema registry: {0}")]
    CreateClient(#[source] reqwest::Error),
    /// Nobody answers, or too late. Retryable.
    #[error(
        "no schema registry answers at {registry} ({reason}): start it, or correct --schema-registry (or SCHEMA_REGISTRY)"
    )]
    Unreachable {
        /// Its address.
        registry: String,
        /// What the client said.
        reason: String,
    },
    /// It answers that it cannot work now. Retryable.
    #[error("the schema registry at {registry} cannot answer now ({status})")]
    Unavailable {
        /// Its address.
        registry: String,
        /// 429 or one of the 500s.
        status: StatusCode,
    },
    /// It does not accept who we are, or what we may do. Not retryable.
    #[error(
        "the schema registry at {registry} refuses us ({status}): check SCHEMA_REGISTRY_KEY and SCHEMA_REGISTRY_SECRET, and what they may do"
    )]
    Refused {
        /// Its address.
        registry: String,
        /// 401 or 403.
        status: StatusCode,
    },
    /// Readers of the subject could not read what is written with the schema, or it not what they wrote. Not retryable.
    #[error(
        "the schema registry does not take our schema for {subject}, since it is incompatible: {message}"
    )]
    Incompatible {
        /// The subject.
        subject: String,
        /// What the registry said.
        message: String,
    },
    /// Somebody else sets the subject's compatibility level at this moment. Not retryable: registering looks again by
    /// itself.
    #[error("the schema registry does not take a compatibility level for {subject}: {message}")]
    Conflict {
        /// The subject.
        subject: String,
        /// What the registry said.
        message: String,
    },
    /// It has no schema with this id. Not retryable.
    #[error("the schema registry has no schema with id {id}")]
    UnknownId {
        /// The id.
        id: u32,
    },
    /// It answers something that no registry answers, or refuses what every registry takes. Not retryable.
    #[error("the answer of {registry} to {request} is not that of a schema registry: {reason}")]
    Malformed {
        /// Its address.
        registry: String,
        /// What was asked.
        request: String,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// Whether the same question may be answered later without anybody changing a setting.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unavailable { .. })
    }

    /// Whether somebody who does the same at the same time may be the reason: registries say so by one status only.
    pub(super) const fn may_be_a_collision(&self) -> bool {
        matches!(self, Self::Incompatible { .. } | Self::Conflict { .. })
    }
}
