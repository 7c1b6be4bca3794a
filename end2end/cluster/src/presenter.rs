//! The presenter, who reaches the page by `kubectl port-forward`: a passcode does not travel in the clear through a network.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use model::command::{Command, Outcome};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command as Process};

use crate::demo::NAMESPACE;

/// Somebody who is signed in.
#[derive(Debug)]
pub struct Presenter {
    origin: String,
    cookie: String,
    http: reqwest::Client,
    _forward: Child,
    /// kubectl tells of each connection, and ends when nobody can hear it.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Presenter {
    /// Opens a way to the server and signs in.
    ///
    /// # Errors
    /// When there is no way, or the passcode is wrong.
    pub async fn sign_in(passcode: &str) -> Result<Self> {
        let mut forward = Process::new("kubectl")
            .args(["--namespace", NAMESPACE, "port-forward", "service/server", ":80"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run kubectl")?;
        let mut lines = BufReader::new(forward.stdout.take().context("no output")?).lines();
        // Forwarding from 127.0.0.1:40123 -> 8930
        let line = lines.next_line().await?.context("kubectl port-forward ended")?;
        let address = line.split(' ').nth(2).context("kubectl port-forward says something else")?;
        let origin = format!("http://{address}");
        let http = reqwest::Client::new();
        let answer = post(&http, &origin, "sign_in", &json!({ "passcode": passcode }), None).await?;
        let cookie = answer.headers().get("set-cookie").context("the passcode was refused")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { origin, cookie, http, _forward: forward, _said: lines })
    }

    /// Presses a button.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn ask(&self, command: &Command) -> Result<Outcome> {
        let body = json!({ "command": command });
        Ok(post(&self.http, &self.origin, "present", &body, Some(&self.cookie)).await?.json().await?)
    }
}

async fn post(
    http: &reqwest::Client,
    origin: &str,
    function: &str,
    body: &serde_json::Value,
    cookie: Option<&str>,
) -> Result<reqwest::Response> {
    let mut request = http.post(format!("{origin}/api/{function}")).header("origin", origin).json(body);
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let request = request.timeout(Duration::from_secs(20));
    Ok(request.send().await?.error_for_status()?)
}
