//! The key of a frame, in both encodings and with every schema that was ever in use.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod codec;

fuzz_target!(|bytes: &[u8]| {
    let codec = codec::all_knowing();
    if let Ok(header) = codec.decode_header(bytes) {
        assert_eq!(codec.decode_header(&codec.encode_header(&header)).ok(), Some(header));
    }
});
