//! The proof that the application computes what `docs/SEMANTICS.md` says, whatever happens to its pods and to Kafka.
//!
//! A seed decides everything: the load ([`load`]), what is done to pods and Kafka meanwhile ([`schedule`]), and so the
//! topics' contents. In the end a fold of the same two logs ([`reference`]), which shares no code with the
//! application's, says which final sessions there must be, and they are compared byte by byte ([`verdict`]). For tests
//! and benchmarks only.

mod broker;
mod clock;
mod cluster;
pub mod complaint;
mod faults;
pub mod load;
pub mod log;
mod names;
mod pods;
mod proxy;
pub mod reference;
pub mod report;
mod run;
pub mod schedule;
mod setup;
mod silence;
mod suite;
pub mod verdict;
mod writer;

pub use complaint::Complaint;
pub use report::{Report, Summary, Verdict};
pub use schedule::{Schedule, Theme};
pub use setup::{BehindProxy, Java, Setup, Surroundings};
pub use silence::Silence;
pub use suite::prove_all;
