//! Files of other servers: no panic, whatever they hold.
#![no_main]

use uidl_import::{Format, courier, dovecot, file_base, list};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let format = text.lines().next().and_then(|line| line.parse().ok()).unwrap_or_else(Format::dovecot);
    for kept in [dovecot(text, &format), courier(text)].into_iter().flatten().flatten() {
        assert!(kept.file == file_base(&kept.file));
    }
    for listed in list(text).into_iter().flatten() {
        assert!(!listed.uidl.is_empty() && !listed.message_id.is_empty());
    }
});
