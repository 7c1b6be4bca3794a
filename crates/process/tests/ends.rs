//! How a process of ours ends, with real processes and signals: `examples/idle.rs`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

const ANY_PORT: &str = "127.0.0.1:0";

fn idle(address: &str, options: &[&str]) -> Child {
    let test = std::env::current_exe().unwrap();
    // Cargo builds examples beside the tests.
    let program = test.parent().unwrap().parent().unwrap().join("examples/idle");
    let mut command = Command::new(program);
    command.args(["--admin-address", address]).args(options).env_remove("RUST_LOG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until it serves: from then on, signals are handled.
fn started(options: &[&str]) -> Child {
    let mut child = idle(ANY_PORT, options);
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("admin 127.0.0.1:") && line.ends_with('\n'), "{line:?}");
    child
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Waits for the end: the exit code, and what the log or the error says.
#[track_caller]
fn check(mut child: Child, code: i32, says: &str) {
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!((child.wait().unwrap().code(), log.contains(says)), (Some(code), true), "{log}");
}

#[test]
fn a_signal_ends_it_cleanly() {
    for options in [&[][..], &["--thread"]] {
        for signal in [Signal::TERM, Signal::INT] {
            let child = started(options);
            send(&child, signal);
            check(child, 0, "");
        }
    }
}

#[test]
fn the_end_of_stdin_ends_it_only_where_asked_for() {
    let mut supervised = started(&["--exit-with-parent"]);
    drop(supervised.stdin.take());
    check(supervised, 0, "");
    let mut free = started(&[]);
    drop(free.stdin.take());
    send(&free, Signal::TERM);
    check(free, 0, "");
}

#[test]
fn a_second_signal_of_the_same_kind_ends_it_at_once() {
    let mut child = started(&["--stuck", "3600000", "--log-format", "json"]);
    send(&child, Signal::INT);
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains(r#""message":"SIGINT: stopping""#), "{line}");
    // Signals of one kind that are pending together become one: send until it has noticed two.
    while child.try_wait().unwrap().is_none() {
        send(&child, Signal::TERM);
        std::thread::yield_now();
    }
    check(child, 128 + Signal::TERM.as_raw(), "");
}

#[test]
fn work_that_does_not_stop_is_left_behind() {
    let child = started(&["--stuck", "50"]);
    send(&child, Signal::TERM);
    check(child, 70, "error: work was still under way 50ms after the request to stop");
}

#[test]
fn exit_codes_tell_whose_fault_it_is() {
    check(idle("nowhere", &[]), 64, "--admin-address");
    check(idle(ANY_PORT, &["--log", "a=b=c"]), 64, "error: --log \"a=b=c\" is not a log filter");
    let taken = TcpListener::bind(ANY_PORT).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check(idle(&address, &[]), 69, &format!("error: cannot listen on {address}"));
    check(idle(&address, &["--thread"]), 69, "error: cannot listen on");
    check(idle(ANY_PORT, &["--thread", "--panic"]), 70, "error: the main thread panicked");
}
