//! A schema registry that speaks Confluent's API: it gives our schemas ids for the wire, keeps their evolution
//! compatible, and explains the ids of others.
//!
//! Subjects follow `TopicNameStrategy`: `TOPIC-key` and `TOPIC-value`. One question is one HTTP request; who wants to
//! wait for a registry that is away wraps it into [`patiently`].

mod config;
mod error;
mod http;
mod retry;
mod schemas;
#[cfg(test)]
mod tests;

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tracing::{info, warn};
use workload::avro::{Codec, Ids, LearnError, schema};

pub use config::{Credentials, RegistryArgs, RegistryConfig};
pub use error::Error;
pub use retry::patiently;
pub use schemas::Schemas;

use http::{Http, No};

/// How long to leave others alone who register the same; they need some ten requests.
const COLLISION_PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(900)];
/// The level that our subjects have: who reads with a new schema can read what was written with the one before.
pub const BACKWARD: &str = "BACKWARD";
/// Levels that promise as much or more.
const BACKWARD_OR_STRICTER: [&str; 4] = [BACKWARD, "BACKWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"];

/// The topics whose records have schemas in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Requests.
    pub requests: String,
    /// Responses.
    pub responses: String,
    /// Sessions.
    pub sessions: String,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            requests: workload::topics::REQUESTS.to_owned(),
            responses: workload::topics::RESPONSES.to_owned(),
            sessions: workload::topics::SESSIONS.to_owned(),
        }
    }
}

impl Topics {
    /// Each subject with the schema that belongs there.
    fn subjects(&self) -> [(String, &'static str); 6] {
        let Self { requests, responses, sessions } = self;
        [
            (format!("{requests}-key"), schema::FRAME_HEADER),
            (format!("{requests}-value"), schema::FRAME_BODY),
            (format!("{responses}-key"), schema::FRAME_HEADER),
            (format!("{responses}-value"), schema::FRAME_BODY),
            (format!("{sessions}-key"), schema::FRAME_HEADER),
            (format!("{sessions}-value"), schema::GAME_SESSION),
        ]
    }
}

/// A schema registry. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Registry {
    http: Http,
}

#[derive(Deserialize)]
struct Id {
    id: u32,
}

#[derive(Deserialize)]
struct Text {
    schema: String,
}

#[derive(Deserialize)]
struct Level {
    #[serde(rename = "compatibilityLevel")]
    level: String,
}

#[derive(Deserialize)]
struct Verdict {
    is_compatible: bool,
}

impl Registry {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// [`Error::CreateClient`].
    pub fn new(config: &RegistryConfig) -> Result<Self, Error> {
        Http::new(config).map(|http| Self { http })
    }

    /// A codec that writes with the ids of our schemas, each looked up under its subject, or registered there.
    ///
    /// # Errors
    /// Any.
    pub async fn codec(&self, topics: &Topics) -> Result<Codec, Error> {
        let subjects = topics.subjects();
        let [a, b, c, d, e, f] = subjects.each_ref().map(|(subject, schema)| self.look_up(subject, schema));
        let (a, b, c, d, e, f) = tokio::try_join!(a, b, c, d, e, f)?;
        let mut ids = [0; 6];
        // One after the other: registries may stumble over the same new schema under several subjects at once.
        for (index, found) in [a, b, c, d, e, f].into_iter().enumerate() {
            let (subject, schema) = &subjects[index];
            ids[index] = match found {
                Some(id) => id,
                None => self.introduce(subject, schema).await?,
            };
        }
        let [header, body, .., session] = ids;
        let codec = Codec::confluent(Ids { header, body, session });
        // A registry gives a schema one id for all its subjects; should one not, all of them are read.
        for ((_, schema), id) in subjects.iter().zip(ids) {
            if ![header, body, session].contains(&id) {
                codec.learn(id, schema).map_err(|error| self.surprised(&error))?;
            }
        }
        Ok(codec)
    }

