//! The program that a kubeconfig names for credentials (`exec`): it is run as rarely as its tokens allow, for a limited
//! time, and what it says when it fails is told in its own words.

use std::fmt;
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};

use k8s_openapi::jiff::Timestamp;
use kube::config::{ExecConfig, ExecInteractiveMode};
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::kubernetes::Error;

/// How long it may take. Some ask a person in a browser; those are run by hand before.
const LIMIT: Duration = Duration::from_secs(30);
/// It is not run again sooner, whatever it answered.
pub(super) const PAUSE: Duration = Duration::from_secs(10);
/// A credential is replaced so long before its end, and as long before as the program takes.
const EARLY: Duration = Duration::from_secs(5);
/// What is told of its words.
const WORDS: usize = 300;

/// Its last answer.
#[derive(Debug, Default)]
pub(super) struct Plugin {
    last: Mutex<Option<Last>>,
}

#[derive(Debug)]
struct Last {
    at: Instant,
    answer: Result<Credential, Problem>,
}

/// What proves who we are, until a time.
#[derive(Clone)]
pub(super) struct Credential {
    pub(super) token: Option<String>,
    /// A certificate and its key, as PEM.
    pub(super) certificate: Option<(String, String)>,
    /// When to have another one.
    pub(super) renew_at: Option<Instant>,
}

/// Says nothing that proves anything.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("renew_at", &self.renew_at).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
struct Problem {
    command: String,
    what: String,
    hint: String,
}

impl From<Problem> for Error {
    fn from(Problem { command, what, hint }: Problem) -> Self {
        Self::Plugin { command, what, hint }
    }
}

/// When a credential is fetched again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kubernetes) enum Renewal {
    /// The one of before, until it is due.
    WhenDue,
    /// Another one: the API server did not take that of before.
    Now,
}

impl Plugin {
    /// The credential that the program gives, or gave before.
    pub(super) async fn credential(&self, exec: &ExecConfig, renewal: Renewal) -> Result<Credential, Error> {
        let mut last = self.last.lock().await;
        if let Some(Last { at, answer }) = last.as_ref() {
            let is_good = match answer {
                Ok(Credential { renew_at, .. }) => {
                    renewal == Renewal::WhenDue && renew_at.is_none_or(|renew_at| Instant::now() < renew_at)
                }
                Err(_) => false,
            };
            if is_good || at.elapsed() < PAUSE {
                return Ok(answer.clone()?);
            }
        }
        let answer = run(exec).await;
        *last = Some(Last { at: Instant::now(), answer: answer.clone() });
        Ok(answer?)
    }
}

/// The answer of `client.authentication.k8s.io`, in any of its versions.
#[derive(Deserialize)]
struct ExecCredential {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<Timestamp>,
}

async fn run(exec: &ExecConfig) -> Result<Credential, Problem> {
    let command = exec.command.clone().unwrap_or_default();
    let hint = exec.install_hint.as_deref().map(|hint| short(hint.trim())).unwrap_or_default();
    let problem = |what: String| Problem { command: command.clone(), what, hint: String::new() };
    if exec.interactive_mode == Some(ExecInteractiveMode::Always) {
        return Err(problem("wants a terminal to ask on, and there is none here".to_owned()));
    }
    let begin = Instant::now();
    let output = match timeout(LIMIT, start(exec, &command)).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Problem { hint, ..problem("is not there: install it".to_owned()) });
        }
        Ok(Err(error)) => return Err(problem(format!("cannot be run: {error}"))),
        Err(_) => return Err(problem(format!("has not answered within {LIMIT:?}"))),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(problem(format!("failed ({}): {}", output.status, short(said.trim()))));
    }
    let answer: ExecCredential = serde_json::from_slice(&output.stdout)
        .map_err(|error| problem(format!("answered with something else than an ExecCredential: {error}")))?;
    let status = answer.status.ok_or_else(|| problem("answered without a status".to_owned()))?;
    let Status { token, client_certificate_data, client_key_data, expiration_timestamp } = status;
    let certificate = client_certificate_data.zip(client_key_data);
    if token.is_none() && certificate.is_none() {
        return Err(problem("answered with neither a token nor a certificate".to_owned()));
    }
    let lasts = expiration_timestamp
        .map(|end| SystemTime::from(end).duration_since(SystemTime::now()).unwrap_or_default());
    let renew_at =
        lasts.map(|lasts| Instant::now() + lasts.saturating_sub(EARLY + begin.elapsed()).max(PAUSE));
    Ok(Credential { token, certificate, renew_at })
}

