//! `cargo xtask demo`: from the sources to an address that one can open.

mod kube;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::binaries::{self, Programs};
use crate::instance::{self, Instance};
use crate::kafka::{self, Access, Broker, Existing, Source};
use crate::prerequisites::{self, Consent};
use crate::service::{Event, Service};
use crate::supervise::{Supervisor, server_answers};
use crate::workspace::Workspace;
use crate::{console, http, port, secret, stop};

/// A demo that was killed ends its processes within this time.
const LEFTOVERS: Duration = Duration::from_secs(5);
/// Kafka recovers its log after a crash before it answers.
const KAFKA_PATIENCE: Duration = Duration::from_secs(90);
const SERVER_PATIENCE: Duration = Duration::from_secs(30);

const PASSCODE: &str = "KING_PASSCODE";
const DEVICE_TOKEN: &str = "KING_DEVICE_TOKEN";
/// What the server's allocator does not need goes back at once, as in `deploy/base/server.yaml`.
const ALLOCATOR: [(&str, &str); 2] = [("MIMALLOC_PURGE_DELAY", "0"), ("MIMALLOC_ARENA_EAGER_COMMIT", "0")];

/// What can be chosen.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The show's port; 0 takes any free one
    #[arg(long, default_value_t = 8930)]
    port: u16,
    /// A file whose first line is the presenter's passcode; KING_PASSCODE says it as well, and a command line would
    /// show it to everybody on this machine [default: four random words]
    #[arg(long, value_name = "FILE")]
    passcode_file: Option<PathBuf>,
    /// The address to listen at; 0.0.0.0 lets phones in the same network join
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into())]
    bind: IpAddr,
    /// The address that the QR code shows, behind a tunnel or an ingress; https switches secure cookies on
    #[arg(long)]
    public_url: Option<String>,
    /// What is in front of the show there, and is believed when it says for whom it asks: an address or a network
    #[arg(long, value_name = "ADDRESS[/BITS]")]
    trusted_proxy: Vec<String>,
    /// Start what was built before
    #[arg(long)]
    no_build: bool,
    /// Forget the data of former demos
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    kafka: Existing,
    #[command(flatten)]
    kube: kube::Options,
    /// Seconds between two looks of the autoscaler
    #[arg(long)]
    sync: Option<u32>,
    /// The most pods that the show may have (4 to 12)
    #[arg(long, value_parser = clap::value_parser!(u32).range(4..=12))]
    max_pods: Option<u32>,
    /// Where data and logs are kept; demos with different directories run beside each other [default: demo/ in the
    /// target directory]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// End when standard input closes
    #[arg(long, hide = true)]
    exit_with_parent: bool,
}

/// Runs the demo until it is asked to stop.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let cluster = options.kube.cluster()?;
    let (sender, events) = mpsc::channel();
    listen_for_stop(options, &sender)?;
    let workspace = Workspace::find()?;
    let instance = Instance::take(&state_directory(options, &workspace)?)?;
    let patience = if instance.unclean { LEFTOVERS } else { Duration::ZERO };
    let port = port::take(options.bind, options.port, patience)?;
    prerequisites::disk(&workspace, &instance.directory)?;
    let passcode = passcode(options)?;

    let source = Source::choose(&workspace, Some(&options.kafka), Consent::Asked)?;
    let mut supervisor = Supervisor::new(&workspace, &instance, sender.clone(), events);
    let result = start(
        options,
        &workspace,
        &instance,
        source,
        &sender,
        &mut supervisor,
        Show { port, passcode, device_token: secret::hexadecimal::<16>()?, cluster },
    );
    let result = result.and_then(|()| supervisor.watch());
    let failed = result.as_ref().is_err_and(|error| !error.is::<stop::Stopped>());
    console::step(if failed { "stopping, because something is wrong" } else { "stopping" });
    supervisor.stop();
    drop(instance);
    explain(result, &workspace)?;
    console::step("everything has ended");
    Ok(ExitCode::SUCCESS)
}

