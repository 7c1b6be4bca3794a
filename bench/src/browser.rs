//! A headless Chromium, spoken to through the pipe of its developer tools (the Chrome DevTools Protocol): one JSON
//! object after the other, each ended by a zero byte. No driver and no library of its own is needed.

use std::collections::VecDeque;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// Where a Chromium may be; the first one that starts is taken. `CHROMIUM` names another.
const PROGRAMS: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// The protocol uses the descriptors 3 and 4; a shell puts our pipes there.
const PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null"#;

/// A running browser; it ends with this value.
pub(crate) struct Browser {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    calls: u64,
    events: VecDeque<Value>,
    _profile: TempDir,
}

/// A page in a context of its own: no cache and no cookie is shared with another.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    context: String,
    session: String,
}

impl Browser {
    /// Starts a browser; `None` where there is none on this machine.
    pub(crate) async fn start() -> Result<Option<Self>> {
        let named = std::env::var("CHROMIUM").ok();
        for program in named.as_deref().map_or(&PROGRAMS[..], |_| &[]).iter().copied().chain(named.as_deref())
        {
            if let Some(browser) = Self::start_program(program).await? {
                return Ok(Some(browser));
            }
        }
        println!(
            "  There is no Chromium here (CHROMIUM=PROGRAM names one): what needs a browser is left out."
        );
        Ok(None)
    }

    async fn start_program(program: &str) -> Result<Option<Self>> {
        let profile = TempDir::with_prefix("king-bench-")?;
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                PIPES,
                program,
                "--headless=new",
                "--disable-gpu",
                "--no-first-run",
                "--remote-debugging-pipe",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--window-size=1920,1080",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if rustix::process::geteuid().is_root() {
            // Chromium refuses to run its sandbox as root, as in a container.
            command.arg("--no-sandbox");
        }
        let mut process = command.arg("about:blank").spawn().context("cannot run sh")?;
        let input = process.stdin.take().context("no pipe to the browser")?;
        let output = BufReader::new(process.stdout.take().context("no pipe from the browser")?);
        let mut browser =
            Self { process, input, output, calls: 0, events: VecDeque::new(), _profile: profile };
        match browser.call(None, "Browser.getVersion", json!({})).await {
            Ok(version) => {
                println!("  browser: {}", version["product"].as_str().unwrap_or("unknown"));
                Ok(Some(browser))
            }
            Err(_) => Ok(None),
        }
    }

    /// Opens an empty page.
    pub(crate) async fn open(&mut self) -> Result<Page> {
        let context = self.call(None, "Target.createBrowserContext", json!({})).await?;
        let context = text(&context, "browserContextId")?;
        let arguments = json!({ "url": "about:blank", "browserContextId": context });
        let target = text(&self.call(None, "Target.createTarget", arguments).await?, "targetId")?;
        let arguments = json!({ "targetId": target, "flatten": true });
        let session = text(&self.call(None, "Target.attachToTarget", arguments).await?, "sessionId")?;
        let page = Page { context, session };
        self.on(&page, "Page.enable", json!({})).await?;
        Ok(page)
    }

    /// Closes a page and forgets its context.
    pub(crate) async fn close(&mut self, page: Page) -> Result<()> {
        self.call(None, "Target.disposeBrowserContext", json!({ "browserContextId": page.context })).await?;
        self.events.retain(|event| event["sessionId"] != page.session.as_str());
        Ok(())
    }

    /// Calls a method of the protocol on a page.
    pub(crate) async fn on(&mut self, page: &Page, method: &str, arguments: Value) -> Result<Value> {
        self.call(Some(&page.session), method, arguments).await
    }

    /// Loads an address and waits for its `load` event.
    pub(crate) async fn load(&mut self, page: &Page, url: &str) -> Result<()> {
        let answer = self.on(page, "Page.navigate", json!({ "url": url })).await?;
        if let Some(error) = answer["errorText"].as_str() {
            bail!("the browser cannot open {url}: {error}");
        }
        loop {
            if self.events.iter().any(|event| is_of(event, page, "Page.loadEventFired")) {
                self.events.retain(|event| !is_of(event, page, "Page.loadEventFired"));
                return Ok(());
            }
            let message = self.read().await?;
            self.events.push_back(message);
        }
    }

    /// The value of an expression of JavaScript in a page; a promise is waited for.
    pub(crate) async fn evaluate(&mut self, page: &Page, expression: &str) -> Result<Value> {
        let arguments = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.on(page, "Runtime.evaluate", arguments).await?;
        if answer.get("exceptionDetails").is_some() {
            bail!("the page's script failed: {}", answer["exceptionDetails"]);
        }
        Ok(answer["result"]["value"].clone())
    }

    /// Takes the events of one name that a page has sent so far.
    pub(crate) fn take_events(&mut self, page: &Page, name: &str) -> Vec<Value> {
        let (taken, rest): (Vec<Value>, Vec<Value>) =
            self.events.drain(..).partition(|event| is_of(event, page, name));
        self.events = rest.into();
        taken
    }

    /// Ends the browser and waits for that.
    pub(crate) async fn end(mut self) -> Result<()> {
        // It closes the pipe instead of an answer, or kills itself later.
        let _ = self.call(None, "Browser.close", json!({})).await;
        if timeout(ANSWER_LIMIT, self.process.wait()).await.is_err() {
            self.process.kill().await?;
        }
        Ok(())
    }

    async fn call(&mut self, session: Option<&str>, method: &str, arguments: Value) -> Result<Value> {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method, "params": arguments });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = serde_json::to_vec(&message)?;
        bytes.push(0);
        self.input.write_all(&bytes).await?;
        loop {
            let mut message =
                self.read().await.with_context(|| format!("the browser did not answer {method}"))?;
            if message["id"] != self.calls {
                self.events.push_back(message);
            } else if let Some(error) = message.get("error") {
                bail!("the browser answered {method} with {error}");
            } else {
                return Ok(message["result"].take());
            }
        }
    }

    async fn read(&mut self) -> Result<Value> {
        let mut bytes = Vec::new();
        timeout(ANSWER_LIMIT, self.output.read_until(0, &mut bytes))
            .await
            .context("the browser says nothing")??;
        bytes.pop().context("the browser has ended")?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}

fn is_of(event: &Value, page: &Page, name: &str) -> bool {
    event["method"] == name && event["sessionId"] == page.session.as_str()
}

fn text(answer: &Value, field: &str) -> Result<String> {
    answer[field].as_str().map(str::to_owned).with_context(|| format!("the browser gave no {field}"))
}
