//! A small guard around a foreign program, which knows nothing of our pipes.
//!
//! It runs the program in a process group of its own and holds the parent's pipe as standard input: when the pipe
//! closes, however the parent died, it ends the whole group, gently first and for certain 2.5 s later.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::tool;

/// How long the program may take to end before it is killed.
const GRACE: Duration = Duration::from_millis(2_500);

/// What to guard.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Waits for this file's lock and holds it until the program has ended: two brokers never share a data directory
    #[arg(long)]
    lock: Option<PathBuf>,
    /// Milliseconds to leave the program alone after the pipe closed, so that others may say goodbye to it
    #[arg(long, default_value_t = 0)]
    linger_ms: u64,
    /// Says the program's process id as the only line on standard output; the program's own output then goes to
    /// standard error
    #[arg(long)]
    announce: bool,
    /// A word of a command to run after the program has ended; repeat it for each word
    #[arg(long, allow_hyphen_values = true)]
    finally: Vec<OsString>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

enum Event {
    /// The parent is gone, or closed the pipe.
    Closed,
    /// The parent asks to end at once.
    Signalled,
    /// The program ended.
    Ended(std::io::Result<ExitStatus>),
}

/// Runs the program; ends with its exit code, or 128 and the signal's number.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let (sender, events) = mpsc::channel();
    watch_stdin(sender.clone());
    watch_signals(sender.clone())?;
    let lock = match &options.lock {
        Some(file) => match wait_for_lock(file, &events)? {
            Some(lock) => Some(lock),
            None => return Ok(ExitCode::SUCCESS),
        },
        None => None,
    };
    if let Some(lock) = &lock {
        end_leftover(lock, options)?;
    }
    let group = spawn(options, sender)?;
    if let Some(lock) = &lock {
        note(lock, Some(group))?;
    }
    let status = wait(options, group, &events);
    if let Some((program, arguments)) = options.finally.split_first() {
        let _ = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
    if let Some(lock) = lock {
        note(&lock, None)?;
    }
    let status = status?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

fn watch_stdin(sender: Sender<Event>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        let mut stdin = std::io::stdin().lock();
        while matches!(stdin.read(&mut buffer), Ok(1..)) {}
        let _ = sender.send(Event::Closed);
    });
}

fn watch_signals(sender: Sender<Event>) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            let _ = sender.send(Event::Signalled);
        }
    });
    Ok(())
}

/// The lock, or nothing when it is time to end before it was free.
fn wait_for_lock(file: &PathBuf, events: &Receiver<Event>) -> Result<Option<File>> {
    let lock = File::options().read(true).write(true).create(true).truncate(false).open(file);
    let lock = lock.with_context(|| format!("cannot open {}", file.display()))?;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", file.display()));
            }
        }
        if events.recv_timeout(Duration::from_millis(50)).is_ok() {
            return Ok(None);
        }
    }
}

/// Notes in the lock's file which process runs under it.
fn note(mut lock: &File, group: Option<Pid>) -> Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    if let Some(group) = group {
        write!(lock, "{}", group.as_raw_nonzero())?;
    }
    Ok(())
}

/// Ends what a guard left behind that was killed itself: the same program with the same arguments, by the id that the
/// guard noted.
fn end_leftover(mut lock: &File, options: &Options) -> Result<()> {
    let mut noted = String::new();
    lock.read_to_string(&mut noted)?;
    let Some(group) = noted.parse().ok().and_then(Pid::from_raw) else { return Ok(()) };
    let ours = options.command.last().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let arguments = tool::output(Command::new("ps").args(["-o", "args=", "-p", &noted]));
    if arguments.is_some_and(|arguments| arguments.contains(&ours)) {
        let _ = kill_process_group(group, Signal::KILL);
        let deadline = Instant::now() + GRACE;
        while test_kill_process_group(group).is_ok() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// Starts the program in its own group.
fn spawn(options: &Options, sender: Sender<Event>) -> Result<Pid> {
    let (program, arguments) = options.command.split_first().context("no program to guard")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).process_group(0);
    if options.announce {
        command.stdout(Stdio::from(std::io::stderr()));
    }
    let mut child = command.spawn().with_context(|| format!("cannot run {}", program.to_string_lossy()))?;
    let group = Pid::from_child(&child);
    if options.announce {
        let mut stdout = std::io::stdout().lock();
        let _ = writeln!(stdout, "pid {}", group.as_raw_nonzero()).and_then(|()| stdout.flush());
    }
    std::thread::spawn(move || {
        let _ = sender.send(Event::Ended(child.wait()));
    });
    Ok(group)
}

fn wait(options: &Options, group: Pid, events: &Receiver<Event>) -> Result<ExitStatus> {
    let lingering = match events.recv()? {
        Event::Ended(status) => return Ok(status?),
        Event::Closed => Duration::from_millis(options.linger_ms),
        Event::Signalled => Duration::ZERO,
    };
    let mut ended = None;
    if let Ok(Event::Ended(status)) = events.recv_timeout(lingering) {
        ended = Some(status?);
    }
    let _ = kill_process_group(group, Signal::TERM);
    let deadline = Instant::now() + GRACE;
    // The program may leave children behind: the group is what has to end.
    while ended.is_none() || test_kill_process_group(group).is_ok() {
        if Instant::now() >= deadline {
            let _ = kill_process_group(group, Signal::KILL);
            break;
        }
        if let Ok(Event::Ended(status)) = events.recv_timeout(Duration::from_millis(20)) {
            ended = Some(status?);
        }
    }
    while ended.is_none() {
        if let Event::Ended(status) =
            events.recv_timeout(GRACE).map_err(|_| anyhow!("the program does not end"))?
        {
            ended = Some(status?);
        }
    }
    ended.context("the program did not end")
}
