//! The cluster, as far as we need it: its pods, its front proxy, and our own registration.

pub mod api_services;
pub mod front_proxy;
pub mod pods;

use std::time::Duration;

use backoff::quick;
use futures::{Stream, StreamExt};
use k8s_openapi::serde::de::DeserializeOwned;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Resource};

mod backoff;

/// A watch is asked for anew after so many seconds; five seconds later a connection that went silent is given up.
const WATCH_SECONDS: u32 = 20;
/// The longest pause between two attempts: an API server that is back is seen within two seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What happens to the selected objects. Errors come in between; the watch goes on by itself after each of them.
fn follow<K>(api: Api<K>, config: watcher::Config) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    watch(api, config.timeout(WATCH_SECONDS)).backoff(quick(LONGEST_PAUSE)).boxed()
}
