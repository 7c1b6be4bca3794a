//! The proof that sessions are exactly right whatever happens: twenty seeded schedules of what is done to pods and to
//! Kafka, each under load, each against a fold of the same logs. `crates/proof` says how.
//!
//! `KING_PROOF_SEED=N` runs one seed, `KING_PROOF_SEED=N,M` two.

use std::path::PathBuf;

use proof::{Setup, Summary, Surroundings};

/// The seeds of the test command, among which every theme occurs; `cargo xtask bench proof` runs thousands.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=20;
/// A broker that is killed while it ends a transaction loses markers of it once in many times. Seeds in which that
/// happened prove nothing, and may not be many.
const WITHOUT_VERDICT: usize = 1;

#[tokio::test]
async fn final_sessions_are_those_of_the_reference_whatever_happens_to_pods_and_kafka() {
    let setup = Setup {
        brokers: std::env::var("KING_TEST_KAFKA")
            .expect("these tests need a Kafka in KING_TEST_KAFKA: run `cargo xtask test`, which starts one")
            .parse()
            .unwrap(),
        broker_pid_file: std::env::var_os("KING_TEST_KAFKA_PID_FILE").map(PathBuf::from),
        surroundings: Surroundings::from_env().unwrap(),
        program: env!("CARGO_BIN_EXE_streams").into(),
        logs: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("proof"),
    };
    let some = std::env::var("KING_PROOF_SEED").ok();
    let seeds: Vec<u64> = some.as_ref().map_or_else(
        || SEEDS.collect(),
        |seeds| seeds.split(',').map(|seed| seed.parse().expect("KING_PROOF_SEED has numbers")).collect(),
    );
    let mut summary = Summary::default();
    proof::prove_all(&setup, seeds, |report| {
        println!("{report}");
        summary.add(&report);
    })
    .await;
    println!("{summary}");
    let replay = |seed: &u64| {
        format!("KING_PROOF_SEED={seed} cargo xtask test unit -- -p streams --test proof -- --nocapture")
    };
    let failed = summary.failed();
    let commands: Vec<String> = failed.iter().map(replay).collect();
    assert!(failed.is_empty(), "seeds {failed:?} failed, see above; to replay:\n{}", commands.join("\n"));
    let total = summary.total();
    assert!(total.without_verdict <= WITHOUT_VERDICT, "too many seeds have no verdict: {total}");
    if some.is_none() {
        let unproved: Vec<String> = summary.unproved().map(|theme| theme.to_string()).collect();
        assert!(unproved.is_empty(), "no seed proved: {}", unproved.join(", "));
        assert!(total.sessions > 0, "nothing was compared");
    }
}