fn passcode(options: &Options) -> Result<String> {
    match (&options.passcode_file, std::env::var(PASSCODE)) {
        (Some(file), _) => secret::passcode_of(file),
        (None, Ok(passcode)) if !passcode.is_empty() => Ok(passcode),
        (None, _) => secret::passcode(),
    }
}

/// Builds what the demo runs, without starting it.
pub(crate) fn build_only() -> Result<ExitCode> {
    stop::on_signals(|| {})?;
    let workspace = Workspace::find()?;
    prerequisites::disk(&workspace, &workspace.target)?;
    build_all(&workspace, Programs::Demo)?;
    console::step(format_args!(
        "built: the programs in {}, the page in {}",
        workspace.target.join("release").display(),
        workspace.site().display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Adds the likely reason to a failure when the disk is full: a compiler or a broker does not say it as plainly.
fn explain(result: Result<()>, workspace: &Workspace) -> Result<()> {
    let full = || "The disk is full: free some space (`cargo clean` drops what was built) and start again";
    if result.is_err() && prerequisites::disk_is_full(&workspace.target) {
        result.with_context(full)
    } else {
        result
    }
}

/// What people need to come in, and what they see.
struct Show {
    port: u16,
    passcode: String,
    /// What makes a presenter's device known.
    device_token: String,
    /// The cluster that is shown instead of local pods.
    cluster: Option<kube::Cluster>,
}

fn listen_for_stop(options: &Options, sender: &Sender<Event>) -> Result<()> {
    let wake = |sender: Sender<Event>| move || drop(sender.send(Event::Stop));
    stop::on_signals(wake(sender.clone()))?;
    if options.exit_with_parent {
        stop::on_end_of_stdin(wake(sender.clone()));
    }
    Ok(())
}

fn state_directory(options: &Options, workspace: &Workspace) -> Result<PathBuf> {
    let directory = options.state.clone().unwrap_or_else(|| workspace.target.join("demo"));
    std::path::absolute(directory).context("cannot find the current directory")
}

/// Starts everything and says where it is. Kafka starts while cargo builds.
fn start(
    options: &Options,
    workspace: &Workspace,
    instance: &Instance,
    source: Source,
    sender: &Sender<Event>,
    supervisor: &mut Supervisor<'_>,
    show: Show,
) -> Result<()> {
    let broker = std::thread::scope(|scope| {
        let kafka = scope.spawn(|| start_kafka(options, workspace, &instance.directory, source, sender));
        let built = build(options, workspace);
        if built.is_err() {
            stop::ask();
        }
        let mut broker = kafka.join().map_err(|_| anyhow!("the thread that starts Kafka died"))??;
        if let Some(service) = broker.service.take() {
            supervisor.adopt(service);
        }
        built.map(|()| broker)
    })?;
    let access = broker.access;
    if let Access::Ours { address } = &access {
        supervisor.wait_for(kafka::NAME, || http::kafka_answers(address).is_ok(), KAFKA_PATIENCE)?;
    }
    console::step(format_args!("Kafka answers at {}", access.address()));

    if let Some(cluster) = &show.cluster {
        cluster.check(workspace, &access)?;
    }
    let secret = secret::cookie_secret(&instance.directory.join("cookie-secret"))?;
    let local = port::local(options.bind);
    supervisor.start(server(options, workspace, instance, &access, &show, secret)?)?;
    match &show.cluster {
        // Its generator runs there.
        Some(cluster) => cluster.say_what_is_expected(access.address()),
        None => supervisor.start(datagen(workspace, instance, &access)?)?,
    }
    supervisor.wait_for("server", || server_answers((local, show.port)), SERVER_PATIENCE)?;

    let url = |address| format!("http://{}/", SocketAddr::new(address, show.port));
    let status = &mut supervisor.status;
    status.url = url(local);
    status.network_url = port::in_network(options.bind).map(url);
    status.passcode = show.passcode;
    let public = options.public_url.as_deref().unwrap_or(&status.url).trim_end_matches('/');
    status.device_url = format!("{public}/device/{}", show.device_token);
    access.address().clone_into(&mut status.kafka);
    supervisor.publish()?;
    welcome(options, workspace, instance, supervisor);
    Ok(())
}

fn start_kafka(
    options: &Options,
    workspace: &Workspace,
    state: &Path,
    source: Source,
    sender: &Sender<Event>,
) -> Result<Broker> {
    let directory = state.join("kafka");
    if options.fresh {
        source.forget(&directory)?;
        let _ = std::fs::remove_file(state.join("cookie-secret"));
    }
    console::step(format_args!("Kafka: {source}"));
    source.start(workspace, &directory, None, None, sender)
}

fn build(options: &Options, workspace: &Workspace) -> Result<()> {
    let programs = if options.kube.is_asked_for() { Programs::All } else { Programs::Demo };
    if options.no_build { binaries::check_built(workspace, programs) } else { build_all(workspace, programs) }
}

fn build_all(workspace: &Workspace, programs: Programs) -> Result<()> {
    prerequisites::to_build()?;
    binaries::build_all(workspace, "release", programs, &workspace.site())
}

fn server(
    options: &Options,
    workspace: &Workspace,
    instance: &Instance,
    access: &Access,
    show: &Show,
    secret: String,
) -> Result<Service> {
    let program = workspace.binary("server");
    let mut arguments = vec![OsString::from("--exit-with-parent")];
    let mut option = |name: &str, value: String| arguments.extend([name.into(), value.into()]);
    option("--port", show.port.to_string());
    option("--bind", options.bind.to_string());
    option("--site", workspace.site().to_string_lossy().into_owned());
    if let Some(url) = &options.public_url {
        option("--public-url", url.clone());
    }
    for proxy in &options.trusted_proxy {
        option("--trusted-proxy", proxy.clone());
    }
    if let Some(seconds) = options.sync {
        option("--sync", seconds.to_string());
    }
    if let Some(pods) = options.max_pods {
        option("--max-pods", pods.to_string());
    }
    arguments.extend(show.cluster.iter().flat_map(kube::Cluster::arguments));
    let (access, passcode, token) = (access.clone(), show.passcode.clone(), show.device_token.clone());
    Service::new("server", instance.directory.join("server.log"), move || {
        let mut command = Command::new(&program);
        command
            .args(&arguments)
            .args(["--admin-address", "127.0.0.1:0"])
            .env(PASSCODE, &passcode)
            .env(DEVICE_TOKEN, &token)
            .envs(ALLOCATOR)
            .env("KING_COOKIE_SECRET", &secret);
        access.give_to(&mut command);
        Ok(command)
    })
}

fn datagen(workspace: &Workspace, instance: &Instance, access: &Access) -> Result<Service> {
    let program = workspace.binary("datagen");
    let access = access.clone();
    Service::new("datagen", instance.directory.join("datagen.log"), move || {
        let mut command = Command::new(&program);
        command.args(["--exit-with-parent", "--admin-address", "127.0.0.1:0"]);
        access.give_to(&mut command);
        Ok(command)
    })
}

fn welcome(options: &Options, workspace: &Workspace, instance: &Instance, supervisor: &Supervisor<'_>) {
    let status = &supervisor.status;
    console::step("ready");
    console::plain("");
    console::plain(format_args!("  This machine  {}", status.url));
    match (&options.public_url, &status.network_url) {
        (Some(url), _) => console::plain(format_args!("  Everybody     {url}")),
        (None, Some(url)) => console::plain(format_args!("  Phones        {url} (in the same network)")),
        (None, None) if options.bind.is_loopback() => {
            console::plain(
                "  Phones        cannot join yet: `cargo xtask demo --bind 0.0.0.0` lets those in the same network in",
            );
        }
        (None, None) => console::plain("  Phones        this machine is in no network now"),
    }
    console::plain(format_args!("  Passcode      {}", status.passcode));
    console::plain(format_args!(
        "  Your device   {} (once, so that no guesser keeps it waiting)",
        status.device_url
    ));
    console::plain("");
    let logs = instance.directory.clone();
    console::plain(format_args!(
        "Ctrl-C ends everything. Logs: {}/*.log, {}",
        workspace.short(&logs),
        instance::status_file(Path::new("")).display()
    ));
}
