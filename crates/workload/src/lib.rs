//! The workload: frames of hits, what they look like in Kafka, where they come from and what the application makes
//! of them.
//!
//! Nothing here reads a clock, a file or a socket: event time comes in as milliseconds since the epoch, chance as a
//! random generator, so that a run can be replayed from a seed.

pub mod avro;
pub mod fold;
pub mod frame;
pub mod generator;
pub mod hit;
pub mod partition;
pub mod sessions;
pub mod topics;

pub use fold::Fold;
pub use frame::{Frame, FrameBody, FrameHeader, Machine, Zone};
pub use hit::{Direction, Game, Hit, ImpactType, Key, Level};
pub use partition::partition_for;
pub use sessions::GameSession;
pub use topics::Input;

/// Event time: milliseconds since the epoch, as Avro's `long` and Kafka's timestamps have it.
pub type EventTime = i64;
