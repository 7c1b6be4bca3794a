//! The codec that reads what the fuzzer makes up.

use std::sync::LazyLock;

use workload::avro::{Codec, Ids, schema};

static CODEC: LazyLock<Codec> = LazyLock::new(|| {
    // Small ids are soon found.
    let codec = Codec::confluent(Ids { header: 0, body: 1, session: 2 });
    codec.learn(3, schema::original::GAME_SESSION).expect("it is a schema of ours");
    codec
});

/// Knows the ids 0 to 3.
pub fn all_knowing() -> &'static Codec {
    &CODEC
}
