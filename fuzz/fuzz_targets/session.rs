//! The value of a session, in both encodings and with every schema that was ever in use.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod codec;

fuzz_target!(|bytes: &[u8]| {
    let codec = codec::all_knowing();
    if let Ok(session) = codec.decode_session(bytes) {
        assert_eq!(codec.decode_session(&codec.encode_session(&session)).ok(), Some(session));
    }
});
