//! A pod as a member of its group.

use std::time::Duration;

use kafka::client;
use kafka::rdkafka::consumer::{Consumer, StreamConsumer};
use kafka::rdkafka::mocking::{MockCluster, MockCoordinator};
use kafka::rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::fixture::{App, POLL, Pod, now_ms, within};

#[tokio::test]
async fn pods_share_whole_tasks() {
    let app = App::new().await;
    let mut pods = Vec::new();
    for name in ["kstreams-a", "kstreams-b", "kstreams-c"] {
        pods.push(app.pod(name, &[]).await);
    }
    within("whole tasks", async {
        loop {
            let mut tasks = Vec::new();
            for pod in &pods {
                tasks.push(pod.metric("streams_tasks").await);
            }
            tasks.sort_unstable();
            if tasks == [1, 1, 2] {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    for pod in &pods {
        pod.ready().await;
        assert_eq!(pod.metric("streams_unpaired").await, 0);
    }
    app.delete(pods).await;
}

#[tokio::test]
async fn a_pod_without_partitions_is_ready_all_the_same() {
    let app = App::new().await;
    let mut pods = Vec::new();
    for name in ["kstreams-a", "kstreams-b", "kstreams-c", "kstreams-d", "kstreams-e"] {
        pods.push(app.pod(name, &[]).await);
    }
    for pod in &pods {
        pod.ready().await;
    }
    let mut owned = 0;
    for pod in &pods {
        owned += pod.metric("streams_tasks").await;
    }
    assert_eq!(owned, 4, "one of the five has none");
    app.delete(pods).await;
}

#[tokio::test]
async fn a_pod_refuses_half_a_task() {
    let app = App::new().await;
    let log = tempfile::NamedTempFile::new().unwrap();
    let to_log = log.reopen().unwrap().into();
    let pod = Pod::start_logging(app.brokers.as_str(), &app.name, "kstreams-a", &[], to_log).await;
    pod.until("streams_tasks", |owned| owned == 4).await;
    // A stranger who is only interested in responses takes half of them.
    let membership = client::Membership::Consumer;
    let stranger: StreamConsumer =
        client::pod_consumer(&app.brokers, "stranger", &app.name, membership).create().unwrap();
    stranger.subscribe(&[&app.topic("rs")]).unwrap();
    let polling = tokio::spawn(async move { while stranger.recv().await.is_err() {} });
    pod.until("streams_unpaired", |half| half == 2).await;
    assert_eq!(pod.metric("streams_tasks").await, 2);
    // The coordinator knows a moment later than this pod who has the other half.
    let told = within("a word about the halves", async {
        loop {
            let said = std::fs::read_to_string(log.path()).unwrap();
            if let Some(line) = said.lines().find(|line| line.contains("refusing partitions")) {
                return line.to_owned();
            }
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    assert!(told.contains("owned by stranger (") && !told.contains("nobody"), "{told}");
    polling.abort();
    app.delete([pod]).await;
}

#[tokio::test]
async fn a_pod_goes_on_where_the_one_before_it_stopped() {
    let app = App::new().await;
    let sessions = app.sessions();
    let mut offsets = Vec::new();
    for (name, frames) in [("kstreams-a", 0..20), ("kstreams-b", 20..40)] {
        let pod = app.pod(name, &[]).await;
        for frame in frames {
            offsets.push(app.frame(app.machine(1, 0), now_ms() + frame).await);
            let written = sessions.update().await;
            assert_eq!((written.rq_offset, written.pod.as_str()), (offsets[offsets.len() - 1], name));
        }
        pod.terminate();
        pod.ended().await;
    }
    assert_eq!(offsets, (0..40).collect::<Vec<i64>>(), "none twice, none left out");
    app.delete([]).await;
}

#[tokio::test]
async fn a_broker_that_demands_a_longer_session_timeout_gets_it() {
    let broker = MockCluster::new(1).unwrap();
    for noun in ["rq", "rs", "sessions", "CHANGELOG", "DEAD-LETTERS"] {
        broker.create_topic(&format!("mock-{noun}"), 2, 1).unwrap();
    }
    broker.coordinator(MockCoordinator::Group("mock".to_owned()), 1).unwrap();
    broker.request_errors(
        RDKafkaApiKey::JoinGroup,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT],
    );
    let pod =
        Pod::start(&broker.bootstrap_servers(), "mock", "kstreams-a", &["--group-protocol", "classic"]).await;
    pod.ready().await;
    tokio::time::timeout(Duration::from_secs(10), pod.until("streams_tasks", |owned| owned == 2))
        .await
        .unwrap();
}
