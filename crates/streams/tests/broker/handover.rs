//! The hole in the show: how long a partition waits for its next pod.

use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::fixture::{App, Pod, Sessions, now_ms, within};

const PARTITIONS: u32 = 12;
const PODS: u32 = 4;
/// Between two frames of a partition.
const BEAT: Duration = Duration::from_millis(20);

/// Partitions are calm when, looked at for this long ...
const LOOK: Duration = Duration::from_millis(500);
/// ... none of them stands still for longer than this.
const CALM: Duration = Duration::from_millis(150);

/// A partition may stand still for this long when a pod comes or goes by plan. It is 0.08 to 0.3 s on two calm cores,
/// and three times that while other tests want them, too; a pod that left without a word would cost the session's
/// timeout of 1.5 s.
const STEP: Duration = Duration::from_millis(1_400);
/// Half of the steps of a rolling upgrade take less than this: before a pod prepared itself, each newcomer cost a whole
/// second.
const HALF_OF_STEPS: Duration = Duration::from_millis(600);

/// An application on which somebody plays on all partitions all the time.
struct Stage {
    app: App,
    sessions: Sessions,
    playing: JoinHandle<()>,
    /// By partition: when its newest session was seen, and which pod wrote it.
    seen: Vec<(Instant, String)>,
}

impl Stage {
    async fn new() -> Self {
        let app = App::with_partitions(PARTITIONS).await;
        let sessions = app.sessions();
        let player = app.clone();
        let playing = tokio::spawn(async move {
            let machines: Vec<_> = (0..PARTITIONS).map(|partition| player.machine(partition, 0)).collect();
            let mut beats = tokio::time::interval(BEAT);
            loop {
                beats.tick().await;
                let frames = machines.iter().map(|&machine| player.frame(machine, now_ms()));
                futures::future::join_all(frames).await;
            }
        });
        let seen = vec![(Instant::now(), String::new()); PARTITIONS as usize];
        Self { app, sessions, playing, seen }
    }

    /// Watches until this is over and each partition has gone on after it; the longest time that one of them stood
    /// still.
    async fn longest_pause(&mut self, during: impl Future<Output = ()>) -> Duration {
        let (mut during, mut is_over) = (pin!(during), false);
        let (mut longest, mut rest) = (Duration::ZERO, PARTITIONS);
        let mut went_on = [false; PARTITIONS as usize];
        within("the hand-over", async {
            while !is_over || rest > 0 {
                tokio::select! {
                    () = &mut during, if !is_over => is_over = true,
                    written = self.sessions.next() => {
                        let partition = written.partition as usize;
                        longest = longest.max(self.seen[partition].0.elapsed());
                        self.seen[partition] = (Instant::now(), written.pod);
                        if is_over && !std::mem::replace(&mut went_on[partition], true) {
                            rest -= 1;
                        }
                    }
                }
            }
        })
        .await;
        longest
    }

    /// Four pods that have their share of the partitions.
    async fn pods(&mut self) -> Vec<Pod> {
        let mut pods = Vec::new();
        for number in 1..=PODS {
            pods.push(self.app.pod(&format!("kstreams-{number}"), &[]).await);
        }
        for pod in &pods {
            pod.until("streams_tasks", |owned| owned == u64::from(PARTITIONS / PODS)).await;
            pod.ready().await;
        }
        self.calm().await;
        pods
    }

    /// Waits until all partitions go on all the time: the first transactions of a pod and on a topic take longer.
    async fn calm(&mut self) {
        within("a calm stage", async { while self.longest_pause(tokio::time::sleep(LOOK)).await > CALM {} })
            .await;
    }

    async fn delete(self, pods: Vec<Pod>) {
        self.playing.abort();
        self.app.delete(pods).await;
    }
}

/// Four pods share twelve partitions, and one of them ends; the longest pause of a partition.
async fn pause_after(end: impl AsyncFnOnce(Pod)) -> Duration {
    let mut stage = Stage::new().await;
    let mut pods = stage.pods().await;
    let last = pods.remove(1);
    let share = u64::from(PARTITIONS / (PODS - 1));
    let pause = stage
        .longest_pause(async {
            end(last).await;
            for pod in &pods {
                pod.until("streams_tasks", |owned| owned == share).await;
            }
        })
        .await;
    stage.delete(pods).await;
    pause
}

#[tokio::test]
async fn a_pod_that_is_asked_to_stop_hands_over_in_a_blink() {
    let pause = pause_after(async |pod| {
        pod.terminate();
        let asked = Instant::now();
        pod.ended().await;
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?} to end", asked.elapsed());
    })
    .await;
    println!("the longest pause after SIGTERM: {pause:?}");
    assert!(pause < STEP, "{pause:?}");
}

#[tokio::test]
async fn a_pod_that_is_killed_is_replaced_within_four_seconds() {
    let pause = pause_after(async |pod| pod.kill().await).await;
    println!("the longest pause after SIGKILL: {pause:?}");
    assert!(pause < Duration::from_secs(4), "{pause:?}");
}

#[tokio::test]
async fn a_rolling_upgrade_stops_no_partition_for_long() {
    let mut stage = Stage::new().await;
    let mut pods = stage.pods().await;
    let mut pauses = Vec::new();
    for number in 1..=PODS {
        let mut new = None;
        let app = stage.app.clone();
        let surge = stage
            .longest_pause(async {
                let pod = app.pod(&format!("kstreams-{}", PODS + number), &[]).await;
                pod.until("streams_tasks", |owned| owned >= u64::from(PARTITIONS / (PODS + 1))).await;
                pod.ready().await;
                new = Some(pod);
            })
            .await;
        pods.extend(new);
        stage.calm().await;
        let old = pods.remove(0);
        let end = stage
            .longest_pause(async {
                old.terminate();
                old.ended().await;
                for pod in &pods {
                    pod.until("streams_tasks", |owned| owned == u64::from(PARTITIONS / PODS)).await;
                }
            })
            .await;
        stage.calm().await;
        pauses.extend([surge, end]);
    }
    println!("the longest pauses while a pod comes and another one goes: {pauses:?}");
    pauses.sort();
    assert!(pauses[pauses.len() / 2] < HALF_OF_STEPS && pauses[pauses.len() - 1] < STEP, "{pauses:?}");
    stage.delete(pods).await;
}