async fn start(exec: &ExecConfig, command: &str) -> std::io::Result<Output> {
    let variables = exec.env.iter().flatten();
    let variables = variables.filter_map(|variable| Some((variable.get("name")?, variable.get("value")?)));
    let mut spec = json!({ "interactive": false });
    if let Some(cluster) = exec.cluster.as_ref().filter(|_| exec.provide_cluster_info) {
        spec["cluster"] = json!(cluster);
    }
    let info = json!({ "apiVersion": exec.api_version, "kind": "ExecCredential", "spec": spec });
    Command::new(command)
        .args(exec.args.iter().flatten())
        .envs(variables)
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
}

/// The end of what was said, in one line.
fn short(said: &str) -> String {
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let from = line.char_indices().rev().nth(WORDS - 1).map_or(0, |(at, _)| at);
    line[from..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plugin that runs a script, which counts its runs.
    fn exec(script: &str) -> ExecConfig {
        let args = ["-c".to_owned(), script.to_owned()];
        ExecConfig {
            api_version: Some("client.authentication.k8s.io/v1".to_owned()),
            command: Some("sh".to_owned()),
            args: Some(args.to_vec()),
            env: Some(vec![
                [("name", "WHO"), ("value", "me")]
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            ]),
            drop_env: None,
            install_hint: Some("brew install it".to_owned()),
            interactive_mode: None,
            provide_cluster_info: false,
            cluster: None,
            other: Default::default(),
        }
    }

    fn answer(lasts_s: i64) -> String {
        let end = Timestamp::now() + k8s_openapi::jiff::SignedDuration::from_secs(lasts_s);
        let status = format!(r#"{{\"token\": \"$WHO $$\", \"expirationTimestamp\": \"{end}\"}}"#);
        format!(r#"echo "{{\"kind\": \"ExecCredential\", \"status\": {status}}}""#)
    }

    #[tokio::test]
    async fn a_credential_is_kept_until_shortly_before_its_end_and_replaced_when_it_was_not_taken() {
        let (plugin, exec) = (Plugin::default(), exec(&answer(60)));
        let first = plugin.credential(&exec, Renewal::WhenDue).await.unwrap();
        assert!(first.token.as_deref().unwrap().starts_with("me "));
        let lasts = first.renew_at.unwrap().duration_since(Instant::now());
        assert!((Duration::from_secs(50)..Duration::from_secs(56)).contains(&lasts), "{lasts:?}");
        let token = async |renewal| plugin.credential(&exec, renewal).await.unwrap().token;
        assert_eq!(token(Renewal::WhenDue).await, first.token);
        assert_eq!(token(Renewal::Now).await, first.token, "it was run just now");
        plugin.last.lock().await.as_mut().unwrap().at -= PAUSE;
        assert_eq!(token(Renewal::WhenDue).await, first.token);
        assert_ne!(token(Renewal::Now).await, first.token);
    }

    #[tokio::test]
    async fn one_that_is_short_lived_or_fails_is_not_run_all_the_time() {
        let plugin = Plugin::default();
        let short_lived = exec(&answer(1));
        let first = plugin.credential(&short_lived, Renewal::WhenDue).await.unwrap();
        assert_eq!(plugin.credential(&short_lived, Renewal::WhenDue).await.unwrap().token, first.token);
        let plugin = Plugin::default();
        let failing = exec("echo the session of $WHO has ended: $$ >&2; exit 7");
        let first = plugin.credential(&failing, Renewal::WhenDue).await.unwrap_err().to_string();
        assert!(first.contains("`sh` failed (exit status: 7): the session of me has ended"), "{first}");
        assert_eq!(plugin.credential(&failing, Renewal::Now).await.unwrap_err().to_string(), first);
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_with_the_hint_where_it_helps() {
        let told = async |exec: &ExecConfig| {
            Plugin::default().credential(exec, Renewal::WhenDue).await.unwrap_err().to_string()
        };
        let missing = ExecConfig { command: Some("no-such-plugin".to_owned()), ..exec("") };
        let missing = told(&missing).await;
        assert!(
            missing.contains("`no-such-plugin` is not there") && missing.contains("brew install it"),
            "{missing}"
        );
        let always = ExecConfig { interactive_mode: Some(ExecInteractiveMode::Always), ..exec("") };
        assert!(told(&always).await.contains("wants a terminal"));
        assert!(told(&exec("echo hello")).await.contains("something else than an ExecCredential"));
        assert!(told(&exec(r#"echo '{"status": {}}'"#)).await.contains("neither a token nor a certificate"));
        // A plugin knows what is asked of it.
        let info =
            exec(r#"case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) echo no >&2;; esac; exit 1"#);
        assert!(told(&info).await.ends_with(": no"));
    }

    #[test]
    fn of_long_words_the_end_is_told() {
        assert_eq!(short(" a\n b "), "a b");
        let long = "é".repeat(WORDS + 9);
        assert_eq!(short(&long).chars().count(), WORDS);
    }
}
