//! The adapter against a real broker, whose address is in `KING_TEST_KAFKA`; `cargo xtask test` sets it.
//!
//! Every test makes topics and groups of its own names, so that they share a broker with each other and with a demo.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so best by panicking")]

mod control;
mod dead_letters;
mod fixture;
mod groups;
mod managed;
mod players;
mod sampler;
mod topics;
mod unusual;
