//! The overlay `local` in another namespace, as Kustomize's `namespace:` makes it. What a cluster has once (the metrics
//! APIs) stays with the demo that the other tests are about; what lies outside of the namespace gets other names here,
//! so that both can be there.

use std::process::Command;
use std::time::Duration;

use cluster_tests::Demo;
use cluster_tests::demo::NAMESPACE;
use cluster_tests::wait::until;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use model::DEPLOYMENT;
use serde_json::{Value, json};

use crate::access::client_in;
use crate::admission::refusal;
use crate::manifests::{copy, run};

const OTHER: &str = "team-a";
const A_WHILE: Duration = Duration::from_secs(90);

/// All objects of `local` in the other namespace, with the image that runs already, Kafka beside the pods, and no
/// program that would write into the other demo's topics.
fn rendered(image: &str) -> Vec<Value> {
    let copy = copy().unwrap();
    let overlay = |name: &str, text: String| {
        let folder = copy.path().join("deploy/overlays").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("kustomization.yaml"), text).unwrap();
        folder
    };
    let beside = include_str!("../../overlay/kustomization.yaml").replace("../../../deploy/overlays", "..");
    overlay("beside", beside.replace("../../../deploy/components", "../../components"));
    let (name, digest) = image.split_once('@').expect("it runs by its digest");
    let folder = overlay(
        OTHER,
        format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: {OTHER}\nresources: [../beside]\n\
             replicas: [{{name: kstreams, count: 0}}, {{name: datagen, count: 0}}, {{name: server, count: 0}}]\n\
             images: [{{name: {name}, newName: {name}, digest: \"{digest}\"}}]\n"
        ),
    );
    let yaml = run(Command::new("kubectl").arg("kustomize").arg(folder), None).unwrap();
    // As the files say it, whatever of that is there already.
    let mut read = Command::new("kubectl");
    read.args(["create", "--dry-run=client", "--output", "json", "--filename", "-"]);
    let json = run(&mut read, Some(&yaml)).unwrap();
    let documents = serde_json::Deserializer::from_str(&json).into_iter::<Value>().map(Result::unwrap);
    documents
        .flat_map(|document| match document["items"].as_array() {
            Some(items) => items.clone(),
            None => vec![document],
        })
        .collect()
}

/// What is to be applied of it: without what the cluster has once.
fn of_its_own(mut object: Value) -> Option<Value> {
    let kind = object["kind"].as_str()?.to_owned();
    if kind == "APIService" || kind.starts_with("ValidatingAdmissionPolicy") {
        return None;
    }
    if kind.starts_with("ClusterRole") {
        let other = |name: &Value| json!(format!("{}-{OTHER}", name.as_str().unwrap_or_default()));
        object["metadata"]["name"] = other(&object["metadata"]["name"]);
        let role = object["roleRef"]["name"].as_str().unwrap_or_default();
        if role.starts_with(NAMESPACE) {
            object["roleRef"]["name"] = other(&object["roleRef"]["name"]);
        }
    }
    Some(object)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_works_and_is_guarded_in_another_namespace() {
    let demo = Demo::calm().await;
    let deployments: Api<Deployment> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let kstreams = deployments.get(DEPLOYMENT).await.unwrap();
    let image = kstreams.spec.unwrap().template.spec.unwrap().containers[0].image.clone().unwrap();
    let all = rendered(&image);
    let outside: Vec<&Value> =
        all.iter().filter(|object| object["metadata"]["namespace"] == NAMESPACE).collect();
    assert!(outside.is_empty(), "these stay behind: {outside:?}");
    for api in all.iter().filter(|object| object["kind"] == "APIService") {
        assert_eq!(api["spec"]["service"]["namespace"], OTHER);
    }
    assert!(all.len() > 30, "only {} objects", all.len());
    let own: Vec<Value> = all.into_iter().filter_map(of_its_own).collect();
    let cluster_wide: Vec<(String, String)> = own
        .iter()
        .filter(|object| object["kind"].as_str().is_some_and(|kind| kind.starts_with("ClusterRole")))
        .map(|object| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&object["kind"]), text(&object["metadata"]["name"]))
        })
        .collect();
    assert!(cluster_wide.len() >= 4, "{cluster_wide:?}");
    let own = json!({ "apiVersion": "v1", "kind": "List", "items": own }).to_string();
    run(Command::new("kubectl").args(["apply", "--filename", "-"]), Some(&own)).unwrap();

    let there: Api<Deployment> = Api::namespaced(demo.client.clone(), OTHER);
    until("lag-api is ready in the other namespace", A_WHILE, || async {
        let status = there.get("lag-api").await.ok()?.status?;
        (status.ready_replicas == Some(1)).then_some(())
    })
    .await;
    let server = client_in(OTHER, "server").await;
    let pods: Api<Pod> = Api::namespaced(server.clone(), OTHER);
    let dry = DeleteParams { dry_run: true, ..DeleteParams::default() };
    let running = pods.list(&ListParams::default()).await.unwrap().items;
    assert!(!running.is_empty(), "no pod runs");
    for pod in running {
        let refused = refusal(pods.delete(&pod.name_any(), &dry).await).expect("no pod of kstreams runs");
        assert!(refused.contains("pods of kstreams only"), "{refused}");
    }
    let there: Api<Deployment> = Api::namespaced(server, OTHER);
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let patch = |container: Value| {
        Patch::Strategic(json!({ "spec": { "template": { "spec": { "containers": [container] } } } }))
    };
    let evil = patch(json!({ "name": DEPLOYMENT, "image": "example.com/evil" }));
    let refused = refusal(there.patch(DEPLOYMENT, &dry, &evil).await).expect("another image is refused");
    assert!(refused.contains("not change what runs there"), "{refused}");
    let allowed = patch(json!({ "name": DEPLOYMENT, "env": [{ "name": "CAPACITY", "value": "500" }] }));
    assert_eq!(refusal(there.patch(DEPLOYMENT, &dry, &allowed).await), None);

    for (kind, name) in cluster_wide {
        run(Command::new("kubectl").args(["delete", &kind, &name]), None).unwrap();
    }
    let namespaces: Api<Namespace> = Api::all(demo.client.clone());
    namespaces.delete(OTHER, &DeleteParams::default()).await.unwrap();
    until("the other namespace is gone", A_WHILE, || async {
        namespaces.get_opt(OTHER).await.ok()?.is_none().then_some(())
    })
    .await;
}
