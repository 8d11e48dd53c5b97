//! How the header of a message is written, octet by octet: all runs of five octets of the fields that the sender's program
//! writes. They know programs, senders and forms of an address or a subject that no list of ours names.
//!
//! Not here: what was written on the way, as in [`crate::features`].

use crate::features::FIELDS;
use message::header;
use std::collections::HashSet;
use twox_hash::XxHash3_64;

/// So many octets of the fields are looked at.
const HEADER_BYTES_MAX: usize = 2000;
/// Of a field that grows with each answer so many.
const REFERENCES_BYTES_MAX: usize = 60;
const RUN_BYTES: usize = 5;
/// These runs are no other feature: `features::Kind` numbers those.
const SEED: u64 = 1000;

/// The runs of a header as hashes, each once; at most `HEADER_BYTES_MAX` of them.
pub(crate) fn runs(head: &[u8]) -> Vec<u64> {
    let mut known = HashSet::new();
    let written = written(head);
    let hashes = written.windows(RUN_BYTES).map(|run| XxHash3_64::oneshot_with_seed(SEED, run));
    hashes.filter(|hash| known.insert(*hash)).collect()
}

/// The fields that count, in their order, names in small letters. Digits of identifiers and dates are all the same one: they
/// say of which form they are, and are never seen again.
fn written(head: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(HEADER_BYTES_MAX);
    for field in header::known_fields(head) {
        if written.len() >= HEADER_BYTES_MAX {
            break;
        }
        let Some(name) = FIELDS.into_iter().find(|known| field.is(known)) else { continue };
        let value = if name == "references" {
            field.value.get(..REFERENCES_BYTES_MAX).unwrap_or(field.value)
        } else {
            field.value
        };
        let is_unique = matches!(name, "date" | "message-id" | "references" | "in-reply-to" | "content-type");
        written.extend_from_slice(name.as_bytes());
        written.push(b':');
        let value = value.iter().filter(|octet| **octet != b'\r');
        written.extend(value.map(|octet| if is_unique && octet.is_ascii_digit() { b'9' } else { *octet }));
        written.push(b'\n');
    }
    written.truncate(HEADER_BYTES_MAX);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_sender_count_in_their_order_and_no_others() {
        let check =
            |head: &str, expected: &str| assert_eq!(String::from_utf8(written(head.as_bytes())).unwrap(), expected);
        check(
            "Received: from unique\r\nMESSAGE-ID: <a12@b>\r\nX-Spam: yes\r\nSubject: 3 for 2\r\n and more\r\n\r\nDate: 5\r\n",
            "message-id: <a99@b>\nsubject: 3 for 2\n and more\n",
        );
        check("Date: Sat, 28 Nov 2026 10:00:00 +0100\r\n", "date: Sat, 99 Nov 9999 99:99:99 +9999\n");
        check(&format!("References: {}\r\n", "x".repeat(100)), &format!("references: {}\n", "x".repeat(59)));
        check("", "");
    }

    #[test]
    fn however_long_a_header_is_it_has_few_runs() {
        let head: String = (0..5000).map(|n| format!("Subject: {n}\r\n")).collect();
        assert!(runs(head.as_bytes()).len() <= HEADER_BYTES_MAX);
        assert_eq!(written(format!("Subject: {}\r\n", "x".repeat(1_000_000)).as_bytes()).len(), HEADER_BYTES_MAX);
        assert_eq!((runs(b"").len(), runs(b"To: abababab\r\n").len()), (0, 7));
    }
}