    /// Asks for a schema that a record names by an id unknown to the codec
    /// ([`DecodeError::UnknownId`](workload::avro::DecodeError::UnknownId)), and tells the codec. Afterwards the record
    /// decodes, or is one with a foreign id: the question is not asked twice.
    ///
    /// # Errors
    /// Any but [`Error::UnknownId`], which is an answer.
    pub async fn explain(&self, codec: &Codec, id: u32) -> Result<(), Error> {
        match self.schema(id).await {
            Ok(text) => match codec.learn(id, &text) {
                Ok(()) => info!(id, "read a schema from the registry"),
                Err(error) => warn!(%error, "records with this schema are of no use"),
            },
            Err(error @ Error::UnknownId { .. }) => {
                warn!(%error, "records with this schema are of no use");
                codec.refuse(id);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The text of the schema with an id.
    ///
    /// # Errors
    /// [`Error::UnknownId`] when there is none, and any other.
    pub async fn schema(&self, id: u32) -> Result<String, Error> {
        let path = ["schemas", "ids", &id.to_string()];
        match self.http.ask::<Text>(Method::GET, &path, None).await? {
            Ok(Text { schema }) => Ok(schema),
            Err(No { status: StatusCode::NOT_FOUND, .. }) => Err(Error::UnknownId { id }),
            Err(no) => Err(self.unexpected(&path, no)),
        }
    }

    /// The id of a schema under a subject; `None` when it is not registered there.
    ///
    /// # Errors
    /// Any.
    pub async fn look_up(&self, subject: &str, schema: &str) -> Result<Option<u32>, Error> {
        let path = ["subjects", subject];
        match self.http.ask::<Id>(Method::POST, &path, Some(json!({ "schema": schema }))).await? {
            Ok(Id { id }) => Ok(Some(id)),
            Err(No { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
            Err(no) => Err(self.unexpected(&path, no)),
        }
    }

    /// Registers a schema under a subject, and returns its id; also when it was there before.
    ///
    /// # Errors
    /// [`Error::Incompatible`], and any other.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<u32, Error> {
        let path = ["subjects", subject, "versions"];
        match self.http.ask::<Id>(Method::POST, &path, Some(json!({ "schema": schema }))).await? {
            Ok(Id { id }) => Ok(id),
            Err(No { status: StatusCode::CONFLICT, message }) => {
                Err(Error::Incompatible { subject: subject.to_owned(), message })
            }
            Err(no) => Err(self.unexpected(&path, no)),
        }
    }

    /// Whether a schema could follow the latest one of a subject; true where there is none.
    ///
    /// # Errors
    /// Any.
    pub async fn is_compatible(&self, subject: &str, schema: &str) -> Result<bool, Error> {
        let path = ["compatibility", "subjects", subject, "versions", "latest"];
        match self.http.ask::<Verdict>(Method::POST, &path, Some(json!({ "schema": schema }))).await? {
            Ok(Verdict { is_compatible }) => Ok(is_compatible),
            Err(No { status: StatusCode::NOT_FOUND, .. }) => Ok(true),
            Err(no) => Err(self.unexpected(&path, no)),
        }
    }

    /// The compatibility level of a subject, such as [`BACKWARD`]; `None` when it has none of its own.
    ///
    /// # Errors
    /// Any.
    pub async fn compatibility(&self, subject: &str) -> Result<Option<String>, Error> {
        let path = ["config", subject];
        match self.http.ask::<Level>(Method::GET, &path, None).await? {
            Ok(Level { level }) => Ok(Some(level)),
            Err(No { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
            Err(no) => Err(self.unexpected(&path, no)),
        }
    }

    /// Sets the compatibility level of a subject.
    ///
    /// # Errors
    /// Any; [`Error::Refused`] where that is not ours to decide.
    pub async fn set_compatibility(&self, subject: &str, level: &str) -> Result<(), Error> {
        let path = ["config", subject];
        let body = json!({ "compatibility": level });
        match self.http.ask::<serde_json::Value>(Method::PUT, &path, Some(body)).await? {
            Ok(_) => Ok(()),
            Err(No { status: StatusCode::CONFLICT, message }) => {
                Err(Error::Conflict { subject: subject.to_owned(), message })
            }
            Err(no) => Err(self.unexpected(&path, no)),
        }
    }

    /// Registers a schema of ours under a subject that is held to [`BACKWARD`]. Where several programs start at once
    /// and do the same, one of them may be refused: it looks again.
    async fn introduce(&self, subject: &str, schema: &str) -> Result<u32, Error> {
        for pause in COLLISION_PAUSES {
            match self.introduce_once(subject, schema).await {
                Err(error) if error.may_be_a_collision() => tokio::time::sleep(pause).await,
                answer => return answer,
            }
        }
        self.introduce_once(subject, schema).await
    }

    async fn introduce_once(&self, subject: &str, schema: &str) -> Result<u32, Error> {
        self.protect(subject).await?;
        let id = self.register(subject, schema).await?;
        // Some registries give a level only to a subject that exists.
        self.protect(subject).await?;
        info!(subject, id, "registered a schema");
        Ok(id)
    }

    /// Holds a subject to [`BACKWARD`], where that is allowed.
    async fn protect(&self, subject: &str) -> Result<(), Error> {
        let result = match self.compatibility(subject).await {
            Ok(Some(level)) if BACKWARD_OR_STRICTER.contains(&level.as_str()) => return Ok(()),
            Ok(_) => self.set_compatibility(subject, BACKWARD).await,
            Err(error) => Err(error),
        };
        match result {
            Err(error @ Error::Refused { .. }) => {
                warn!(subject, %error, "the subject keeps the compatibility level that it has");
                Ok(())
            }
            other => other,
        }
    }

    fn unexpected(&self, path: &[&str], No { status, message }: No) -> Error {
        self.http.malformed(&path.join("/"), format!("{status} {message}"))
    }

    fn surprised(&self, error: &LearnError) -> Error {
        self.http.malformed("our own schemas", error.to_string())
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &str {
        self.http.address()
    }
}
