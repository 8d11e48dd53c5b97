//! The replies of a server that we deliver to: any bytes.
#![no_main]

use smtp_proto::ReplyReader;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut reader = ReplyReader::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        if reader.push_line(line).is_err() {
            return;
        }
    }
});
