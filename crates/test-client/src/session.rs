//! What a browser is to the server, without a browser: cookies, an origin, and calls of server functions.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use model::command::{Command, Outcome};
use reqwest::header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderMap, ORIGIN, SET_COOKIE};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A server function answers within this, or it counts as unanswered.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// One visitor.
#[derive(Debug, Clone)]
pub struct Session {
    http: reqwest::Client,
    origin: String,
    cookies: BTreeMap<String, String>,
}

impl Session {
    /// A visitor without cookies of the pages at `http://HOST:PORT`. Clones of `http` share their idle connections.
    #[must_use]
    pub fn new(origin: &str, http: &reqwest::Client) -> Self {
        Self { http: http.clone(), origin: origin.to_owned(), cookies: BTreeMap::new() }
    }

    /// Becomes the presenter.
    ///
    /// # Errors
    /// When the passcode is refused, or nobody answers.
    pub async fn sign_in(&mut self, passcode: &str) -> Result<()> {
        let answer: serde_json::Value =
            self.call("sign_in", &serde_json::json!({ "passcode": passcode })).await?;
        if answer != "Welcome" {
            bail!("the passcode was not taken: {answer}");
        }
        Ok(())
    }

    /// Calls a server function, and keeps the cookies that it sets.
    ///
    /// # Errors
    /// When it is not answered, or not as expected.
    pub async fn call<A, R>(&mut self, function: &str, arguments: &A) -> Result<R>
    where
        A: Serialize + Sync,
        R: DeserializeOwned,
    {
        let (answer, headers) = self.post(function, arguments).await?;
        self.keep_cookies(&headers);
        Ok(answer)
    }

    /// Calls a server function that sets no cookies.
    ///
    /// # Errors
    /// When it is not answered, or not as expected.
    pub async fn ask<A, R>(&self, function: &str, arguments: &A) -> Result<R>
    where
        A: Serialize + Sync,
        R: DeserializeOwned,
    {
        Ok(self.post(function, arguments).await?.0)
    }

    async fn post<A, R>(&self, function: &str, arguments: &A) -> Result<(R, HeaderMap)>
    where
        A: Serialize + Sync,
        R: DeserializeOwned,
    {
        let response = self
            .http
            .post(format!("{}/api/{function}", self.origin))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header(ORIGIN, &self.origin)
            .header(COOKIE, self.cookie())
            .timeout(ANSWER_LIMIT)
            .body(serde_json::to_vec(arguments)?)
            .send()
            .await
            .with_context(|| format!("{function} was not answered"))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await?;
        if !status.is_success() {
            bail!("{function} was answered with {status}: {text}");
        }
        let answer =
            serde_json::from_str(&text).with_context(|| format!("{function} was answered with {text}"))?;
        Ok((answer, headers))
    }

    /// Gives a presenter's command.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn command(&self, command: &Command) -> Result<Outcome> {
        self.ask("present", &serde_json::json!({ "command": command })).await
    }

    /// The value of the `Cookie` header.
    #[must_use]
    pub fn cookie(&self) -> String {
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        let set = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        self.cookies.extend(set.filter_map(name_and_value));
    }
}

/// What a `Set-Cookie` header sets.
fn name_and_value(set_cookie: &str) -> Option<(String, String)> {
    let (name, value) = set_cookie.split(';').next()?.split_once('=')?;
    Some((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_kept_without_its_attributes() {
        let expected = Some(("king".to_owned(), "a=b".to_owned()));
        assert_eq!(name_and_value("king=a=b; HttpOnly; SameSite=Lax; Path=/"), expected);
        assert_eq!(name_and_value("nonsense"), None);
    }
}
