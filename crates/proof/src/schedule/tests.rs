use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

#[test]
fn of_twenty_seeds_in_a_row_every_theme_occurs_and_four_use_the_classic_protocol() {
    for first in [1, 21, 94] {
        let schedules: Vec<_> = (first..first + 20).map(Schedule::of).collect();
        let themes: BTreeSet<_> = schedules.iter().map(|schedule| schedule.theme).collect();
        assert_eq!(themes, BTreeSet::from(Theme::ALL), "from {first}");
        let classic = schedules.iter().filter(|schedule| schedule.protocol == Protocol::Classic).count();
        assert!((3..=5).contains(&classic), "from {first}: {classic}");
    }
    assert_eq!(Schedule::of(3), Schedule::of(3));
}

#[test]
fn each_theme_is_proved_under_both_protocols_sooner_or_later() {
    for theme in Theme::ALL {
        let of_theme = (1..=200).filter(|&seed| Theme::of(seed) == theme);
        let classic: BTreeSet<_> =
            of_theme.map(|seed| Schedule::of(seed).protocol == Protocol::Classic).collect();
        assert_eq!(classic.len(), 2, "{theme}");
    }
}

#[test]
fn a_schedule_leaves_a_pod_that_works_and_never_starts_one_that_runs() {
    for seed in 0..2_000 {
        let (mut running, mut stopped) = (BTreeSet::new(), BTreeSet::new());
        for Timed { at, step } in Schedule::of(seed).steps {
            assert!(at < Duration::from_secs(14), "seed {seed}");
            let Step::Pod(pod, action) = step else { continue };
            match action {
                Action::Start => assert!(running.insert(pod), "seed {seed}: {step}"),
                Action::Kill | Action::Terminate => {
                    running.remove(&pod);
                    stopped.remove(&pod);
                }
                Action::Stop if running.contains(&pod) => drop(stopped.insert(pod)),
                Action::Continue => drop(stopped.remove(&pod)),
                Action::Stop | Action::Ready => {}
            }
            assert!(running.len() <= 16, "seed {seed}");
        }
        assert!(stopped.is_empty() && !running.is_empty(), "seed {seed}");
    }
}

#[test]
fn what_is_done_to_kafka_is_undone_again() {
    for seed in 0..2_000 {
        let mut open = Vec::new();
        for Timed { step, .. } in Schedule::of(seed).steps {
            let Step::Kafka(disturbance) = step else { continue };
            match disturbance {
                Disturbance::KillBroker | Disturbance::SetCommits(_) => {}
                Disturbance::KillNode(_)
                | Disturbance::FillDisk
                | Disturbance::Open(_)
                | Disturbance::ForeignMemberJoins(_)
                | Disturbance::ShrinkChangelog => open.push(disturbance),
                Disturbance::StartNode(_)
                | Disturbance::FreeDisk
                | Disturbance::Close(_)
                | Disturbance::ForeignMemberLeaves
                | Disturbance::RestoreChangelog => assert!(open.pop().is_some(), "seed {seed}"),
            }
        }
        assert!(open.is_empty(), "seed {seed}: {open:?}");
    }
}
