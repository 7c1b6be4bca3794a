//! The value of a frame, in both encodings and with every schema that was ever in use.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod codec;

fuzz_target!(|bytes: &[u8]| {
    let codec = codec::all_knowing();
    if let Ok(body) = codec.decode_body(bytes) {
        assert!(body.hits.len() <= workload::frame::MAX_HITS);
    }
});
