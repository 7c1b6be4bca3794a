//! For tests: objects as the API server writes them, and an API server that answers as it is told.

use std::sync::{Arc, Mutex};

use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// When the tests happen, in milliseconds since the epoch; `00:16:40` of the first day.
pub(super) const NOW: u64 = 1_000_000;

/// A time on the first day, from its seconds.
pub(super) fn at(seconds: u64) -> String {
    format!("1970-01-01T{:02}:{:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// An object with the labels of the show and its name as UID.
pub(super) fn object(name: &str, more: &Value) -> Value {
    let mut object = json!({
        "metadata": {
            "name": name,
            "namespace": "king",
            "uid": name,
            "resourceVersion": "1",
            "creationTimestamp": at(900),
            "labels": { "app.kubernetes.io/part-of": "king-of-scaling", "app.kubernetes.io/name": "kstreams" },
        },
    });
    merge(&mut object, more);
    object
}

/// A Deployment of revision 2 with a capacity.
pub(super) fn deployment(replicas: u32) -> Value {
    object(
        "kstreams",
        &json!({
            "metadata": { "annotations": { "deployment.kubernetes.io/revision": "2" } },
            "spec": {
                "replicas": replicas,
                "selector": {},
                "template": { "spec": { "containers": [
                    { "name": "proxy" },
                    { "name": "kstreams", "env": [{ "name": "CAPACITY", "value": "2000" }] },
                ] } },
            },
        }),
    )
}

/// A ReplicaSet, called after its revision.
pub(super) fn replica_set(revision: u32, replicas: u32) -> Value {
    object(
        &format!("set-{revision}"),
        &json!({
            "metadata": { "annotations": { "deployment.kubernetes.io/revision": revision.to_string() } },
            "spec": { "replicas": replicas, "selector": {} },
        }),
    )
}

/// A pod of a revision that runs and is ready since 00:15:05.
pub(super) fn pod(name: &str, revision: u32) -> Value {
    let set = format!("set-{revision}");
    object(
        name,
        &json!({
            "metadata": { "ownerReferences": [
                { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set, "uid": set, "controller": true },
            ] },
            "spec": { "nodeName": "node-1", "containers": [{ "name": "kstreams" }] },
            "status": {
                "phase": "Running",
                "podIP": "10.0.0.1",
                "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": at(905) }],
                "containerStatuses": [{
                    "name": "kstreams", "ready": true, "restartCount": 0, "image": "", "imageID": "",
                    "state": { "running": { "startedAt": at(903) } },
                }],
            },
        }),
    )
}

/// The autoscaler, on, from 1 to 4 pods at 5,000 records a pod.
pub(super) fn autoscaler(more: &Value) -> Value {
    let metric = |name: &str| {
        json!({ "type": "Pods", "pods": {
            "metric": { "name": name },
            "target": { "type": "AverageValue", "averageValue": "5k" },
        } })
    };
    let mut hpa = object(
        "kstreams",
        &json!({
            "spec": {
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "kstreams" },
                "minReplicas": 1,
                "maxReplicas": 4,
                "metrics": [metric("consumer_lag_game_frame_rq"), metric("consumer_lag_game_frame_rs")],
            },
        }),
    );
    merge(&mut hpa, more);
    hpa
}

/// RFC 7396, as the API server applies it.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return *target = patch.clone() };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

/// A list, as the API server answers.
pub(super) fn list(items: &[Value]) -> Value {
    json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": items })
}

/// What the API server was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) crash_token: Option<String>,
    pub(super) body: Value,
}

impl Asked {
    pub(super) fn is_watch(&self) -> bool {
        self.query.contains("watch=true")
    }
}

/// What the API server answers.
pub(super) enum Answer {
    /// A status and an object.
    Whole(u16, Value),
    /// The events of a watch, which then ends.
    Events(Vec<Value>),
    /// Nothing, ever: a watch without news, or a hanging server.
    Never,
}

/// A failure in the API server's words.
pub(super) fn failure(code: u16, reason: &str) -> Answer {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": "it says why" });
    Answer::Whole(code, status)
}

/// A client of an API server that answers like this.
pub(super) fn api_server(mut answer: impl FnMut(&Asked) -> Answer + Send + 'static) -> Client {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Some((request, respond)) = handle.next_request().await {
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let asked = Asked {
                method: head.method.to_string(),
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                crash_token: head.headers.get("crash-token").map(|token| token.to_str().unwrap().to_owned()),
                body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            };
            let (code, text) = match answer(&asked) {
                Answer::Whole(code, value) => (code, value.to_string()),
                Answer::Events(events) => (200, events.iter().map(|event| format!("{event}\n")).collect()),
                Answer::Never => {
                    held.push(respond);
                    continue;
                }
            };
            let status = StatusCode::from_u16(code).unwrap();
            respond.send_response(
                Response::builder().status(status).body(Body::from(text.into_bytes())).unwrap(),
            );
        }
    });
    Client::new(service, "king")
}

/// The objects of the cluster behind an API server, by the last part of their path.
pub(super) type Objects = Arc<Mutex<std::collections::HashMap<&'static str, Vec<Value>>>>;

/// Answers lists from these objects and the version; watches have no news.
pub(super) fn from_objects(objects: &Objects, asked: &Asked) -> Answer {
    if asked.path == "/version" {
        let version = json!({
            "major": "1", "minor": "37+", "gitVersion": "v1.37.2", "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
        });
        return Answer::Whole(200, version);
    }
    if asked.is_watch() {
        return Answer::Never;
    }
    let kind = asked.path.rsplit('/').next().unwrap_or_default();
    if kind == "scaledobjects" {
        return failure(404, "NotFound");
    }
    Answer::Whole(200, list(objects.lock().unwrap().get(kind).map_or(&[][..], Vec::as_slice)))
}
