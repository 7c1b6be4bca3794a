//! Producers for as long as the process lives.
//!
//! A producer that never doubles a record (`enable.idempotence`) refuses everything once it has met a fatal error, for
//! example when the broker has lost what it knew of the producer. Another one does not know of it.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, Producer, ThreadedProducer};

use super::{Tracing, create};
use crate::Error;

/// A producer that may have come to its end.
pub(crate) trait Mortal {
    /// The fatal error that it has met.
    fn fatal(&self) -> Option<String>;
}

impl Mortal for FutureProducer<Tracing> {
    fn fatal(&self) -> Option<String> {
        self.client().fatal_error().map(|(_, reason)| reason)
    }
}

impl Mortal for ThreadedProducer<Tracing> {
    fn fatal(&self) -> Option<String> {
        self.client().fatal_error().map(|(_, reason)| reason)
    }
}

/// A producer, and how to make another one. Clones share it.
pub(crate) struct Lasting<P> {
    make: Arc<dyn Fn() -> Result<P, Error> + Send + Sync>,
    producer: Arc<Mutex<Arc<P>>>,
}

impl<P> Clone for Lasting<P> {
    fn clone(&self) -> Self {
        Self { make: Arc::clone(&self.make), producer: Arc::clone(&self.producer) }
    }
}

impl<P: Mortal + Send + Sync + 'static> Lasting<P> {
    /// Makes the first one.
    pub(crate) fn new(config: ClientConfig) -> Result<Self, Error>
    where
        P: rdkafka::config::FromClientConfigAndContext<Tracing>,
    {
        Self::made_by(move || create(&config))
    }

    fn made_by(make: impl Fn() -> Result<P, Error> + Send + Sync + 'static) -> Result<Self, Error> {
        let producer = Arc::new(Mutex::new(Arc::new(make()?)));
        Ok(Self { make: Arc::new(make), producer })
    }

    /// The producer to write with: another one, if the last has met a fatal error.
    pub(crate) fn get(&self) -> Result<Arc<P>, Error> {
        let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = producer.fatal() {
            tracing::warn!(reason, "a producer is replaced after a fatal error");
            let old = std::mem::replace(&mut *producer, Arc::new((self.make)()?));
            // The last who uses it may have to wait for its thread.
            std::thread::spawn(move || drop(old));
        }
        Ok(Arc::clone(&producer))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;

    struct Fake {
        number: u32,
        is_dead: AtomicBool,
    }

    impl Mortal for Fake {
        fn fatal(&self) -> Option<String> {
            self.is_dead.load(Ordering::Relaxed).then(|| "out of order".to_owned())
        }
    }

    #[test]
    fn a_producer_that_met_a_fatal_error_is_replaced_once_for_all_clones() {
        let made = AtomicU32::new(0);
        let lasting = Lasting::made_by(move || {
            let number = made.fetch_add(1, Ordering::Relaxed);
            Ok(Fake { number, is_dead: AtomicBool::new(false) })
        })
        .unwrap();
        let clone = lasting.clone();
        let first = lasting.get().unwrap();
        assert_eq!((first.number, clone.get().unwrap().number), (0, 0));
        first.is_dead.store(true, Ordering::Relaxed);
        assert_eq!((clone.get().unwrap().number, lasting.get().unwrap().number), (1, 1));
    }
}
