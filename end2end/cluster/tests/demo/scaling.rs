//! The real autoscaler on our metric.

use std::time::{Duration, Instant};

use cluster_tests::Demo;
use cluster_tests::demo::now_ms;
use cluster_tests::lag_api::Recording;
use cluster_tests::replay::{self, Step};
use cluster_tests::wait::until;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use model::command::Command;

const UP: Duration = Duration::from_secs(60);
const DOWN: Duration = Duration::from_secs(180);
const ADMIN: u16 = 9090;

/// 8,000 records a second, as much as four pods can do.
const FRAMES: u32 = 4_000;
const CALM: u32 = 400;

#[tokio::test(flavor = "multi_thread")]
async fn the_autoscaler_goes_from_one_pod_to_four_and_back_in_the_steps_that_we_compute() {
    let demo = Demo::calm().await;
    let policy = demo.page.cluster().policy;
    let target = policy.metrics[0].target;
    let began_ms = now_ms();
    let recording = Recording::begin(&demo.lag_api, began_ms);
    let first = demo.truth.names();
    let steps = tokio::spawn(watch_steps(demo.truth.clone()));

    let spike = Instant::now();
    demo.press(Command::Base { frames_per_second: FRAMES }).await;
    let said = |what: &str| println!("{:6.2} s after the spike: {what}", spike.elapsed().as_secs_f64());
    until("the metric is above the target", UP, || async {
        let above = |total: u64| total > target + target / 10;
        recording.answers().iter().any(|answer| answer.total().is_some_and(above)).then_some(())
    })
    .await;
    said("the autoscaler reads a metric above its target");
    until("a decision", UP, || async { (demo.truth.replicas() > Some(1)).then_some(()) }).await;
    said("the autoscaler decides");
    let newcomer = until("a new pod is ready", UP, || async {
        demo.truth.ready().into_iter().find(|name| !first.contains(name))
    })
    .await;
    said("the first new pod is ready");
    until("the first record", UP, || async { processed(&demo, &newcomer).await.filter(|count| *count > 0) })
        .await;
    said("its first record is processed");
    until("four pods are ready", UP, || async { (demo.truth.ready().len() == 4).then_some(()) }).await;
    said("four pods are ready");
    demo.page
        .until("four ready pods", UP, |now| {
            now.cluster.as_ref().filter(|cluster| cluster.ready() == 4).map(drop)
        })
        .await;

    demo.press(Command::Base { frames_per_second: CALM }).await;
    until("one pod is left", DOWN, || async {
        (demo.truth.replicas() == Some(1) && demo.truth.pods().len() == 1).then_some(())
    })
    .await;
    demo.agree().await;

    let taken = steps.await.expect("the steps were watched");
    let computed = replay::steps(&recording.answers(), &policy, 1);
    println!("taken    {taken:?}\ncomputed {computed:?}");
    let numbers = |steps: &[Step]| steps.iter().map(|step| (step.from, step.to)).collect::<Vec<_>>();
    assert_eq!(numbers(&taken), numbers(&computed), "each step, from the numbers that lag-api served");
    assert_eq!(taken.iter().map(|step| step.to).max(), Some(4));
    for (taken, computed) in taken.iter().zip(&computed) {
        let apart = taken.at_ms.abs_diff(computed.at_ms);
        assert!(apart < 1_500, "{taken:?} and {computed:?} are not the same sync");
    }
}

/// The changes of `spec.replicas` until one pod is wanted again.
async fn watch_steps(truth: cluster_tests::truth::Truth) -> Vec<Step> {
    let mut current = 1;
    let mut steps = Vec::new();
    while steps.is_empty() || current > 1 {
        let step = until("a step", DOWN, || async { truth.replicas().filter(|now| *now != current) }).await;
        steps.push(Step { at_ms: now_ms(), from: current, to: step });
        current = step;
    }
    steps
}

/// The records that a pod has processed, by its own metrics.
async fn processed(demo: &Demo, name: &str) -> Option<u64> {
    let pods = demo.truth.pods();
    let ip = pods
        .iter()
        .find(|pod| pod.name_any() == name)
        .and_then(|pod: &std::sync::Arc<Pod>| pod.status.as_ref()?.pod_ip.clone())?;
    let text = reqwest::get(format!("http://{ip}:{ADMIN}/metrics")).await.ok()?.text().await.ok()?;
    let counts = text.lines().filter(|line| {
        ["streams_requests_total", "streams_responses_total"].iter().any(|name| line.starts_with(name))
    });
    Some(counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}
