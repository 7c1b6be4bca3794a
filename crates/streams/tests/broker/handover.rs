//! The hole in the show: how long a partition waits for its next pod.

use std::time::{Duration, Instant};

use crate::fixture::{App, PARTITIONS, Pod, machine, now_ms, within};

/// Plays on all partitions all the time; the longest pause of one of them around the end of the first pod.
async fn longest_pause(end: impl AsyncFnOnce(Pod)) -> Duration {
    let app = App::new().await;
    let sessions = app.sessions();
    let first = app.pod("kstreams-a", &[]).await;
    let second = app.pod("kstreams-b", &[]).await;
    for pod in [&first, &second] {
        pod.until("streams_pairs", |owned| owned == 2).await;
    }
    let player = app.clone();
    let playing = tokio::spawn(async move {
        let mut steps = tokio::time::interval(Duration::from_millis(20));
        loop {
            steps.tick().await;
            tokio::join!(
                player.frame(machine(0, 0), now_ms()),
                player.frame(machine(1, 0), now_ms()),
                player.frame(machine(2, 0), now_ms()),
                player.frame(machine(3, 0), now_ms())
            );
        }
    });
    let mut seen = [Instant::now(); PARTITIONS as usize];
    let mut longest = Duration::ZERO;
    // Whether the other pod wrote the partition's newest session.
    let mut heirs = [false; PARTITIONS as usize];
    for _ in 0..40 {
        let written = sessions.next().await;
        seen[written.partition as usize] = Instant::now();
    }
    let mut ending = std::pin::pin!(end(first));
    let mut ended = false;
    let begin = Instant::now();
    within("the hand-over", async {
        while !ended || begin.elapsed() < Duration::from_secs(3) || heirs.contains(&false) {
            tokio::select! {
                () = &mut ending, if !ended => ended = true,
                written = sessions.next() => {
                    let partition = written.partition as usize;
                    longest = longest.max(seen[partition].elapsed());
                    seen[partition] = Instant::now();
                    heirs[partition] = written.pod == "kstreams-b";
                }
            }
        }
    })
    .await;
    playing.abort();
    app.delete([second]).await;
    longest
}

#[tokio::test]
async fn a_pod_that_is_asked_to_stop_hands_over_within_a_second() {
    let pause = longest_pause(async |pod| {
        pod.terminate();
        let asked = Instant::now();
        pod.ended().await;
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?} to end", asked.elapsed());
    })
    .await;
    println!("the longest pause after SIGTERM: {pause:?}");
    assert!(pause < Duration::from_secs(1), "{pause:?}");
}

#[tokio::test]
async fn a_pod_that_is_killed_is_replaced_within_four_seconds() {
    let pause = longest_pause(async |pod| pod.kill().await).await;
    println!("the longest pause after SIGKILL: {pause:?}");
    assert!(pause < Duration::from_secs(4), "{pause:?}");
}
