//! What the tests of this crate have in common.

use std::sync::Arc;

use crate::topics::{Tasks, Topic, Topics};

/// Two topics that are joined, with words of their own for their records.
pub(crate) fn joined() -> Arc<Topics> {
    let topic = |(name, records): (&str, &str)| Topic { name: name.into(), records: Some(records.into()) };
    let list = [("GAME-FRAME-RQ", "requests"), ("GAME-FRAME-RS", "responses")].map(topic).to_vec();
    Arc::new(Topics { list, tasks: Tasks::Joined })
}
