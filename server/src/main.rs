//! The server's binary: configuration, then [`server::run`], or a look at the cluster only.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use process::DRAIN_LIMIT;

/// Gives memory back after a crowd, most of which the system's allocator keeps. How soon, its environment says (`MIMALLOC_*`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let args: server::Args = process::parse();
    let process = args.process.clone();
    process::run(&process, DRAIN_LIMIT, |shutdown| async move {
        #[cfg(feature = "kubernetes")]
        if args.cluster.check_cluster {
            return server::check_cluster(&args.check()?.runtime).await;
        }
        server::run(args.check()?, shutdown).await
    })
}
