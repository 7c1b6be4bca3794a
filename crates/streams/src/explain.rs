//! Finds out about schemas that records name by ids which nobody here knows yet; the tasks concerned wait meanwhile,
//! the others go on.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;

use schema_registry::{Schemas, patiently};
use tokio::runtime::Handle;
use workload::avro::Codec;

/// Asks the schema registry, once an id.
pub(crate) struct Explainer {
    schemas: Schemas,
    runtime: Handle,
    asked: HashSet<u32>,
    /// Why there will be no answer.
    refused: Arc<Mutex<Option<String>>>,
    worker: Thread,
}

impl Explainer {
    /// Wakes `worker` with each answer.
    pub(crate) fn new(schemas: Schemas, runtime: Handle, worker: Thread) -> Self {
        Self { schemas, runtime, asked: HashSet::new(), refused: Arc::default(), worker }
    }

    pub(crate) fn codec(&self) -> &Codec {
        self.schemas.codec()
    }

    /// Asks about an id, unless that was done before. The codec knows the answer; a registry that is away is asked
    /// until it is back.
    pub(crate) fn ask(&mut self, id: u32) {
        if !self.asked.insert(id) {
            return;
        }
        let (schemas, worker, refused) =
            (self.schemas.clone(), self.worker.clone(), Arc::clone(&self.refused));
        self.runtime.spawn(async move {
            if let Err(error) = patiently(|| schemas.explain(id)).await {
                *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            }
            worker.unpark();
        });
    }

    /// Why a task would wait for ever, if one would.
    pub(crate) fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
