//! Which conversation a message belongs to (RFC 8474 §5.2): that of the message which began it, as far as it says.
//!
//! The id is made of the header alone, so it is the same in every mailbox, on every server and whatever came first, and never
//! changes. A message that names only the one that it answers belongs to what that one began.

use message::header;
use message::refers::ids_in;
use store::EmailId;

/// So much of a header is looked at.
pub const CONVERSATION_BYTES_MAX: usize = 64 * 1024;
/// So many hexadecimal digits of the hash.
const DIGITS: usize = 32;

/// The THREADID of a message.
#[must_use]
pub fn conversation(header: &[u8], email: EmailId) -> String {
    let header = header.get(..CONVERSATION_BYTES_MAX).unwrap_or(header);
    // RFC 5322 §3.6.4: References begins with the first message; who leaves it out may have In-Reply-To.
    let began = ["references", "in-reply-to", "message-id"].into_iter().find_map(|name| first_id(header, name));
    match began {
        Some(id) => format!("T{}", blake3::hash(&id).to_hex().get(..DIGITS).unwrap_or_default()),
        None => format!("T{}", email.text()),
    }
}

/// RFC 5256 §3, REFERENCES (1): an id is the same with its local part in quotes.
fn first_id(header: &[u8], name: &str) -> Option<Vec<u8>> {
    let value = header::find(header, name)?.unfolded();
    let id = ids_in(&value).next()?;
    Some(id.iter().copied().filter(|octet| !matches!(octet, b'"' | b'\\')).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_known_by_the_message_that_began_it() {
        let of = |header: &str| conversation(header.as_bytes(), EmailId(7));
        let first = of("Message-ID: <a@x>\r\n\r\n");
        assert_eq!((first.len(), first.starts_with('T')), (1 + DIGITS, true));
        for answer in [
            "Message-ID: <b@x>\r\nIn-Reply-To: <a@x>\r\n\r\n",
            "References:\r\n <\"a\"@x>\r\n <b@x>\r\nIn-Reply-To: <b@x>\r\nMessage-ID: <c@x>\r\n\r\n",
            "References: none\r\nIn-Reply-To: Your message <a@x> of today\r\n\r\n",
        ] {
            assert_eq!(of(answer), first, "{answer}");
        }
        assert_ne!(of("Message-ID: <b@x>\r\n\r\n"), first);
        assert_eq!(of("Subject: a\r\n\r\n"), format!("T{}", EmailId(7).text()), "of its own");
        let late = format!("{}References: <z@x>\r\n\r\n", "X: y\r\n".repeat(CONVERSATION_BYTES_MAX));
        assert_eq!(of(&late), of(""));
    }
}
