//! Questions to the registry over HTTP, and what its answers mean.

use std::time::Duration;

use reqwest::{Client, Method, Response, StatusCode, Url, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Error;
use super::config::{Credentials, RegistryConfig};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a question may take in all.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read; a schema of ours has 3 kB.
const LONGEST_ANSWER: usize = 1 << 20;
/// The media type of Confluent's API.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A client that knows the registry and how to log in. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: Client,
    address: Url,
    credentials: Option<Credentials>,
}

/// An answer with a status that says no: what it is about is the caller's to know.
#[derive(Debug)]
pub(super) struct No {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

/// What a registry says with a status that says no.
#[derive(Deserialize)]
struct Complaint {
    #[serde(default)]
    message: String,
}

impl Http {
    pub(super) fn new(config: &RegistryConfig) -> Result<Self, Error> {
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // Credentials are for this address only.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(Error::CreateClient)?;
        Ok(Self { client, address: config.address.clone(), credentials: config.credentials.clone() })
    }

    /// Where the registry is.
    pub(super) fn address(&self) -> &str {
        self.address.as_str()
    }

    /// Asks. The inner result is what the registry says to the question; the outer one is an error when it says nothing
    /// of use.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<Value>,
    ) -> Result<Result<T, No>, Error> {
        let request = format!("{method} /{}", path.join("/"));
        let response = self.send(method, path, body).await?;
        let status = response.status();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(Error::Refused { registry: self.address().to_owned(), status });
            }
            StatusCode::TOO_MANY_REQUESTS => return Err(self.unavailable(status)),
            _ if status.is_server_error() => return Err(self.unavailable(status)),
            _ => {}
        }
        let answer = self.read(response, &request).await?;
        if status.is_success() {
            let read = serde_json::from_slice(&answer);
            return read.map(Ok).map_err(|error| self.malformed(&request, error.to_string()));
        }
        match serde_json::from_slice::<Complaint>(&answer) {
            Ok(Complaint { message }) if status.is_client_error() => Ok(Err(No { status, message })),
            _ => Err(self.malformed(&request, status.to_string())),
        }
    }

    /// An answer that no registry gives.
    pub(super) fn malformed(&self, request: &str, reason: String) -> Error {
        Error::Malformed { registry: self.address().to_owned(), request: request.to_owned(), reason }
    }

    async fn send(&self, method: Method, path: &[&str], body: Option<Value>) -> Result<Response, Error> {
        let mut url = self.address.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = self.client.request(method, url).header("Accept", MEDIA_TYPE);
        if let Some(Credentials { key, secret }) = &self.credentials {
            request = request.basic_auth(key, Some(secret));
        }
        if let Some(body) = body {
            request = request.header("Content-Type", MEDIA_TYPE).body(body.to_string());
        }
        request.send().await.map_err(|error| self.unreachable(&error))
    }

    async fn read(&self, mut response: Response, request: &str) -> Result<Vec<u8>, Error> {
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if answer.len() + chunk.len() > LONGEST_ANSWER {
                return Err(self.malformed(request, format!("it is longer than {LONGEST_ANSWER} bytes")));
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(answer)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        let mut reason: &dyn std::error::Error = error;
        // The innermost source says it best: `Connection refused`, `certificate verify failed`.
        while let Some(source) = reason.source() {
            reason = source;
        }
        let reason = if error.is_timeout() { "too late".to_owned() } else { reason.to_string() };
        Error::Unreachable { registry: self.address().to_owned(), reason }
    }

    fn unavailable(&self, status: StatusCode) -> Error {
        Error::Unavailable { registry: self.address().to_owned(), status }
    }
}
