//! The wiring, as a list of steps.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use cluster::local::LocalConfig;
use kafka::control::Control;
use kafka::history::HistoryWriter;
use kafka::taps::Taps;
use model::Millis;
use model::fold::Fold;
use model::lag::Sampled;
use phone_game::PhoneGame;
use process::{Clock, Shutdown};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::access::Access;
use crate::adapters::{self, Adapters, CLIENT_ID, KeptInKafka, Outlets, Pods};
use crate::commands::{Commander, Parts};
use crate::config::{Config, Runtime};
use crate::demo;
use crate::listener;
use crate::live::Hub;
use crate::metrics::{self, Metrics};
use crate::pages::Rendered;
use crate::play::EncodedTaps;
use crate::refusals::Refusals;
use crate::router::router;
use crate::show::{Feeds, Notes, Show};
use crate::site::Site;
use crate::state::Server;

/// A pod that does not stop by then is killed: a presenter's kill must not take longer than the audience's patience.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until a stop is requested.
///
/// # Errors
/// When something that cannot be done without cannot be had, with the exit code that belongs to it.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let clock = Clock::system();
    let site = Site::load(&config.site)?;
    let invitations = config.invitations()?;
    let taps = Taps::new(&config.kafka, CLIENT_ID)?;
    let kafka = Arc::new(kafka::Controls::new(&config.kafka, CLIENT_ID)?);
    let keep = Box::new(KeptInKafka(HistoryWriter::new(&config.kafka, CLIENT_ID)?));
    let limits = listener::Limits::of_process();
    let listener = listener::bind(config.address).await?;

    let epoch = clock.now_ms();
    let history = adapters::last_minutes(&config.kafka, epoch).await;
    let hub = Arc::new(Hub::new(Fold::new(epoch, demo::source(), history, clock.now_ms())));
    let game = Arc::new(Mutex::new(PhoneGame::new(epoch)));
    let metrics = Arc::new(Metrics::new());
    let (outlets, feeds) = channels();
    let pods = pods(&config);
    let commander = Arc::new(Commander::new(Parts {
        hub: Arc::clone(&hub),
        game: Arc::clone(&game),
        kafka,
        observations: feeds.cluster.clone(),
        notes: outlets.notes.clone(),
        clock: clock.clone(),
        max_pods: config.max_pods,
        own_policy: matches!(pods, Pods::Local(_)).then(demo::policy),
    }));
    let clocks = Arc::default();
    let show = Show {
        hub: Arc::clone(&hub),
        game: Arc::clone(&game),
        clocks: Arc::clone(&clocks),
        keep,
        metrics: Arc::clone(&metrics),
        clock: clock.clone(),
    };
    let schemas = Arc::new(OnceLock::new());
    let adapters = Adapters {
        brokers: config.kafka.clone(),
        registry: config.registry.clone(),
        schemas: Arc::clone(&schemas),
        pods,
        outlets,
        commander: Arc::clone(&commander),
        game: Arc::clone(&game),
        clocks,
        metrics: Arc::clone(&metrics),
        clock: clock.clone(),
    };
    let server = Arc::new(Server {
        hub,
        game,
        commander,
        taps: Arc::new(EncodedTaps { taps, schemas }),
        access: Access::new(config.passcode, &config.secret, config.front, listener.local_addr()?.port())
            .with_device_token(config.device_token),
        refusals: Refusals::default(),
        site,
        pages: Rendered::default(),
        invitations,
        metrics,
        clock,
        shutdown: shutdown.clone(),
        places: Server::all_places(limits.connections),
    });

    let mut tasks = JoinSet::new();
    if let Some(address) = config.admin_address {
        let metrics = metrics::router(Arc::clone(&server.metrics));
        tasks.spawn(process::admin::serve_router(address, metrics, shutdown.clone()));
    }
    tasks.spawn(show.run(feeds, shutdown.clone()));
    tasks.spawn(adapters.run(shutdown.clone()));
    tasks.spawn(serve(listener, server, limits, shutdown.clone()));
    process::all_end_together(tasks, &shutdown).await
}

/// Everything between the adapters and the show.
fn channels() -> (Outlets, Feeds) {
    let (sampled, sampled_feed) = watch::channel(Sampled::default());
    let (cluster, cluster_feed) = watch::channel(None);
    let (cluster_outage, cluster_outage_feed) = watch::channel(None);
    let (control, control_feed) = watch::channel(Control::default());
    let (dead_letters, dead_letters_feed) = watch::channel(None);
    let (notes, notes_feed) = Notes::channel();
    let feeds = Feeds {
        sampled: sampled_feed,
        cluster: cluster_feed,
        cluster_outage: cluster_outage_feed,
        control: control_feed,
        dead_letters: dead_letters_feed,
        notes: notes_feed,
    };
    (Outlets { sampled, cluster, cluster_outage, control, dead_letters, notes }, feeds)
}

fn pods(config: &Config) -> Pods {
    let clock = || Clock::system().now_ms();
    match config.runtime.clone() {
        Runtime::Local { streams } => Pods::Local(local_pods(config, streams, clock)),
        #[cfg(feature = "kubernetes")]
        Runtime::Kubernetes(cluster) => Pods::Kubernetes(cluster),
    }
}

fn local_pods(config: &Config, streams: PathBuf, clock: fn() -> Millis) -> LocalConfig {
    let mut args = config.kafka.to_args();
    if let Some(registry) = &config.registry {
        // Its credentials are in the environment, which the pods inherit.
        args.extend(["--schema-registry".to_owned(), registry.address().to_owned()]);
    }
    LocalConfig {
        streams,
        args,
        capacity: config.capacity,
        policy: demo::policy(),
        max_pods: config.max_pods,
        sync: config.sync,
        grace: GRACE,
        log_dir: None,
        clock,
    }
}

async fn serve(
    listener: tokio::net::TcpListener,
    server: Arc<Server>,
    limits: listener::Limits,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    tracing::info!(address = %listener.local_addr()?, "serving");
    listener::serve(listener, router(server), limits, shutdown).await;
    Ok(())
}
