//! The cluster on a page outside of it: `cargo xtask demo --kube`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cluster_tests::demo::{Demo, NAMESPACE};
use cluster_tests::page::Page;
use cluster_tests::wait::until;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use model::command::{Command, Outcome};
use model::controls::Manner;
use serde_json::Value;
use tokio::process::{Child, Command as Process};
use visitor::Session;

const A_WHILE: Duration = Duration::from_secs(60);
/// Programs of the demo have ended, or count as hanging.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Starts it with what the tests' command has built, itself among it; it ends when its input does.
fn start(state: &Path, crash_token: &str) -> Child {
    let told =
        |name: &str| std::env::var_os(name).expect("`cargo xtask test cluster` says where everything is");
    Process::new(told("KING_TEST_XTASK"))
        .args(["demo", "--kube", "--no-build", "--exit-with-parent", "--port", "0", "--state"])
        .arg(state)
        .arg("--kafka")
        .arg(told("KING_TEST_KAFKA"))
        .env("KING_CRASH_TOKEN", crash_token)
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it can be run")
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
    let mut outside = start(state.path(), &crash_token(&demo).await);
    let status: Value = until("the demo is ready", A_WHILE, || async {
        serde_json::from_slice(&std::fs::read(state.path().join("status.json")).ok()?).ok()
    })
    .await;
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
