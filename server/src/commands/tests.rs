use http::StatusCode;
use model::snapshot::Progress;

use super::*;
use crate::demo;
use crate::testing::{Stage, Visitor, stage, text};

async fn outcome_of(stage: &Stage, presenter: &Visitor, command: &Command) -> Outcome {
    // As fast as a hand, not as a script.
    stage.pass(1_000);
    let arguments = serde_json::json!({ "command": command }).to_string();
    let answer = stage.call(presenter, "present", &arguments).await;
    assert_eq!(answer.status(), StatusCode::OK);
    serde_json::from_str(&text(answer).await).unwrap()
}

async fn check(command: Command, expected: Outcome, asked: &[&str]) {
    let stage = stage();
    stage.pods(&["kstreams-a", "kstreams-b"]).await;
    let presenter = stage.presenter().await;
    assert_eq!(outcome_of(&stage, &presenter, &command).await, expected, "{command:?}");
    assert_eq!(stage.record.take(), asked, "{command:?}");
}

fn refusal(reason: &str) -> Outcome {
    Outcome::Refused { reason: reason.to_owned() }
}

#[tokio::test]
async fn each_button_asks_for_its_own() {
    check(Command::Burst { factor: 10 }, Outcome::Done, &["load 400 Some((10, 20000)) None"]).await;
    check(Command::Base { frames_per_second: 0 }, Outcome::Done, &["load 0 None None"]).await;
    check(Command::Shape { shape: Some(Shape::Sine) }, Outcome::Done, &["load 400 None None Sine"]).await;
    check(Command::Shape { shape: None }, Outcome::Done, &["load 400 None None"]).await;
    check(Command::Hot { partition: Some(11) }, Outcome::Done, &["load 400 None Some(11)"]).await;
    check(Command::Roll { capacity: Some(500) }, Outcome::Done, &["roll Some(500)"]).await;
    check(Command::RestartAll { confirmed: true }, Outcome::Done, &["restart all"]).await;
    let off = Command::Autoscaler { enabled: false };
    check(off, Outcome::Done, &["policy enabled=false 1..4", "keep policy enabled=false"]).await;
    let kill = Command::Kill { pod: Some("kstreams-b".into()), manner: Manner::Crash, confirmed: false };
    check(kill, Outcome::Done, &["kill kstreams-b Crash"]).await;
}

#[tokio::test]
async fn two_quick_commands_do_not_undo_each_other() {
    let stage = stage();
    let presenter = stage.presenter().await;
    // The picture does not show the first one yet when the second one comes.
    outcome_of(&stage, &presenter, &Command::Base { frames_per_second: 700 }).await;
    outcome_of(&stage, &presenter, &Command::Hot { partition: Some(3) }).await;
    assert_eq!(stage.record.take(), ["load 700 None None", "load 700 None Some(3)"]);
    // What is not to be seen after a while was overruled by somebody else.
    stage.pass(ON_ITS_WAY_MS);
    outcome_of(&stage, &presenter, &Command::Hot { partition: None }).await;
    assert_eq!(stage.record.take(), ["load 400 None None"]);
}

