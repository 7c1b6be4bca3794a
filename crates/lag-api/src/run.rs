//! The wiring, as a list of steps.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use cluster::kubernetes;
use futures::FutureExt;
use futures::future::BoxFuture;
use kafka::sampler;
use model::topics::{Tasks, Topic, Topics};
use process::{Clock, ConfigError, Readiness, Shutdown, Unavailable};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use crate::api::{self, Api};
use crate::auth::{Access, FrontProxy, KubeReviews};
use crate::config::Config;
use crate::keda::Scaler;
use crate::kubernetes::api_services::ApiServices;
use crate::kubernetes::{front_proxy, pods};
use crate::labels;
use crate::look::{Group, Pods, Sources};
use crate::prometheus::LagCollector;
use crate::served::{self, Served};
use crate::tls::keeper::Keeper;
use crate::tls::{self, Shown};

/// The longest that [`run`] needs to end once a stop was requested.
pub const DRAIN_LIMIT: std::time::Duration = tls::DRAIN_LIMIT;

/// Serves until a stop is requested.
///
/// # Errors
/// When something that cannot be done without cannot be had, with the exit code that belongs to it.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    labels::parse(&config.pod_selector)
        .map_err(|error| ConfigError::new(format!("--pod-selector: {error}")))?;
    let kubeconfig = config
        .kubeconfig
        .map(|files| kubernetes::Kubeconfig::new(std::env::split_paths(&files).collect(), config.context));
    let cluster = kubernetes::Access::find(kubeconfig).ok_or_else(|| {
        ConfigError::new("this is no pod of a cluster: give --kubeconfig (KING_KUBECONFIG)".to_owned())
    })?;
    let client = cluster.client().await.map_err(|error| ConfigError::new(error.to_string()))?;
    let namespace = config.namespace.unwrap_or_else(|| cluster.namespace());
    let https = bind(config.https_address, "--https-address").await?;
    let grpc = bind(config.grpc_address, "--grpc-address").await?;

    let group = Arc::new(Group { id: config.group, topics: Arc::new(topics(config.topics, config.joined)) });
    let sampled = sampler::Config {
        brokers: config.kafka,
        group_id: group.id.clone(),
        topics: Arc::clone(&group.topics),
        interval: sampler::INTERVAL,
    };
    let sampler =
        sampler::start(sampled, shutdown.token()).map_err(|error| Unavailable::new(error.to_string()))?;
    let (seen, pods) = watch::channel(Pods::default());
    let (believed, front_proxy) = watch::channel(None);
    let sources = Sources { group, sampled: sampler.sampled, pods, clock: Clock::system() };
    let (readiness, served) = (Readiness::new(), Arc::new(Served::default()));
    let shown = Arc::new(Shown::default());
    let keeper = Keeper::new(
        config.tls_dir,
        host_names(&config.service, &namespace),
        Arc::clone(&shown),
        Box::new(ApiServices::new(client.clone(), &namespace, &config.service)),
    );
    let api = Arc::new(Api {
        namespace: namespace.clone(),
        sources: sources.clone(),
        access: Access::new(front_proxy.clone(), Box::new(KubeReviews::new(client.clone()))),
        served: Arc::clone(&served),
        readiness: readiness.clone(),
        shutdown: shutdown.clone(),
    });
    let admin = process::admin::router(readiness.clone(), registry(&sources, &keeper), shutdown.clone())
        .merge(served::router(served));

    let mut tasks = JoinSet::new();
    let until_stop = |task| until_stop(task, shutdown.clone());
    let clock = sources.clock.clone();
    tasks.spawn(until_stop(pods::run(client.clone(), namespace, config.pod_selector, clock, seen).boxed()));
    tasks.spawn(until_stop(front_proxy::run(client, believed).boxed()));
    tasks.spawn(until_stop(keep(keeper, front_proxy, readiness).boxed()));
    tasks.spawn(process::admin::serve_router(config.admin_address, admin, shutdown.clone()));
    tasks.spawn(serve_keda(grpc, sources, shutdown.clone()));
    tasks.spawn(serve_apis(https, shown, api, shutdown.clone()));
    process::all_end_together(tasks, &shutdown).await
}

/// The topics by their names; those of the demo where none is named.
fn topics(names: Vec<String>, joined: bool) -> Topics {
    if names.is_empty() {
        return sampler::demo_topics();
    }
    let tasks = if joined { Tasks::Joined } else { Tasks::Single };
    Topics { list: names.into_iter().map(Topic::new).collect(), tasks }
}

async fn bind(address: SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .context(Unavailable::new(format!("cannot listen on {address} ({option})")))
}

fn registry(sources: &Sources, keeper: &Keeper) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(LagCollector::new(sources.clone())));
    keeper.expiry.register(&mut registry);
    registry
}

/// By which names the API server may call us.
fn host_names(service: &str, namespace: &str) -> Vec<String> {
    [".svc", ".svc.cluster.local", ""].map(|domain| format!("{service}.{namespace}{domain}")).to_vec()
}

/// We can serve when our certificate is trusted and we know whose word on users to take. Whether Kafka answers is
/// another matter: without values the APIs must go on to say so.
async fn keep(keeper: Keeper, front_proxy: watch::Receiver<Option<Arc<FrontProxy>>>, readiness: Readiness) {
    keeper.run(|trusted| readiness.set(trusted && front_proxy.borrow().is_some())).await;
}

async fn serve_apis(
    listener: TcpListener,
    shown: Arc<Shown>,
    api: Arc<Api>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    tracing::info!(address = %listener.local_addr()?, "serving the metrics APIs");
    tls::serve(listener, tls::server_config(shown)?, api::router(api), shutdown).await;
    Ok(())
}

async fn serve_keda(listener: TcpListener, sources: Sources, shutdown: Shutdown) -> anyhow::Result<()> {
    let service = Scaler::service(sources, shutdown.clone());
    let stop = async move { shutdown.requested().await };
    let connections = TcpListenerStream::new(listener);
    Server::builder().add_service(service).serve_with_incoming_shutdown(connections, stop).await?;
    Ok(())
}

async fn until_stop(task: BoxFuture<'static, ()>, shutdown: Shutdown) -> anyhow::Result<()> {
    tokio::select! {
        () = shutdown.requested() => Ok(()),
        () = task => anyhow::bail!("a watch of the cluster has ended"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_have_the_order_in_which_they_are_named_and_the_demos_where_none_is() {
        let named = topics(vec!["orders".to_owned(), "EU.Payments".to_owned()], false);
        let metrics: Vec<String> = named.list.iter().map(Topic::pod_metric).collect();
        assert_eq!(metrics, ["consumer_lag_orders", "consumer_lag_eu_payments"]);
        assert_eq!(named.tasks, Tasks::Single);
        assert_eq!(topics(vec!["orders".to_owned()], true).tasks, Tasks::Joined);
        let demo: Vec<String> = topics(Vec::new(), false).list.iter().map(Topic::pod_metric).collect();
        assert_eq!(demo, ["consumer_lag_game_frame_rq", "consumer_lag_game_frame_rs"]);
    }
}
