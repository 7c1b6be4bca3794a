//! The cluster on a page outside of it: `cargo xtask demo --kube`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cluster_tests::demo::{Demo, NAMESPACE};
use cluster_tests::page::Page;
use cluster_tests::wait::until;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::config::Kubeconfig;
use model::command::{Command, Outcome};
use model::controls::Manner;
use serde_json::{Value, json};
use test_client::Session;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command as Process};

const A_WHILE: Duration = Duration::from_secs(60);
/// Programs of the demo have ended, or count as hanging.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Starts it with what the tests' command has built, itself among it; it ends when its input does.
fn start(state: &Path, environment: &[(&str, OsString)]) -> Child {
    let told =
        |name: &str| std::env::var_os(name).expect("`cargo xtask test cluster` says where everything is");
    Process::new(told("KING_TEST_XTASK"))
        .args(["demo", "--kube", "--no-build", "--exit-with-parent", "--port", "0", "--state"])
        .arg(state)
        .arg("--kafka")
        .arg(told("KING_TEST_KAFKA"))
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it can be run")
}

/// What the demo says of itself once it is ready.
async fn ready(state: &Path) -> Value {
    until("the demo is ready", A_WHILE, || async {
        serde_json::from_slice(&std::fs::read(state.join("status.json")).ok()?).ok()
    })
    .await
}

async fn crash_token(demo: &Demo) -> String {
    let secrets: Api<Secret> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let secret = secrets.get("king-secrets").await.expect("the Secret king-secrets");
    let token = secret.data.and_then(|data| data.get("crash-token").cloned()).expect("a token");
    String::from_utf8(token.0).expect("a token is text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_outside_shows_the_cluster_and_reaches_its_pods() {
    let demo = Demo::calm().await;
    demo.by_hand(2).await;
    let state = tempfile::tempdir().unwrap();
    let mut outside = start(state.path(), &[("KING_CRASH_TOKEN", OsString::from(crash_token(&demo).await))]);
    let status = ready(state.path()).await;
    let text = |field: &str| status[field].as_str().expect(field).trim_end_matches('/').to_owned();
    let url = text("url");
    let page = Page::open(&url).await;
    let source = page
        .until("which cluster it is", A_WHILE, |now| {
            Some(now.source.cluster.clone()).filter(|name| !name.is_empty())
        })
        .await;
    assert!(source.starts_with("Kubernetes 1."), "{source}");
    let agrees = || async { demo.truth.differs_from(&page.cluster()).is_none().then_some(()) };
    until("both pages and the cluster agree", A_WHILE, agrees).await;

    let mut presenter = Session::new(&url, &reqwest::Client::new());
    presenter.sign_in(&text("passcode")).await.unwrap();
    let names = demo.truth.names();
    for (pod, manner) in [(&names[0], Manner::Crash), (&names[1], Manner::Graceful)] {
        let kill = Command::Kill { pod: Some(pod.clone()), manner, confirmed: true };
        assert_eq!(presenter.command(&kill).await.unwrap(), Outcome::Done, "{manner:?}");
    }
    until("a crashed pod and a new one are ready", A_WHILE, || async {
        let ready = demo.truth.ready();
        let crashed = demo.truth.restarts(&names[0]) == Some(1) && ready.contains(&names[0]);
        (crashed && ready.len() == 2 && !ready.contains(&names[1])).then_some(())
    })
    .await;
    until("both pages and the cluster agree again", A_WHILE, agrees).await;

    drop(outside.stdin.take());
    let ended = tokio::time::timeout(ENDS_WITHIN, outside.wait()).await.expect("it ends with its parent");
    assert!(ended.unwrap().success());
}

/// A proxy that lets everybody through (`CONNECT`), and counts them.
async fn proxy() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut target = String::new();
                stream.read_line(&mut target).await?;
                while {
                    let mut line = String::new();
                    stream.read_line(&mut line).await? > 2
                } {}
                let target = target.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
                let mut behind = TcpStream::connect(target.unwrap_or_default()).await?;
                counted.fetch_add(1, Ordering::SeqCst);
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                copy_bidirectional(&mut stream, &mut behind).await
            });
        }
    });
    (format!("http://{address}"), count)
}

/// The administrator's kubeconfig in three files of which the first of the list is missing: the current context, what
/// it means, and a user whose credentials a plugin gives. It takes three seconds, and they last for twenty.
fn in_pieces(directory: &Path) -> (OsString, PathBuf) {
    let whole = serde_json::to_value(Kubeconfig::read().unwrap()).unwrap();
    let user = &whole["users"][0];
    let pem = |field: &str| {
        let data = BASE64_STANDARD.decode(user["user"][field].as_str().unwrap()).unwrap();
        String::from_utf8(data).unwrap()
    };
    let status = json!({
        "clientCertificateData": pem("client-certificate-data"),
        "clientKeyData": pem("client-key-data"),
        "expirationTimestamp": "@UNTIL@",
    });
    let answer = json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status });
    let (answers, runs) = (directory.join("answer"), directory.join("runs"));
    std::fs::write(&answers, answer.to_string()).unwrap();
    let script = format!(
        "echo run >> {}; sleep 3; sed \"s/@UNTIL@/$(date -u -d '+20 seconds' +%Y-%m-%dT%H:%M:%SZ)/\" {}",
        runs.display(),
        answers.display()
    );
    let exec = json!({ "apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script], "interactiveMode": "Never" });
    let pieces = [
        ("context", json!({ "current-context": whole["current-context"] })),
        ("clusters", json!({ "clusters": whole["clusters"], "contexts": whole["contexts"] })),
        ("users", json!({ "users": [{ "name": user["name"], "user": { "exec": exec } }] })),
    ];
    let mut files = vec![directory.join("missing")];
    for (name, content) in pieces {
        let file = directory.join(name);
        std::fs::write(&file, content.to_string()).unwrap();
        files.push(file);
    }
    (std::env::join_paths(files).unwrap(), runs)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubeconfig_in_pieces_a_slow_plugin_and_a_proxy_are_no_outage() {
    let _demo = Demo::calm().await;
    let state = tempfile::tempdir().unwrap();
    let ((kubeconfig, runs), (proxy, connections)) = (in_pieces(state.path()), proxy().await);
    let environment =
        [("KUBECONFIG", kubeconfig), ("HTTPS_PROXY", proxy.into()), ("NO_PROXY", "127.0.0.1".into())];
    let mut outside = start(&state.path().join("demo"), &environment);
    let status = ready(&state.path().join("demo")).await;
    let page = Page::open(status["url"].as_str().unwrap().trim_end_matches('/')).await;
    page.until("the cluster", A_WHILE, |now| now.cluster.as_ref().map(drop)).await;
    let count = || std::fs::read_to_string(&runs).unwrap().lines().count();
    let (before, mut looks) = (count(), 0);
    until("two more runs of the plugin", A_WHILE, || {
        let outage = page.snapshot().outages.cluster.map(|outage| outage.reason).unwrap_or_default();
        assert!(!outage.contains("credential"), "after {looks} looks: {outage}");
        looks += 1;
        let runs = count();
        async move { (runs >= before + 2).then_some(()) }
    })
    .await;
    // One before the server, one of the server's, and one each time before the credentials end.
    assert!(before <= 3 && looks > 100, "{before} runs at first, {looks} looks");
    assert!(connections.load(Ordering::SeqCst) >= 2, "through the proxy");
    drop(outside.stdin.take());
    let ended = tokio::time::timeout(ENDS_WITHIN, outside.wait()).await.expect("it ends with its parent");
    assert!(ended.unwrap().success());
}
