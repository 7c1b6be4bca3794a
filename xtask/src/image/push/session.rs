//! Requests to one registry. A registry says in its first refusal how it wants to be asked: with a name and a password,
//! or with a token that another address gives for them.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use ureq::http::{Method, Request, Response, header};
use ureq::{Agent, Body};

use super::credentials::Credentials;

/// A connection to a registry, and what it wants to see from us.
pub(super) struct Session {
    agent: Agent,
    origin: String,
    credentials: Option<Credentials>,
    authorization: Option<String>,
}

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { url: String },
}

#[derive(Deserialize)]
struct Token {
    #[serde(alias = "access_token")]
    token: String,
}

impl Session {
    /// Nothing is sent yet.
    pub(super) fn new(origin: String, credentials: Option<Credentials>) -> Self {
        let agent = Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        Self { agent, origin, credentials, authorization: None }
    }

    /// One request; when the registry asks who we are, once more with the answer.
    pub(super) fn call(
        &mut self,
        method: &Method,
        url: &str,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Response<Body>> {
        let answer = self.once(method, url, content_type, body)?;
        if answer.status() != 401 || !self.is_at(url) {
            return Ok(answer);
        }
        let challenge = answer.headers().get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        let challenge = challenge
            .and_then(Challenge::parse)
            .context("the registry refuses us without saying what it wants")?;
        self.authorization = Some(self.answer(&challenge)?);
        self.once(method, url, content_type, body)
    }

    /// A registry may give a place as a path.
    pub(super) fn absolute(&self, place: &str) -> String {
        if place.starts_with('/') { format!("{}{place}", self.origin) } else { place.to_owned() }
    }

    /// Whether an address is the registry's own. One like `https://registry.example.com.elsewhere` only begins like it.
    fn is_at(&self, url: &str) -> bool {
        url.strip_prefix(&self.origin).is_some_and(|path| path.starts_with('/'))
    }

    fn once(
        &self,
        method: &Method,
        url: &str,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Response<Body>> {
        let mut request = Request::builder().method(method).uri(url);
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        // A registry may send us elsewhere with a blob: our secret stays with the registry.
        if let Some(authorization) = self.authorization.as_deref().filter(|_| self.is_at(url)) {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let answer = if body.is_empty() && *method != Method::POST {
            self.agent.run(request.body(())?)
        } else {
            self.agent.run(request.body(body)?)
        };
        // The address may hold a signature: only the registry's own is shown.
        answer.with_context(|| format!("{} does not answer", self.origin))
    }

    fn answer(&self, challenge: &Challenge) -> Result<String> {
        let basic = self.credentials.as_ref().map(Credentials::basic);
        match challenge {
            Challenge::Basic => basic.with_context(|| {
                format!("{} wants to know who we are: log in with `docker login`, or `gcloud auth configure-docker`", self.origin)
            }),
            Challenge::Bearer { url } => {
                let mut request = self.agent.get(url);
                if let Some(basic) = basic {
                    request = request.header(header::AUTHORIZATION, basic);
                }
                let mut answer = request.call().context("the registry's address for tokens does not answer")?;
                if answer.status() != 200 {
                    bail!("no token for {}: {}", self.origin, explain(&mut answer));
                }
                let text = answer.body_mut().read_to_string()?;
                let token: Token = serde_json::from_str(&text).context("the registry's token cannot be read")?;
                Ok(format!("Bearer {}", token.token))
            }
        }
    }
}

impl Challenge {
    /// `Basic realm="..."`, or `Bearer realm="URL",service="...",scope="..."`.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let value = |name: &str| {
            let (_, after) = rest.split_once(&format!("{name}=\""))?;
            after.split_once('"').map(|(value, _)| value)
        };
        let mut url = value("realm")?.to_owned();
        for name in ["service", "scope"] {
            if let Some(value) = value(name) {
                url.push(if url.contains('?') { '&' } else { '?' });
                url.push_str(&format!("{name}={value}"));
            }
        }
        Some(Self::Bearer { url })
    }
}

/// What a refusal says, in a line.
pub(super) fn explain(answer: &mut Response<Body>) -> String {
    let status = answer.status();
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    format!("{status} {}", text.lines().next().unwrap_or_default().chars().take(300).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_goes_to_the_registry_only() {
        let session = Session::new("https://registry.example.com".to_owned(), None);
        assert!(session.is_at("https://registry.example.com/v2/king/blobs/uploads/"));
        for elsewhere in [
            "https://registry.example.com.elsewhere/v2/",
            "https://registry.example.com@elsewhere/",
            "http://registry.example.com/",
        ] {
            assert!(!session.is_at(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn a_registry_asks_for_a_password_or_a_token() {
        assert_eq!(Challenge::parse("Basic realm=\"x\""), Some(Challenge::Basic));
        let bearer = r#"Bearer realm="https://auth.example.com/token",service="registry",scope="repository:king:pull,push""#;
        let url =
            "https://auth.example.com/token?service=registry&scope=repository:king:pull,push".to_owned();
        assert_eq!(Challenge::parse(bearer), Some(Challenge::Bearer { url }));
        assert_eq!(Challenge::parse("Negotiate"), None);
    }
}
