//! A hit, as bytes and as the hex that a frame carries. What decodes is what encodes.
#![no_main]

use workload::Hit;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(hit) = Hit::from_bytes(bytes) {
        assert_eq!(Hit::from_hex(&hit.to_hex()), Ok(hit));
    }
    if let Some(hit) = std::str::from_utf8(bytes).ok().and_then(|hex| Hit::from_hex(hex).ok()) {
        assert_eq!(hit.to_hex().as_bytes(), bytes.to_ascii_lowercase());
    }
});
