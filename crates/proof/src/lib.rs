//! The proof that the application computes what `docs/SEMANTICS.md` says, whatever happens to its pods and its broker.
//!
//! A seed decides everything: the load ([`load`]), what is done to pods and broker meanwhile ([`schedule`]), and so the topics'
//! contents. In the end a fold of the same two logs ([`reference`]), which shares no code with the application's, says which final
//! sessions there must be, and they are compared byte by byte ([`verdict`]). For tests and benchmarks only.

mod broker;
pub mod load;
pub mod log;
mod names;
mod pods;
pub mod reference;
mod run;
pub mod schedule;
mod suite;
pub mod verdict;
mod writer;

pub use run::{Report, Setup};
pub use schedule::{Schedule, Theme};
pub use suite::prove_all;
