//! The pages of King of Scaling: `/`, the show, and `/play`, for phones.
//!
//! Rendered on the server from a [`Boot`] (feature `ssr`), then brought to life in the browser from the same one
//! (feature `hydrate`). It knows nothing of Kafka or Kubernetes: it draws a [`model::wire::Picture`].

// The show is one view of many nested types.
#![recursion_limit = "256"]

pub mod actions;
#[cfg(feature = "ssr")]
pub mod backend;
mod boot;
mod browser;
mod chart;
#[cfg(feature = "ssr")]
mod document;
mod erased;
#[cfg(feature = "hydrate")]
mod hydrate;
mod link;
#[cfg(feature = "hydrate")]
mod live;
mod play;
mod show;
mod store;
mod words;

pub use boot::{BOOT_ID, Boot, Page, PlayerView, SiteFiles};
#[cfg(feature = "ssr")]
pub use document::{START_SCRIPT, render};
#[cfg(feature = "hydrate")]
pub use hydrate::hydrate;
pub use link::Link;
pub use play::Hand;
pub use store::{Part, Store};
