//! Follows whom the cluster says to believe: its CA rotates.

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::watch;
use tracing::{info, warn};

use super::follow;
use crate::auth::FrontProxy;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";

/// Watches for ever. While the watch is broken the last configuration holds; where there is none, nobody is believed.
pub async fn run(client: Client, believed: watch::Sender<Option<Arc<FrontProxy>>>) {
    let config = watcher::Config::default().fields(&format!("metadata.name={NAME}"));
    let mut events = std::pin::pin!(follow(Api::<ConfigMap>::namespaced(client, NAMESPACE), config));
    let mut is_broken = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                is_broken = false;
                apply(event, &believed);
            }
            Err(error) if !is_broken => {
                is_broken = true;
                warn!(%error, "the watch of {NAMESPACE}/{NAME} is broken");
            }
            Err(_) => {}
        }
    }
}

fn apply(event: Event<ConfigMap>, believed: &watch::Sender<Option<Arc<FrontProxy>>>) {
    match event {
        Event::Apply(map) | Event::InitApply(map) => match FrontProxy::read(&map.data.unwrap_or_default()) {
            Ok(front_proxy) => {
                info!("the front proxy is known");
                believed.send_replace(Some(Arc::new(front_proxy)));
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, "{NAMESPACE}/{NAME} is of no use: nobody is believed by a certificate");
                believed.send_replace(None);
            }
        },
        Event::Delete(_) => {
            warn!("{NAMESPACE}/{NAME} was deleted: nobody is believed by a certificate");
            believed.send_replace(None);
        }
        Event::Init | Event::InitDone => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Authority, front_proxy_data};

    fn map(ca: &Authority) -> ConfigMap {
        ConfigMap { data: Some(front_proxy_data(ca, &[])), ..ConfigMap::default() }
    }

    #[test]
    fn a_rotated_ca_replaces_the_one_before() {
        let (believed, seen) = watch::channel(None::<Arc<FrontProxy>>);
        let trusts = |authority: &Authority| {
            let front_proxy = seen.borrow().clone();
            front_proxy.is_some_and(|it| it.trusts(&[authority.client("aggregator").certificate]))
        };
        let (old, new) = (Authority::new("old"), Authority::new("new"));
        apply(Event::InitApply(map(&old)), &believed);
        assert!(trusts(&old) && !trusts(&new));
        apply(Event::Apply(map(&new)), &believed);
        assert!(trusts(&new) && !trusts(&old));
        apply(Event::Apply(ConfigMap::default()), &believed);
        assert!(!trusts(&new));
    }
}
