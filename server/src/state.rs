//! What all requests share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use phone_game::{Identity, PhoneGame};
use process::{Clock, Shutdown};

use crate::access::{Access, Client};
use crate::commands::Commander;
use crate::invitation::Invitations;
use crate::live::{Hub, MAX_STREAMS, Places};
use crate::metrics::Metrics;
use crate::pages::Rendered;
use crate::play::TapWriter;
use crate::refusals::Refusals;
use crate::site::Site;

/// The server, as its handlers see it. The fold task and the adapters hold the parts that they feed.
pub struct Server {
    /// The picture, and those who look on.
    pub hub: Arc<Hub>,
    /// The people who play.
    pub game: Arc<Mutex<PhoneGame>>,
    /// Carries out what the presenter wants.
    pub commander: Arc<Commander>,
    /// Writes taps to Kafka.
    pub taps: Arc<dyn TapWriter>,
    /// Who may do what.
    pub access: Access,
    /// What strangers were refused lately.
    pub refusals: Refusals,
    /// The page's files.
    pub site: Site,
    /// The pages of this tick.
    pub pages: Rendered,
    /// Where phones go.
    pub invitations: Invitations,
    /// What the server says of itself.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
    /// Ends the streams.
    pub shutdown: Shutdown,
    /// Those for streams.
    pub places: Arc<Places>,
}

impl Server {
    /// Places for as many streams as there may be among so many connections: a quarter of them is left for pages and
    /// clicks.
    #[must_use]
    pub fn all_places(connections: usize) -> Arc<Places> {
        Places::new(MAX_STREAMS.min(connections / 4 * 3))
    }

    /// The players, briefly: every tap and every phone waits meanwhile.
    pub fn game(&self) -> MutexGuard<'_, PhoneGame> {
        lock(&self.game)
    }

    /// The player that a request's cookie names, who is let in again if need be.
    #[must_use]
    pub fn player(&self, client: &Client, headers: &HeaderMap) -> Option<Identity> {
        let identity = self.access.player(headers)?;
        self.game().rejoin(self.clock.now_ms(), client.network(), identity).then_some(identity)
    }
}

/// Locks what is shared, the game say. Its changes are complete when they return, so a panic elsewhere leaves it whole.
pub(crate) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
