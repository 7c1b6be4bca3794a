//! The load as a process, against a real broker, whose address is in `KING_TEST_KAFKA`; `cargo xtask test` sets it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so best by panicking")]

mod fixture;
mod run;

use std::collections::HashMap;
use std::time::Duration;

use fixture::{Arrived, Load, now_ms};
use model::load::{Burst, HotPartition, LoadSettings, Running, Shape};
use workload::Machine;

fn base(base: u32) -> LoadSettings {
    LoadSettings { base, ..LoadSettings::default() }
}

#[tokio::test]
async fn the_rate_is_that_of_the_settings_within_two_percent_and_follows_them() {
    let load = Load::start(&base(400)).await;
    load.next().await;
    let requests = load.requests_of(4_000).await.len();
    assert!((1_568..=1_632).contains(&requests), "{requests} in 4 s instead of 1,600");

    let now = now_ms();
    let burst = Burst { factor: 10, from_ms: now, until_ms: now + 60_000 };
    load.control.set_load(&LoadSettings { burst: Some(burst), ..base(400) }).await.unwrap();
    // The window begins a little later: until then the settings have arrived.
    let requests = load.requests_of(4_000).await.len();
    assert!((15_680..=16_320).contains(&requests), "{requests} in 4 s instead of 16,000");
    load.stop().await;
}

#[tokio::test]
async fn frames_are_what_the_specification_says() {
    let load = Load::start(&base(2_000)).await;
    let mut last: HashMap<Machine, i64> = HashMap::new();
    let mut records = [0_u32; 2];
    while records.iter().sum::<u32>() < 10_000 {
        let Arrived { is_request, header, timestamp, .. } = load.next().await;
        records[usize::from(is_request)] += 1;
        assert!(!header.machine.is_player());
        assert_eq!(timestamp, header.ts);
        if is_request {
            assert!(last.insert(header.machine, header.ts).is_none_or(|before| before < header.ts));
        }
    }
    load.stop().await;
}

#[tokio::test]
async fn a_hot_partition_gets_its_share() {
    let hot = Some(HotPartition { partition: 7, percent: 60 });
    let load = Load::start(&LoadSettings { hot, ..base(1_000) }).await;
    load.next().await;
    let requests = load.requests_of(2_000).await;
    let share = requests.iter().filter(|request| request.partition == 7).count() * 100 / requests.len();
    assert!((55..=65).contains(&share), "{share} percent");
    load.stop().await;
}

#[tokio::test]
async fn a_rate_of_zero_is_a_pause_that_ends() {
    let load = Load::start(&base(0)).await;
    let quiet = tokio::time::timeout(Duration::from_millis(1_500), load.consumer.recv()).await;
    assert!(quiet.is_err(), "nothing is produced");
    load.control.set_load(&base(100)).await.unwrap();
    load.next().await;
    load.stop().await;
}

#[tokio::test]
async fn a_shape_is_followed_within_two_percent() {
    let load = Load::start(&base(800)).await;
    load.next().await;
    let from_ms = now_ms() + 500;
    let shape = Some(Running { shape: Shape::Ramp, from_ms });
    let settings = LoadSettings { shape, ..base(800) };
    load.control.set_load(&settings).await.unwrap();
    // Of both windows at once: while one partition is still read up to the end of a window, others are past it.
    let window = |second: u64| [0, 2_000].map(|more| from_ms + second * 1_000 + more);
    let [begin, end] = [window(1)[0], window(4)[1]].map(|at_ms| i64::try_from(at_ms).unwrap());
    let all = load.requests_between(begin, end).await;
    for second in [1, 4] {
        let [begin, end] = window(second);
        let within = begin..end;
        let requests =
            all.iter().filter(|request| within.contains(&u64::try_from(request.timestamp).unwrap()));
        let (requests, due) = (requests.count(), settings.millionths(begin, end) / 1_000_000);
        let percent = u64::try_from(requests).unwrap() * 100 / due;
        assert!((98..=102).contains(&percent), "{requests} instead of {due} from second {second} on");
    }
    load.stop().await;
}
