//! The demo in a real cluster. Each test begins with a calm demo ([`cluster_tests::Demo::calm`]) and repairs what it
//! broke, so that their order is of no account; they run one at a time, since there is one cluster.

mod access;
mod admission;
mod certificates;
mod changes;
mod keda;
mod manifests;
mod memory;
mod metrics;
mod namespace;
mod obstacles;
mod outages;
mod outside;
mod scaling;
