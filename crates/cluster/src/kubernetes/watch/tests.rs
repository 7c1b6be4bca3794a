use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::kubernetes::testing::{
    self, Answer, Asked, NOW, api_server, deployment, failure, from_objects, pod,
};

/// A watch whose clients come one after the other from `clients`, which is given their number.
fn watch(clients: impl Fn(usize) -> Client + Send + Sync + 'static) -> channel::Receiver<Observation> {
    let (observations, observation) = channel::channel(Observation::default());
    let number = AtomicUsize::new(0);
    let connect = move |_| {
        let client = clients(number.fetch_add(1, Ordering::SeqCst));
        async move { Ok(Connection { client, renew_at: None }) }
    };
    let watch = Watch {
        connect,
        namespace: "king".into(),
        topics: Vec::new(),
        clock: || NOW,
        shared: Arc::default(),
        observations,
    };
    tokio::spawn(watch.run());
    observation
}

fn one_pod() -> testing::Objects {
    let objects = testing::Objects::default();
    objects.lock().unwrap().insert("deployments", vec![deployment(1)]);
    objects.lock().unwrap().insert("pods", vec![pod("kstreams-2-a", 2)]);
    objects
}

async fn until(
    observation: &mut channel::Receiver<Observation>,
    what: &str,
    holds: impl Fn(&Observation) -> bool,
) -> Observation {
    let seen = timeout(Duration::from_secs(60), observation.wait_for(|observation| holds(observation))).await;
    seen.unwrap_or_else(|_| panic!("never {what}")).unwrap().clone()
}

