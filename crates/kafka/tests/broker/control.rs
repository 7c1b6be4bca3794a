//! The control topic, and the history.

use kafka::control::{self, ControlWriter};
use kafka::history::{self, HistoryWriter};
use kafka::topics::Topic;
use model::load::LoadSettings;
use model::policy::Policy;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Made, now_ms, within};

#[tokio::test]
async fn who_follows_the_control_topic_sees_what_is_and_what_comes() {
    let (made, topic) = Made::one(Topic::control).await;
    let cancel = CancellationToken::new();
    let _end = cancel.clone().drop_guard();
    let follow = || control::follow_topic(&made.brokers, "test", &topic, cancel.clone()).unwrap();

    let mut early = follow();
    let control = within("the end", early.wait_for(|control| control.caught_up)).await.unwrap().clone();
    assert_eq!((control.load, control.policy), (None, None));

    let writer = ControlWriter::with_topic(&made.brokers, "test", &topic).unwrap();
    let policy = Policy { max: 7, ..Policy::on_lag_of(["rq"]) };
    writer.set_policy(&policy).await.unwrap();
    for base in [100, 200] {
        writer.set_load(&LoadSettings { base, ..LoadSettings::default() }).await.unwrap();
    }
    let load =
        |base| move |control: &control::Control| control.load.as_ref().is_some_and(|load| load.base == base);
    within("the load", early.wait_for(load(200))).await.unwrap();

    let mut late = follow();
    let control = within("the end", late.wait_for(|control| control.caught_up)).await.unwrap().clone();
    assert!(load(200)(&control), "{control:?}");
    assert_eq!(control.policy, Some(policy));
    made.delete().await;
}

#[tokio::test]
async fn the_history_is_read_from_a_time_on() {
    let (made, topic) = Made::one(Topic::history).await;
    let read = |since_ms| history::read_recent_of(&made.brokers, &topic, since_ms);
    let now_ms = now_ms();
    assert!(within("an empty history", read(0)).await.unwrap().is_empty());

    let writer = HistoryWriter::with_topic(&made.brokers, "test", &topic).unwrap();
    for second in 0..5 {
        writer.append(now_ms - 5_000 + second * 1_000, second.to_string().as_bytes()).unwrap();
    }
    let recent = within("the history", async {
        loop {
            let recent = read(now_ms - 3_000).await.unwrap();
            if recent.len() == 3 {
                return recent;
            }
        }
    })
    .await;
    assert_eq!(recent, [b"2", b"3", b"4"]);
    assert_eq!(read(0).await.unwrap().len(), 5);
    assert!(read(now_ms + 60_000).await.unwrap().is_empty(), "nothing is from the future");
    made.delete().await;
}
