//! What the cluster refuses: whatever Pod Security "restricted" does not allow, and what the server's account should
//! not do although its role cannot say so.

use cluster_tests::Demo;
use cluster_tests::demo::NAMESPACE;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use model::DEPLOYMENT;
use serde_json::json;

use crate::access::client_of;

/// The sentence of a refusal, or nothing where nothing is refused.
pub(crate) fn refusal<T>(result: kube::Result<T>) -> Option<String> {
    match result {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => {
            assert_eq!(status.code, 403, "{}", status.message);
            Some(status.message.clone())
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_restricted_profile_is_enforced_and_admits_all_our_pods() {
    let demo = Demo::calm().await;
    let namespaces: Api<Namespace> = Api::all(demo.client.clone());
    let namespace = namespaces.get(NAMESPACE).await.unwrap();
    assert_eq!(namespace.labels()["pod-security.kubernetes.io/enforce"], "restricted");
    let pods: Api<Pod> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let running = pods.list(&ListParams::default()).await.unwrap().items;
    let mut admitted = 0;
    for mut pod in running {
        // Again from its specification: what is enforced now is asked, not what was when it was made.
        pod.metadata = kube::core::ObjectMeta {
            name: Some(format!("{}-again", pod.name_any())),
            labels: Some(std::collections::BTreeMap::from([("again".to_owned(), "true".to_owned())])),
            ..Default::default()
        };
        pod.status = None;
        assert_eq!(refusal(pods.create(&dry, &pod).await), None);
        admitted += 1;
        let spec = pod.spec.as_mut().unwrap();
        spec.host_network = Some(true);
        let refused = refusal(pods.create(&dry, &pod).await).expect("a pod of the host's network is refused");
        assert!(refused.contains("restricted"), "{refused}");
    }
    assert!(admitted >= 4, "only {admitted} pods run");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_may_end_pods_of_kstreams_only() {
    let demo = Demo::calm().await;
    let all: Api<Pod> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(client_of("server").await, NAMESPACE);
    let dry = DeleteParams { dry_run: true, ..DeleteParams::default() };
    let (mut of_kstreams, mut of_others) = (0, 0);
    for pod in all.list(&ListParams::default()).await.unwrap() {
        let refused = refusal(pods.delete(&pod.name_any(), &dry).await);
        if pod.labels()["app.kubernetes.io/name"] == DEPLOYMENT {
            assert_eq!(refused, None, "{}", pod.name_any());
            of_kstreams += 1;
        } else {
            let refused = refused.unwrap_or_else(|| panic!("the server may delete {}", pod.name_any()));
            assert!(refused.contains("the server may delete pods of kstreams only"), "{refused}");
            of_others += 1;
        }
    }
    assert!(of_kstreams >= 1 && of_others >= 3, "only {of_kstreams} of kstreams and {of_others} others run");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_may_restart_kstreams_and_not_change_what_runs_there() {
    let _demo = Demo::calm().await;
    let deployments: Api<Deployment> = Api::namespaced(client_of("server").await, NAMESPACE);
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let patch = |container: serde_json::Value, template: serde_json::Value| {
        let mut spec = json!({ "containers": [container] });
        spec.as_object_mut().unwrap().extend(template.as_object().unwrap().clone());
        Patch::Strategic(json!({ "spec": { "template": {
            "metadata": { "annotations": { "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z" } },
            "spec": spec,
        } } }))
    };
    let own = json!({ "name": DEPLOYMENT });
    let allowed =
        patch(json!({ "name": DEPLOYMENT, "env": [{ "name": "CAPACITY", "value": "500" }] }), json!({}));
    assert_eq!(refusal(deployments.patch(DEPLOYMENT, &dry, &allowed).await), None);
    for (container, template) in [
        (json!({ "name": DEPLOYMENT, "image": "example.com/other" }), json!({})),
        (json!({ "name": DEPLOYMENT, "command": ["/usr/local/bin/lag-api"] }), json!({})),
        (own.clone(), json!({ "serviceAccountName": "lag-api" })),
        (own.clone(), json!({ "volumes": [{ "name": "more", "emptyDir": {} }] })),
        (own.clone(), json!({ "initContainers": [{ "name": "more", "image": "example.com/other" }] })),
    ] {
        let asked = format!("{container} {template}");
        let refused = refusal(deployments.patch(DEPLOYMENT, &dry, &patch(container, template)).await);
        let refused = refused.unwrap_or_else(|| panic!("the server may change: {asked}"));
        assert!(refused.contains("not change what runs there"), "{refused}");
    }
    assert!(refusal(deployments.patch("lag-api", &dry, &patch(own, json!({}))).await).is_some());
}
