//! A Kafka beside any other, for tests and benchmarks that need no show.

use std::process::{Command, ExitStatus};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Result;

use crate::instance::Instance;
use crate::kafka::{self, Proxied, Source, TestListeners, Tls};
use crate::prerequisites::Consent;
use crate::supervise::Supervisor;
use crate::workspace::Workspace;
use crate::{console, http, tool};

/// How long a broker may take from its start to its first answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a program with a Kafka of its own, whose data is fresh. The program gets its address in `KING_TEST_KAFKA`, and
/// in `KING_TEST_KAFKA_PID_FILE` the file that has the id of its process: who kills that gets another one a moment
/// later, with the same data. What starts more brokers is told as well, where it is there. `prepare` is called when
/// that Kafka answers, for what else the program needs.
pub(crate) fn run(
    workspace: &Workspace,
    name: &str,
    command: &mut Command,
    prepare: impl FnOnce(&mut Command) -> Result<()>,
) -> Result<ExitStatus> {
    let (sender, events) = mpsc::channel();
    let instance = Instance::take(&workspace.target.join(name))?;
    let source = Source::choose(workspace, None, Consent::GivenToRoot)?;
    let directory = instance.directory.join("kafka");
    source.forget(&directory)?;
    let more = TestListeners { tls: Tls::make(&instance.directory.join("tls"))?, proxied: Proxied::new()? };
    let broker = source.start(workspace, &directory, None, Some(more.clone()), &sender)?;
    let address = broker.access.address();
    let mut supervisor = Supervisor::new(workspace, &instance, sender, events);
    broker.service.into_iter().for_each(|service| supervisor.adopt(service));
    let run = || {
        supervisor.wait_for(kafka::NAME, || http::kafka_answers(address).is_ok(), PATIENCE)?;
        console::step(format_args!("Kafka for this answers at {address}"));
        prepare(command)?;
        kafka::forget(command);
        more.tls.describe_to(command);
        more.proxied.describe_to(command);
        describe_java_to(command, workspace)?;
        command.env("KING_TEST_KAFKA", address).env("KING_TEST_KAFKA_PID_FILE", kafka::pid_file(&directory));
        tool::show_while(command, |time| supervisor.turn(time))
    };
    let result = { run }();
    supervisor.stop();
    result
}

/// Tells what starts more brokers, and the guard that ends them: only the proof needs some, and only for a while. Where
/// Kafka runs in a container there is nothing to tell.
fn describe_java_to(command: &mut Command, workspace: &Workspace) -> Result<()> {
    if let Ok((java, jars)) = kafka::java_and_jars(workspace) {
        command
            .env("KING_TEST_JAVA", java)
            .env("KING_TEST_KAFKA_JARS", jars)
            .env("KING_TEST_GUARD", std::env::current_exe()?);
    }
    Ok(())
}