#[tokio::test]
async fn a_shape_ends_a_burst_and_normal_ends_both() {
    let stage = stage();
    let presenter = stage.presenter().await;
    let shape = |shape| Command::Shape { shape };
    for command in
        [Command::Burst { factor: 5 }, shape(Some(Shape::Ramp)), Command::Burst { factor: 2 }, shape(None)]
    {
        assert_eq!(outcome_of(&stage, &presenter, &command).await, Outcome::Done);
    }
    let asked = [
        "load 400 Some((5, 20000)) None",
        "load 400 None None Ramp",
        "load 400 Some((2, 20000)) None Ramp",
        "load 400 None None",
    ];
    assert_eq!(stage.record.take(), asked);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_asks_for_nothing() {
    check(Command::Burst { factor: 1_000 }, refusal("A burst is 2, 5 or 10 times the base rate."), &[]).await;
    check(Command::Base { frames_per_second: 4_001 }, refusal("At most 4000 frames per second."), &[]).await;
    let hot = Command::Hot { partition: Some(12) };
    check(hot, refusal("The generator writes to the partitions 0 to 11 only."), &[]).await;
    let scale = Command::Scale { replicas: 2 };
    check(scale, refusal("The autoscaler sets the number of pods: switch it off first."), &[]).await;
    let kill = Command::Kill { pod: Some("kstreams-z".into()), manner: Manner::Crash, confirmed: true };
    check(kill, refusal("There is no pod z any more."), &[]).await;
    for policy in [
        Policy { min: 0, ..demo::policy() },
        Policy { min: 3, max: 2, ..demo::policy() },
        Policy { max: 13, ..demo::policy() },
        Policy { metrics: Vec::new(), ..demo::policy() },
        Policy { tolerance: 1.0, ..demo::policy() },
    ] {
        let stage = stage();
        stage.pods(&["kstreams-a"]).await;
        let presenter = stage.presenter().await;
        let outcome = outcome_of(&stage, &presenter, &Command::SetPolicy { policy }).await;
        assert!(matches!(outcome, Outcome::Refused { .. }));
        assert!(stage.record.take().is_empty());
    }
}

#[tokio::test]
async fn the_last_ready_pod_dies_only_after_a_yes() {
    let stage = stage();
    stage.pods(&["kstreams-a"]).await;
    let presenter = stage.presenter().await;
    for pod in [None, Some("kstreams-a".to_owned())] {
        let kill = |confirmed| Command::Kill { pod: pod.clone(), manner: Manner::Graceful, confirmed };
        assert!(matches!(outcome_of(&stage, &presenter, &kill(false)).await, Outcome::Confirm { .. }));
        assert!(stage.record.take().is_empty());
        assert_eq!(outcome_of(&stage, &presenter, &kill(true)).await, Outcome::Done);
        assert_eq!(stage.record.take(), ["kill kstreams-a Graceful"]);
    }
    let restart = Command::RestartAll { confirmed: false };
    assert!(matches!(outcome_of(&stage, &presenter, &restart).await, Outcome::Confirm { .. }));
}

#[tokio::test]
async fn hands_scale_within_the_policy_while_the_autoscaler_is_off() {
    let stage = stage();
    stage.pods(&["kstreams-a"]).await;
    let presenter = stage.presenter().await;
    outcome_of(&stage, &presenter, &Command::Autoscaler { enabled: false }).await;
    stage.settle().await;
    stage.record.take();
    assert_eq!(outcome_of(&stage, &presenter, &Command::Scale { replicas: 4 }).await, Outcome::Done);
    assert_eq!(stage.record.take(), ["scale 4"]);
    let outcome = outcome_of(&stage, &presenter, &Command::Scale { replicas: 5 }).await;
    assert_eq!(outcome, refusal("5 is not between 1 and 4 pods."));
}

#[tokio::test]
async fn a_hand_wakes_up_an_autoscaler_that_waits_at_zero() {
    let stage = stage();
    stage.pods(&[]).await;
    let presenter = stage.presenter().await;
    assert_eq!(outcome_of(&stage, &presenter, &Command::Scale { replicas: 1 }).await, Outcome::Done);
    assert_eq!(stage.record.take(), ["scale 1"]);
}

#[tokio::test]
async fn a_script_with_the_passcode_is_slowed_down() {
    let stage = stage();
    stage.pods(&["kstreams-a"]).await;
    let presenter = stage.presenter().await;
    let arguments = r#"{"command":{"Base":{"frames_per_second":100}}}"#;
    for _ in 0..20 {
        stage.call(&presenter, "present", arguments).await;
    }
    assert_eq!(stage.record.take().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_reset_puts_everything_back_and_says_how_far_it_is() {
    let stage = stage();
    stage.pods(&["kstreams-a", "kstreams-b"]).await;
    let presenter = stage.presenter().await;
    let ask = Command::Reset { confirmed: false };
    assert!(matches!(outcome_of(&stage, &presenter, &ask).await, Outcome::Confirm { .. }));
    assert!(stage.record.take().is_empty());

    assert_eq!(outcome_of(&stage, &presenter, &Command::Reset { confirmed: true }).await, Outcome::Done);
    stage.server.commander.settled().await;
    let expected = [
        "load 400 None None",
        "policy enabled=false 1..4",
        "scale 0",
        "skip to end",
        "scale 1",
        "policy enabled=true 1..4",
        "keep policy enabled=true",
    ];
    assert_eq!(stage.record.take(), expected);
    stage.settle().await;
    assert_eq!(stage.server.hub.look(|picture| picture.snapshot.progress.clone()), None);
    let events = stage.server.hub.look(|picture| picture.history.markers.clone());
    assert!(events.iter().any(|marker| marker.event == model::history::Event::Reset));
}

#[tokio::test(start_paused = true)]
async fn a_reset_that_fails_says_so_and_puts_the_pods_back() {
    let stage = stage();
    stage.pods(&["kstreams-a"]).await;
    let presenter = stage.presenter().await;
    *stage.stuck.lock().unwrap() = Some("the coordinator is away".to_owned());
    assert_eq!(outcome_of(&stage, &presenter, &Command::Reset { confirmed: true }).await, Outcome::Done);
    stage.settle().await;
    let second = outcome_of(&stage, &presenter, &Command::Reset { confirmed: true }).await;
    assert_eq!(second, refusal("A reset is under way already."));
    let other = outcome_of(&stage, &presenter, &Command::Burst { factor: 2 }).await;
    assert_eq!(other, refusal("A reset is under way: wait until it is done."));

    let mut picture = Vec::new();
    let watching = async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            picture.extend(stage.server.hub.look(|picture| picture.snapshot.progress.clone()));
        }
    };
    tokio::select! {
        () = watching => {}
        () = stage.server.commander.settled() => {}
    }
    let failed = |progress: &Progress| progress.step == "Failed, the pods are back: the coordinator is away";
    assert!(picture.iter().any(failed), "{picture:?}");
    let asked = stage.record.take();
    assert_eq!(asked.last().unwrap(), "policy enabled=true 1..4");
    assert!(asked.contains(&"scale 1".to_owned()));
}
