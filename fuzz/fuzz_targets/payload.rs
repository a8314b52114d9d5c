//! Payloads as a broker might hand them out.
#![no_main]

use delivery_broker::{Decoded, decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Decoded::Message { id, key } = decode(bytes, 7) {
        let mut again = Vec::new();
        encode(&mut again, 7, id, key, bytes.len());
        assert_eq!(decode(&again, 7), Decoded::Message { id, key });
    }
});
