//! The presenter, who reaches the page by `kubectl port-forward`: a passcode does not travel in the clear through a
//! network.

use std::process::Stdio;

use anyhow::{Context, Result};
use model::command::{Command, Outcome};
use test_client::Session;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command as Process};

use crate::demo::NAMESPACE;

/// Somebody who is signed in.
#[derive(Debug)]
pub struct Presenter {
    session: Session,
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
        let mut session = Session::new(&format!("http://{address}"), &reqwest::Client::new());
        session.sign_in(passcode).await?;
        Ok(Self { session, _forward: forward, _said: lines })
    }

    /// Presses a button.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn ask(&self, command: &Command) -> Result<Outcome> {
        self.session.command(command).await
    }
}
