//! Stored bytes that are damaged give an error, and what they give otherwise can be written again.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(broken) = message::check::summary(bytes) {
        panic!("{broken}");
    }
});
