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
    let mut is_listed = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                // A list that has only begun may still fail, as it did before.
                is_broken &= matches!(event, Event::Init);
                apply(event, &mut is_listed, &believed);
            }
            Err(error) if !is_broken => {
                is_broken = true;
                warn!(%error, "the watch of {NAMESPACE}/{NAME} is broken");
            }
            Err(_) => {}
        }
    }
}

/// `is_listed` is kept from event to event: whether the list that is on its way holds the ConfigMap.
fn apply(event: Event<ConfigMap>, is_listed: &mut bool, believed: &watch::Sender<Option<Arc<FrontProxy>>>) {
    match event {
        Event::Init => *is_listed = false,
        Event::Apply(map) | Event::InitApply(map) => {
            *is_listed = true;
            match FrontProxy::read(&map.data.unwrap_or_default()) {
                Ok(front_proxy) => {
                    info!("the front proxy is known");
                    believed.send_replace(Some(Arc::new(front_proxy)));
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, "{NAMESPACE}/{NAME} is of no use: nobody is believed by a certificate");
                    believed.send_replace(None);
                }
            }
        }
        Event::InitDone if *is_listed => {}
        Event::InitDone => {
            warn!("{NAMESPACE}/{NAME} does not exist: nobody is believed by a certificate");
            believed.send_replace(None);
        }
        Event::Delete(_) => {
            warn!("{NAMESPACE}/{NAME} was deleted: nobody is believed by a certificate");
            believed.send_replace(None);
        }
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
        let mut is_listed = false;
        let mut apply = |event| apply(event, &mut is_listed, &believed);
        apply(Event::InitApply(map(&old)));
        assert!(trusts(&old) && !trusts(&new));
        apply(Event::Apply(map(&new)));
        assert!(trusts(&new) && !trusts(&old));
        apply(Event::Apply(ConfigMap::default()));
        assert!(!trusts(&new));
    }

    #[test]
    fn a_list_without_the_config_map_says_that_it_is_gone() {
        let (believed, seen) = watch::channel(None::<Arc<FrontProxy>>);
        let mut is_listed = false;
        let mut apply = |event| apply(event, &mut is_listed, &believed);
        let listed = [Event::Init, Event::InitApply(map(&Authority::new("ca"))), Event::InitDone];
        listed.into_iter().for_each(&mut apply);
        assert!(seen.borrow().is_some());
        [Event::Init, Event::InitDone].into_iter().for_each(&mut apply);
        assert!(seen.borrow().is_none());
    }
}
