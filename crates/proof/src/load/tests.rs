use std::collections::{HashMap, HashSet};

use super::*;
use crate::log::Record;
use crate::reference::{self, Counts, Fault};

const START: i64 = 1_700_000_000_000;

/// The load as two logs for each partition.
fn logs(load: &Load) -> Vec<[Vec<Record>; 2]> {
    let mut logs = vec![[Vec::new(), Vec::new()]; load.partitions as usize];
    for planned in &load.records {
        let log = &mut logs[planned.partition as usize][usize::from(planned.input == Input::Responses)];
        log.push(Record {
            offset: log.len() as i64,
            timestamp: Some(planned.timestamp).filter(|&time| time >= 0),
            key: planned.key.clone(),
            value: planned.value.clone(),
            headers: Vec::new(),
        });
    }
    logs
}

#[test]
fn a_seed_always_gives_the_same_load() {
    assert_eq!(Load::of(7, START).records, Load::of(7, START).records);
    assert_ne!(Load::of(7, START).records, Load::of(8, START).records);
}

#[test]
fn no_input_of_a_partition_is_idle_for_half_the_time_that_would_matter() {
    for seed in 1..=40 {
        let load = Load::of(seed, START);
        let mut last = HashMap::new();
        for record in &load.records {
            let before = last.insert((record.input, record.partition), record.at_ms).unwrap_or(0);
            assert!(record.at_ms - before < 1_000, "seed {seed}: {} {}", before, record.at_ms);
        }
        assert_eq!(last.len(), 2 * load.partitions as usize);
        let end = load.lasts_ms();
        assert!(last.values().all(|&at| end - at < 1_500), "seed {seed}: {last:?}");
    }
}

#[test]
fn a_load_reaches_every_edge() {
    let (now, mut counts) = (START + 3_600_000, Counts::default());
    let load = Load::of(1, START);
    let (mut faults, mut sessions) = (Vec::new(), Vec::new());
    for [requests, responses] in logs(&load) {
        let outcome = reference::fold(&requests, &responses, now);
        counts += outcome.counts;
        faults.extend(outcome.dead.into_values());
        sessions.extend(
            outcome.finals.into_values().map(|is| workload::avro::decode_session(&is.value).unwrap()),
        );
    }
    println!("{} records, {} sessions, {counts:?}", load.records.len(), sessions.len());
    assert!((10_000..40_000).contains(&load.records.len()));
    assert!(counts.late > 100 && counts.duplicates > 100 && counts.expired > 100 && counts.malformed > 100);
    for fault in [Fault::Key, Fault::Value, Fault::Approval, Fault::Time, Fault::Hits] {
        assert!(faults.contains(&fault), "{fault:?}");
    }
    assert!(sessions.len() > 200);
    assert!(sessions.iter().any(|session| session.count >= 500));
    assert!(sessions.iter().any(|session| session.end - session.start == 60_000));
    assert!(sessions.iter().any(|session| session.frames == 1));
}

#[test]
fn in_a_load_of_two_clocks_nobody_is_late_as_long_as_it_is_read_while_it_is_new() {
    for seed in 1..=20 {
        let load = Load::of_two_clocks(seed, START, 4_000);
        let mut counts = Counts::default();
        for [requests, responses] in logs(&load) {
            counts += reference::fold(&requests, &responses, START).counts;
        }
        assert!(counts.joined > 200 && counts.duplicates > 5, "seed {seed}: {counts:?}");
        let is_fast = |record: &&Planned| record.timestamp > START + record.at_ms - 4_000 + 8_000;
        let fast: HashSet<u32> = load.records.iter().filter(is_fast).map(|record| record.partition).collect();
        assert_eq!(fast.len(), load.partitions as usize, "seed {seed}: both clocks in each partition");
        for record in &load.records {
            assert!((4_000..10_000).contains(&record.at_ms), "seed {seed}: {record:?}");
        }
    }
}

#[test]
fn what_is_written_beside_a_load_goes_into_the_partitions_that_are_added() {
    for seed in 1..=20 {
        let load = Load::beside(seed, START, 8, 10, 2_000);
        let mut last = HashMap::new();
        for record in &load.records {
            assert!((8..10).contains(&record.partition) && record.at_ms >= 2_000, "seed {seed}");
            let before = last.insert((record.input, record.partition), record.at_ms).unwrap_or(2_000);
            assert!(record.at_ms - before < 2_000, "seed {seed}: {before} {}", record.at_ms);
        }
        assert_eq!(last.len(), 4, "seed {seed}");
    }
}
