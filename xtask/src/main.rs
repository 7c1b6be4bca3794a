//! `cargo xtask`: the one door for people and CI.
//!
//! `demo` builds everything and runs it, `test` does all that CI does, `bench` measures, `image` packs it and `deploy`
//! brings it to a cluster. It uses threads and few dependencies, without an async runtime: it is compiled before it can
//! say a word. What a demo does not need comes with the feature `whole`, when it is asked for.

// Code that only the whole program calls is in both.
#![cfg_attr(not(feature = "whole"), allow(dead_code))]

#[cfg(feature = "whole")]
mod bench;
mod binaries;
#[cfg(feature = "whole")]
mod cluster;
mod console;
mod demo;
#[cfg(feature = "whole")]
mod deploy;
mod guard;
mod http;
#[cfg(feature = "whole")]
mod image;
mod instance;
mod kafka;
mod maven;
mod openssl;
mod packages;
mod port;
mod prerequisites;
mod secret;
mod service;
mod site;
mod stop;
mod supervise;
#[cfg(feature = "whole")]
mod test;
mod tool;
#[cfg(not(feature = "whole"))]
mod whole;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
#[cfg(not(feature = "whole"))]
use whole::{self as bench, self as cluster, self as deploy, self as image, self as test};

/// King of Scaling: run the demo, the tests and the benchmarks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build everything, start Kafka and the show, and print the address to open
    Demo(demo::Options),
    /// Build what the demo runs, without starting it
    Build,
    /// Formatting, lints, unit and integration tests on a real Kafka, and Playwright against a running demo
    Test(test::Options),
    /// Measure one of the figures against a demo that is started for it
    Bench(bench::Options),
    /// Make the container image, without a container engine
    Image(image::Options),
    /// Build the image, bring it to a cluster, and start the demo there
    Deploy(deploy::Options),
    /// Start a Kubernetes for tests on this machine: Linux, as root, with Go
    Cluster(cluster::Options),
    /// Run a foreign command and end it with its process group when standard input closes
    #[command(hide = true)]
    Guard(guard::Options),
}

fn main() -> ExitCode {
    console::started();
    let result = match Cli::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Build => demo::build_only(),
        Command::Test(options) => test::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Image(options) => image::run(&options),
        Command::Deploy(options) => deploy::run(&options),
        Command::Cluster(options) => cluster::run(&options),
        Command::Guard(options) => guard::run(&options),
    };
    match result {
        Ok(code) => code,
        Err(error) if error.is::<stop::Stopped>() => ExitCode::from(130),
        Err(error) => {
            console::problem(&error);
            ExitCode::FAILURE
        }
    }
}
