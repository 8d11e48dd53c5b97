//! What POP3 shows of a message otherwise than it is. Most messages have no such record.

use crate::codec::{Corrupt, Reader};
use crate::record::{open, versioned};

/// What POP3 shows of a message otherwise than it is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Shown {
    /// The UIDL that another server gave it (RFC 1939 §7).
    pub(crate) uidl: Option<String>,
    /// The octets of its surrogate ([`message::surrogate`]), where its header is not ASCII.
    pub(crate) surrogate_size: Option<u32>,
}

impl Shown {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = versioned();
        w.option(self.uidl.as_deref(), |w, uidl| {
            w.text(uidl);
        });
        w.option(self.surrogate_size, |w, size| {
            w.number(size.into());
        });
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut r = open(bytes)?;
        let shown = Self { uidl: r.option(Reader::text)?, surrogate_size: r.option(Reader::small)? };
        r.end().map(|()| shown)
    }
}

/// The octets of a message's surrogate, where it has one.
pub(crate) fn surrogate_size(body: &[u8]) -> Option<u32> {
    let header = message::surrogate::header(body)?;
    let size = body.len() - message::header::end(body) + header.len();
    // A message of almost 4 GiB: its size is told as it is.
    u32::try_from(size).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_is_written() {
        for shown in [
            Shown::default(),
            Shown { uidl: Some("1234.5".to_owned()), surrogate_size: None },
            Shown { uidl: None, surrogate_size: Some(u32::MAX) },
        ] {
            assert_eq!(Shown::decode(&shown.encode()), Ok(shown));
        }
        assert_eq!(Shown::decode(&[1, 0]), Err(Corrupt));
    }

    #[test]
    fn a_surrogate_has_the_size_of_what_is_sent() {
        assert_eq!(surrogate_size(b"Subject: x\r\n\r\n\xff"), None);
        let body = "Subject: ü\r\n\r\nü\r\n";
        assert_eq!(surrogate_size(body.as_bytes()), Some("Subject: =?utf-8?B?w7w=?=\r\n\r\n..\r\n".len() as u32));
    }
}
