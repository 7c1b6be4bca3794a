//! The server's binary: configuration, then [`server::run`].

use std::process::ExitCode;

use process::DRAIN_LIMIT;

fn main() -> ExitCode {
    let args: server::Args = process::parse();
    let process = args.process.clone();
    process::run(&process, DRAIN_LIMIT, |shutdown| async move { server::run(args.check()?, shutdown).await })
}
