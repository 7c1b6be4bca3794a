//! Foreign tools (cargo, mvn, npm, java) run under the guard, so that they end with us whatever ends us.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::stop::{self, Stopped};

/// How often a running tool is looked at.
const LOOK: Duration = Duration::from_millis(20);

static SPAWN: Mutex<()> = Mutex::new(());

/// Starts a child in a process group of its own with a pipe to its standard input: Ctrl-C in the terminal reaches only
/// us, and our end reaches the child.
pub(crate) fn spawn(command: &mut Command) -> std::io::Result<Child> {
    // Without pipe2 (macOS) a child that is forked between the making of a pipe and its close-on-exec flag would
    // inherit the pipe and keep it open after our end: one at a time.
    let _one_at_a_time = SPAWN.lock().unwrap_or_else(PoisonError::into_inner);
    command.process_group(0).stdin(Stdio::piped()).spawn()
}

/// This program once more. A build that runs meanwhile may have put another file in its place, or none yet: on Linux
/// the running one is asked for by what it is, not by where it was.
pub(crate) fn own() -> Result<Command> {
    let path = std::env::current_exe().context("cannot find this program's own file")?;
    if !cfg!(target_os = "linux") {
        return Ok(Command::new(path));
    }
    let mut own = Command::new("/proc/self/exe");
    own.arg0(path);
    Ok(own)
}

/// The same command under the guard, with the guard's own options.
pub(crate) fn guarded(command: &Command, options: &[&str]) -> Result<Command> {
    let mut guarded = own()?;
    guarded.arg("guard").args(options).arg("--").arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        guarded.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(name, value),
            None => guarded.env_remove(name),
        };
    }
    Ok(guarded)
}

/// Runs a tool to its end with its output shown; an error when it is time to stop before.
pub(crate) fn show(command: &Command) -> Result<ExitStatus> {
    show_while(command, pause)
}

/// The same, with something to do meanwhile: it gets the time until the tool is looked at again, and may end the tool
/// by an error.
pub(crate) fn show_while(
    command: &Command,
    meanwhile: impl FnMut(Duration) -> Result<()>,
) -> Result<ExitStatus> {
    finish(&mut guarded(command, &[])?, meanwhile)
}

/// The same, with its standard output read by another.
pub(crate) fn show_but_read(command: &Command, read: impl FnOnce(ChildStdout) + Send) -> Result<ExitStatus> {
    finish_reading(&mut guarded(command, &[])?, read)
}

/// Runs a tool to its end with its output in a file; when it fails, the error shows the file's last lines.
pub(crate) fn quiet(command: &Command, log: &Path) -> Result<()> {
    let file = create(log)?;
    let mut guarded = guarded(command, &[])?;
    guarded.stdout(file.try_clone()?).stderr(file);
    succeed(command, finish(&mut guarded, pause)?, log)
}

/// The same, with its standard output read by another.
pub(crate) fn quiet_but_read(
    command: &Command,
    log: &Path,
    read: impl FnOnce(ChildStdout) + Send,
) -> Result<()> {
    let mut guarded = guarded(command, &[])?;
    guarded.stderr(create(log)?);
    succeed(command, finish_reading(&mut guarded, read)?, log)
}

fn create(log: &Path) -> Result<File> {
    File::create(log).with_context(|| format!("cannot write {}", log.display()))
}

fn succeed(command: &Command, status: ExitStatus, log: &Path) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status}):\n{}", name(command), tail(log, 15));
    }
    Ok(())
}

fn pause(time: Duration) -> Result<()> {
    std::thread::sleep(time);
    Ok(())
}

fn finish(command: &mut Command, meanwhile: impl FnMut(Duration) -> Result<()>) -> Result<ExitStatus> {
    attend(&mut begin(command)?, meanwhile)
}

fn finish_reading(command: &mut Command, read: impl FnOnce(ChildStdout) + Send) -> Result<ExitStatus> {
    let mut child = begin(command.stdout(Stdio::piped()))?;
    let output = child.stdout.take().context("a tool without a pipe")?;
    std::thread::scope(|scope| {
        scope.spawn(|| read(output));
        attend(&mut child, pause)
    })
}

fn begin(command: &mut Command) -> Result<Child> {
    stop::check()?;
    spawn(command).with_context(|| format!("cannot run {}", name(command)))
}

fn attend(child: &mut Child, mut meanwhile: impl FnMut(Duration) -> Result<()>) -> Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if let Err(error) = if stop::wanted() { Err(Stopped.into()) } else { meanwhile(LOOK) } {
            drop(child.stdin.take());
            child.wait()?;
            return Err(error);
        }
    }
}

/// What a short tool prints on its standard output; when it fails, the error has what it says on the other.
pub(crate) fn text(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {}", name(command)))?;
    if !output.status.success() {
        bail!("{} says: {}", name(command), String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("the answer of {} is not text", name(command)))
}

/// What a short tool prints, or nothing when it is missing or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    // `java -version` answers on standard error.
    let text = [output.stdout, output.stderr].concat();
    output.status.success().then(|| String::from_utf8_lossy(&text).into_owned())
}

/// The first of the programs that is on the search path.
pub(crate) fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    names.iter().find_map(|name| {
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_program(file))
    })
}

/// The search path with a directory before all others.
pub(crate) fn path_with(first: &Path) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(first.to_owned()).chain(std::env::split_paths(&path));
    // Only a directory with a colon in its name cannot be joined.
    std::env::join_paths(all).unwrap_or(path)
}

/// Whether a file can be run.
pub(crate) fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path, lines: usize) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn name(command: &Command) -> String {
    Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned()
}
