//! What becomes of octets that SMTP forbids in a message (RFC 5321 §2.3.8). The one place that decides it, for all three
//! services; `docs/decisions/0002-bare-line-ends.md` says why. Where a message ends is not decided here but in
//! `smtp_proto::data`: at CRLF.CRLF and nowhere else.
//!
//! - A bare LF becomes CRLF: real senders mean a line end by it.
//! - A bare CR stays: it is no line end here, and stored mail comes back as it came. On its way out the client machine
//!   (`smtp_proto::Client`) makes it a space, because the next server may be less strict.
//! - A message with NUL is refused: IMAP cannot carry it (RFC 9051 §9, CHAR8), and cutting it out would change the mail.

use crate::replies;
use smtp_proto::{Body, Reply};

/// The message as it is to be kept, or why it is refused.
pub(crate) fn accept(body: Body) -> Result<Vec<u8>, Reply> {
    if body.irregularities.nul {
        return Err(replies::nul());
    }
    Ok(if body.irregularities.bare_lf { with_crlf(&body.bytes) } else { body.bytes })
}

fn with_crlf(content: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(content.len() + content.len() / 32);
    for line in content.split_inclusive(|octet| *octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) if !text.ends_with(b"\r") => {
                made.extend_from_slice(text);
                made.extend_from_slice(b"\r\n");
            }
            Some(_) | None => made.extend_from_slice(line),
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use smtp_proto::data::Irregularities;

    fn check(content: &str, expected: Option<&str>) {
        let irregularities = Irregularities::of(content.as_bytes());
        let accepted = accept(Body { bytes: content.into(), irregularities });
        assert_eq!(accepted.ok(), expected.map(|text| text.as_bytes().to_vec()), "{content:?}");
    }

    #[test]
    fn line_ends_are_crlf_and_nothing_else_changes() {
        check("", Some(""));
        check("a\r\nb\r\n", Some("a\r\nb\r\n"));
        check("a\nb\n", Some("a\r\nb\r\n"));
        check("\n\n", Some("\r\n\r\n"));
        check("a\r\n\nb", Some("a\r\n\r\nb"));
        check("a\rb\r", Some("a\rb\r"));
        check("a\r\r\n\n", Some("a\r\r\n\r\n"));
        check("\n.\n", Some("\r\n.\r\n"));
        check("ü\n\r", Some("ü\r\n\r"));
        check("a\0b\r\n", None);
    }
}
