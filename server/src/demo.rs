//! The demo's own configuration: which group it shows, and what scales its pods.

use model::DEPLOYMENT;
use model::policy::Policy;
use model::snapshot::Source;
use workload::Input;
use workload::topics::GROUP_ID;

/// What is known of the source before anything was asked.
pub(crate) fn source() -> Source {
    Source {
        group: GROUP_ID.to_owned(),
        deployment: DEPLOYMENT.to_owned(),
        kafka: String::new(),
        cluster: String::new(),
        transaction_hold_ms: None,
    }
}

/// The policy at the start, and after a reset.
pub(crate) fn policy() -> Policy {
    Policy::on_lag_of(Input::ALL.map(Input::topic))
}
