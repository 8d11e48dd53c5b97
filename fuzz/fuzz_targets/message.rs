//! Any bytes are a message: structure, sections, envelope, texts and decoding, with every invariant checked.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(broken) = message::check::message(bytes) {
        panic!("{broken}");
    }
});
