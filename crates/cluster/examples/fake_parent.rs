//! Runs a local cluster of two pods until it is killed: for the test that kills it. Arguments: the pods' program, and
//! the address of the witness.

use std::time::Duration;

use cluster::local::{LocalConfig, start};
use model::policy::Policy;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(program), Some(witness)) = (args.next(), args.next()) else {
        panic!("usage: fake_parent PROGRAM WITNESS");
    };
    let config = LocalConfig {
        streams: program.into(),
        args: vec!["--witness".into(), witness],
        capacity: 0,
        policy: Policy { enabled: false, min: 2, ..Policy::default() },
        max_pods: 12,
        sync: Duration::from_secs(5),
        grace: Duration::from_secs(5),
        log_dir: None,
        clock: || 0,
    };
    let (_lag, received) = watch::channel(None);
    let local = start(config, StdRng::seed_from_u64(1), received, CancellationToken::new());
    if let Err(error) = local.task.await {
        eprintln!("the cluster failed: {error}");
    }
}
