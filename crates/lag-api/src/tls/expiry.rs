//! When the certificates end, for Prometheus.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    from: &'static str,
    shown: &'static str,
}

/// A gauge for each certificate that there is: the mounted one, and that of our own.
#[derive(Debug, Clone, Default)]
pub struct Expiry(Family<Labels, Gauge>);

impl Expiry {
    /// Publishes them.
    pub fn register(&self, registry: &mut Registry) {
        let help = "When a certificate ends, in seconds since 1970; which of them is shown";
        let name = "lag_api_certificate_expires_timestamp";
        registry.register_with_unit(name, help, Unit::Seconds, self.0.clone());
    }

    /// Says what there is now: where it is from, when it ends, whether it is shown.
    pub(super) fn set<const N: usize>(&self, certificates: [Option<(&'static str, SystemTime, bool)>; N]) {
        self.0.clear();
        for (from, end, shown) in certificates.into_iter().flatten() {
            let seconds = end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let labels = Labels { from, shown: if shown { "true" } else { "false" } };
            self.0.get_or_create(&labels).set(i64::try_from(seconds).unwrap_or(i64::MAX));
        }
    }
}
