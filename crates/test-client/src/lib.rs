//! What a browser is to the server, without a browser, for tests and `bench`: the live stream as it arrives, and a
//! visitor's calls of server functions.

mod live;
mod session;

pub use live::{Event, Live, View};
pub use session::Session;
