//! Colours and lanes of the pods, the same for local pods and for Kubernetes.

use model::policy::MAX_REPLICAS;
use model::snapshot::Pod;

/// The lowest colour that no pod has; with more pods than colours, the one that the fewest have.
pub(crate) fn lowest_free(pods: &[Pod]) -> u8 {
    let slots = 0..u8::try_from(MAX_REPLICAS).unwrap_or(u8::MAX);
    let users = |slot: &u8| pods.iter().filter(|pod| pod.slot == *slot).count();
    slots.min_by_key(users).unwrap_or(0)
}
