//! What each part of the demo takes, by the kubelet's own account.

use std::collections::BTreeMap;

use cluster_tests::Demo;
use cluster_tests::demo::NAMESPACE;

/// What lag-api may take.
const LARGEST: f64 = 30e6;

#[tokio::test(flavor = "multi_thread")]
async fn lag_api_stays_small() {
    let demo = Demo::calm().await;
    let request = http::Request::get("/api/v1/nodes/node-1/proxy/metrics/resource").body(Vec::new()).unwrap();
    let text = demo.client.request_text(request).await.unwrap();
    let of_ours = |line: &&str| {
        line.starts_with("container_memory_working_set_bytes{")
            && line.contains(&format!(r#"namespace="{NAMESPACE}""#))
    };
    let mut parts = BTreeMap::new();
    for line in text.lines().filter(of_ours) {
        let name = line.split(r#"container=""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let bytes: f64 = line.split(' ').nth(1).unwrap().parse().unwrap();
        parts.insert(name.to_owned(), bytes);
    }
    for (name, bytes) in &parts {
        println!("{name}: {:.1} MB", bytes / 1e6);
    }
    assert_eq!(parts.keys().collect::<Vec<_>>(), ["datagen", "kstreams", "lag-api", "server"]);
    assert!(parts["lag-api"] < LARGEST);
}
