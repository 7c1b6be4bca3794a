//! Clients that live long, and are replaced before they stand still.
//!
//! librdkafka gets over a broker that goes and comes back, but not over everything: a client that lost its group's
//! coordinator, or whose topic was made anew, may wait for ever while every other client gets its answer at once
//! (`rd_kafka_committed` has no end of its own). So whoever keeps a client says how it fares, and one that has not
//! brought a whole answer for a while is replaced.

use std::time::{Duration, Instant};

use crate::Error;

/// librdkafka never frees its topic handles: a client that asks several times a second is replaced now and then.
const LIFETIME: Duration = Duration::from_secs(600);
/// A client may be without a whole answer for so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// A client, and how to make another one.
pub struct Renewing<C> {
    make: Box<dyn Fn() -> Result<C, Error> + Send>,
    client: C,
    made: Instant,
    unanswered_since: Option<Instant>,
}

impl<C: Send + 'static> Renewing<C> {
    /// Makes the first one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(make: impl Fn() -> Result<C, Error> + Send + 'static) -> Result<Self, Error> {
        let client = make()?;
        Ok(Self { make: Box::new(make), client, made: Instant::now(), unanswered_since: None })
    }

    /// The client of now.
    pub const fn get(&self) -> &C {
        &self.client
    }

    /// Notes whether all that was asked for at that time was answered.
    pub fn note(&mut self, asked: Instant, answered: Answered) {
        self.unanswered_since = match answered {
            Answered::Whole => None,
            Answered::Partly => self.unanswered_since.or(Some(asked)),
        };
    }

    /// Replaces the client if it is time to; whether it did.
    ///
    /// # Errors
    /// When another one cannot be made: the old one stays.
    pub fn renew(&mut self) -> Result<bool, Error> {
        let is_stuck = self.unanswered_since.is_some_and(|since| since.elapsed() >= PATIENCE);
        if !is_stuck && self.made.elapsed() < LIFETIME {
            return Ok(false);
        }
        if is_stuck {
            tracing::debug!("a client that gets no answers is replaced");
        }
        self.replace().map(|()| true)
    }

    /// Replaces the client now.
    ///
    /// # Errors
    /// When another one cannot be made: the old one stays.
    pub fn replace(&mut self) -> Result<(), Error> {
        let old = std::mem::replace(&mut self.client, (self.make)()?);
        self.made = Instant::now();
        self.unanswered_since = None;
        // Closing a consumer takes a tenth of a second, and longer where it waits for something.
        std::thread::spawn(move || drop(old));
        Ok(())
    }
}

/// How much of what was asked for was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// All of it.
    Whole,
    /// Some of it, or nothing.
    Partly,
}

impl Answered {
    /// `Whole` if it is.
    pub const fn whole(is_whole: bool) -> Self {
        if is_whole { Self::Whole } else { Self::Partly }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Makes 1, 2, 3...
    fn renewing() -> Renewing<u32> {
        let made = Arc::new(AtomicU32::new(0));
        Renewing::new(move || Ok(made.fetch_add(1, Ordering::Relaxed) + 1)).unwrap()
    }

    fn earlier(by: Duration) -> Instant {
        Instant::now().checked_sub(by).unwrap()
    }

    #[test]
    fn a_client_without_a_whole_answer_for_long_is_replaced() {
        let mut client = renewing();
        client.note(Instant::now(), Answered::Partly);
        assert!(!client.renew().unwrap());
        client.note(Instant::now(), Answered::Whole);
        client.note(earlier(PATIENCE), Answered::Partly);
        client.note(Instant::now(), Answered::Partly);
        assert!(client.renew().unwrap(), "a later partial answer does not make it younger");
        assert_eq!(*client.get(), 2);
        assert!(!client.renew().unwrap(), "the new one has its own time");
    }

    #[test]
    fn a_whole_answer_makes_up_for_those_that_were_missing() {
        let mut client = renewing();
        client.note(earlier(PATIENCE), Answered::Partly);
        client.note(Instant::now(), Answered::Whole);
        assert!(!client.renew().unwrap());
        assert_eq!(*client.get(), 1);
    }

    #[test]
    fn an_old_client_is_replaced_however_well_it_answers() {
        let mut client = renewing();
        client.made = earlier(LIFETIME);
        assert!(client.renew().unwrap());
        assert_eq!(*client.get(), 2);
    }
}
