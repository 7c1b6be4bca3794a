//! Who may do what: each account what it must, and nothing beyond that and what any fresh account may.

use std::collections::BTreeSet;

use cluster_tests::Demo;
use cluster_tests::demo::NAMESPACE;
use k8s_openapi::api::authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, Config, ResourceExt};

/// A client that speaks as a ServiceAccount of the demo.
pub(crate) async fn client_of(account: &str) -> Client {
    client_in(NAMESPACE, account).await
}

/// A client that speaks as a ServiceAccount of a namespace.
pub(crate) async fn client_in(namespace: &str, account: &str) -> Client {
    let mut config = Config::infer().await.unwrap();
    config.auth_info.impersonate = Some(format!("system:serviceaccount:{namespace}:{account}"));
    Client::try_from(config).unwrap()
}

/// All that an account may do in a namespace, as `verb resource.group name`.
async fn permissions(account: &str, namespace: &str) -> BTreeSet<String> {
    let reviews: Api<SelfSubjectRulesReview> = Api::all(client_of(account).await);
    let review = SelfSubjectRulesReview {
        spec: SelfSubjectRulesReviewSpec { namespace: Some(namespace.to_owned()) },
        ..SelfSubjectRulesReview::default()
    };
    let status = reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap();
    assert!(!status.incomplete);
    let mut all = BTreeSet::new();
    let or_one =
        |list: Option<Vec<String>>| list.filter(|list| !list.is_empty()).unwrap_or(vec![String::new()]);
    for rule in status.resource_rules {
        let (groups, resources) = (or_one(rule.api_groups), or_one(rule.resources));
        let names = or_one(rule.resource_names);
        for verb in &rule.verbs {
            for group in &groups {
                for resource in &resources {
                    for name in &names {
                        let dot = if group.is_empty() { "" } else { "." };
                        all.insert(format!("{verb} {resource}{dot}{group} {name}").trim_end().to_owned());
                    }
                }
            }
        }
    }
    for rule in status.non_resource_rules {
        for verb in &rule.verbs {
            for url in rule.non_resource_urls.iter().flatten() {
                all.insert(format!("{verb} {url}"));
            }
        }
    }
    all
}

const SERVER: &[&str] = &[
    "get pods",
    "list pods",
    "watch pods",
    "delete pods",
    "get events",
    "list events",
    "watch events",
    "get deployments.apps",
    "list deployments.apps",
    "watch deployments.apps",
    "patch deployments.apps kstreams",
    "get deployments/scale.apps kstreams",
    "patch deployments/scale.apps kstreams",
    "update deployments/scale.apps kstreams",
    "get replicasets.apps",
    "list replicasets.apps",
    "watch replicasets.apps",
    "get horizontalpodautoscalers.autoscaling",
    "list horizontalpodautoscalers.autoscaling",
    "watch horizontalpodautoscalers.autoscaling",
    "patch horizontalpodautoscalers.autoscaling kstreams",
];
/// In every namespace.
const LAG_API: &[&str] = &[
    "create tokenreviews.authentication.k8s.io",
    "create subjectaccessreviews.authorization.k8s.io",
    "get apiservices.apiregistration.k8s.io v1beta1.external.metrics.k8s.io",
    "get apiservices.apiregistration.k8s.io v1beta2.custom.metrics.k8s.io",
    "patch apiservices.apiregistration.k8s.io v1beta1.external.metrics.k8s.io",
    "patch apiservices.apiregistration.k8s.io v1beta2.custom.metrics.k8s.io",
    "get configmaps extension-apiserver-authentication",
    "list configmaps extension-apiserver-authentication",
    "watch configmaps extension-apiserver-authentication",
];
const LAG_API_AT_HOME: &[&str] = &["list pods", "watch pods"];

#[tokio::test(flavor = "multi_thread")]
async fn each_account_may_do_what_it_must_and_nothing_else() {
    let demo = Demo::calm().await;
    for namespace in [NAMESPACE, "kube-system", "default"] {
        let fresh = permissions("somebody-new", namespace).await;
        for account in ["server", "lag-api", "datagen", "kstreams"] {
            let found = permissions(account, namespace).await;
            let beyond: BTreeSet<&str> = found.difference(&fresh).map(String::as_str).collect();
            let expected: BTreeSet<&str> = match (account, namespace) {
                ("server", NAMESPACE) => SERVER.iter().copied().collect(),
                ("lag-api", NAMESPACE) => LAG_API.iter().chain(LAG_API_AT_HOME).copied().collect(),
                ("lag-api", _) => LAG_API.iter().copied().collect(),
                _ => BTreeSet::new(),
            };
            assert_eq!(beyond, expected, "{account} in {namespace}");
        }
    }
    let pods: Api<Pod> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let running = pods.list(&ListParams::default()).await.unwrap().items;
    assert!(running.len() >= 4, "only {} pods run", running.len());
    for pod in running {
        let spec = pod.spec.as_ref().unwrap();
        let volumes = spec.volumes.iter().flatten();
        let has_token = volumes.into_iter().any(|volume| volume.projected.is_some());
        let account = spec.service_account_name.as_deref().unwrap();
        assert_eq!(has_token, ["server", "lag-api"].contains(&account), "the token of {}", pod.name_any());
    }
}