fn pods(observation: &Observation) -> Vec<&str> {
    observation.cluster.iter().flat_map(|cluster| &cluster.pods).map(|pod| pod.name.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn everything_is_listed_before_anything_is_shown() {
    let objects = one_pod();
    let mut observation = watch(move |_| {
        let objects = Arc::clone(&objects);
        api_server(move |asked| from_objects(&objects, asked))
    });
    let seen = until(&mut observation, "a cluster", |observation| observation.cluster.is_some()).await;
    assert_eq!((pods(&seen), seen.label.as_str()), (vec!["kstreams-2-a"], "Kubernetes 1.37"));
    assert_eq!(seen.outage, None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_whose_version_is_too_old_lists_again_and_is_no_outage() {
    let objects = one_pod();
    let gone = json!({ "type": "ERROR", "object": { "kind": "Status", "code": 410, "reason": "Expired", "message": "too old" } });
    let told = Arc::new(Mutex::new(false));
    let mut observation = watch(move |number| {
        assert_eq!(number, 0, "no new session");
        let (objects, told, gone) = (Arc::clone(&objects), Arc::clone(&told), gone.clone());
        api_server(move |asked| {
            let first = asked.is_watch()
                && asked.path.ends_with("/pods")
                && !std::mem::replace(&mut *told.lock().unwrap(), true);
            if !first {
                return from_objects(&objects, asked);
            }
            let mut objects = objects.lock().unwrap();
            objects.get_mut("pods").unwrap().push(pod("kstreams-2-b", 2));
            Answer::Events(vec![gone.clone()])
        })
    });
    let seen = until(&mut observation, "both pods", |observation| pods(observation).len() == 2).await;
    assert_eq!(seen.outage, None);
}

/// The first client answers until it lists, and its later beats like this; the others are well.
async fn recovers(beat: fn() -> Answer, reason: &str) {
    let objects = one_pod();
    let mut observation = watch(move |number| {
        let objects = Arc::clone(&objects);
        let mut versions = 0;
        api_server(move |asked: &Asked| {
            versions += usize::from(asked.path == "/version");
            if (number == 0 && versions > 2) || (number == 1 && asked.path == "/version") {
                return beat();
            }
            from_objects(&objects, asked)
        })
    });
    until(&mut observation, "a cluster", |observation| observation.cluster.is_some()).await;
    let seen = until(&mut observation, "an outage", |observation| observation.outage.is_some()).await;
    let outage = seen.outage.clone().unwrap();
    assert!(outage.reason.contains(reason), "{}", outage.reason);
    assert_eq!((outage.since_ms, pods(&seen)), (NOW, vec!["kstreams-2-a"]), "the last picture stays");
    until(&mut observation, "the end of the outage", |observation| observation.outage.is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_replaced_by_a_new_client() {
    recovers(|| failure(401, "Unauthorized"), "it says why (401)").await;
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_hangs_is_an_outage_until_it_answers() {
    recovers(|| Answer::Never, "in time").await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_may_not_be_opened_says_what_to_do() {
    let objects = one_pod();
    let mut observation = watch(move |_| {
        let objects = Arc::clone(&objects);
        api_server(move |asked| {
            if asked.path.ends_with("/pods") {
                failure(403, "Forbidden")
            } else {
                from_objects(&objects, asked)
            }
        })
    });
    let seen = until(&mut observation, "an outage", |observation| observation.outage.is_some()).await;
    let reason = seen.outage.unwrap().reason;
    assert!(reason.contains("not allowed") && reason.contains("Role"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_end_are_replaced_before_that_and_it_is_no_outage() {
    let (observations, mut observation) = channel::channel(Observation::default());
    let number = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&number);
    let connect = move |renewal| {
        assert_eq!(renewal, Renewal::WhenDue);
        let number = counted.fetch_add(1, Ordering::SeqCst);
        let objects = one_pod();
        let client = api_server(move |asked| from_objects(&objects, asked));
        let renew_at = (number < 3).then(|| Instant::now() + Duration::from_secs(20));
        async move {
            // The plugin takes its time, and fails once: the credentials of before are still good.
            sleep(Duration::from_secs(3)).await;
            if number == 1 { Err(Error::Credentials) } else { Ok(Connection { client, renew_at }) }
        }
    };
    let watch = Watch {
        connect,
        namespace: "king".into(),
        topics: Vec::new(),
        clock: || NOW,
        shared: Arc::default(),
        observations,
    };
    tokio::spawn(watch.run());
    let waits =
        until(&mut observation, "what it waits for", |observation| observation.outage.is_some()).await;
    assert!(waits.outage.unwrap().reason.contains("credential plugin"));
    until(&mut observation, "a cluster", |observation| observation.cluster.is_some()).await;
    while number.load(Ordering::SeqCst) < 4 {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(observation.borrow().outage, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_may_not_be_seen_hides_its_own_part_only_and_is_shown_when_it_may() {
    let objects = one_pod();
    let mut observation = watch(move |number| {
        let objects = Arc::clone(&objects);
        api_server(move |asked| {
            if number == 0 && asked.path.ends_with("/horizontalpodautoscalers") {
                failure(403, "Forbidden")
            } else {
                from_objects(&objects, asked)
            }
        })
    });
    let hidden =
        |observation: &Observation| observation.cluster.as_ref().map(|cluster| cluster.hidden_kinds.clone());
    let seen = until(&mut observation, "a cluster", |observation| observation.cluster.is_some()).await;
    assert_eq!((pods(&seen), seen.outage.as_ref()), (vec!["kstreams-2-a"], None));
    assert_eq!(hidden(&seen).unwrap(), ["horizontalpodautoscalers"]);
    let seen = until(&mut observation, "all kinds", |observation| {
        hidden(observation).is_some_and(|kinds| kinds.is_empty())
    })
    .await;
    assert_eq!(seen.outage, None);
}

#[tokio::test(start_paused = true)]
async fn without_the_deployment_there_is_nothing_to_show_and_it_says_so() {
    let mut observation =
        watch(move |_| api_server(|asked| from_objects(&testing::Objects::default(), asked)));
    let seen = until(&mut observation, "an outage", |observation| observation.outage.is_some()).await;
    assert!(seen.cluster.is_none());
    assert!(seen.outage.unwrap().reason.contains("no Deployment kstreams in the namespace king"));
}
