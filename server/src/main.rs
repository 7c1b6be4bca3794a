//! The server's binary: configuration, then [`server::run`], or a look at the cluster only.

mod memory;

use std::process::ExitCode;

use process::DRAIN_LIMIT;
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let args: server::Args = process::parse();
    let process = args.process.clone();
    let mut runtime = Builder::new_multi_thread();
    runtime.on_thread_park(memory::give_back);
    process::run_on(runtime, &process, DRAIN_LIMIT, |shutdown| async move {
        #[cfg(feature = "kubernetes")]
        if args.cluster.check_cluster {
            return server::check_cluster(&args.check()?.runtime).await;
        }
        server::run(args.check()?, shutdown).await
    })
}
