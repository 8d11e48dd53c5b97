//! What POP3 shows of a message otherwise than it is. Most messages have no such record.

use crate::codec::{Corrupt, Reader};
use crate::record::{grown, open_grown};
use message::{header, line_ends, surrogate};

/// What POP3 shows of a message otherwise than it is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Shown {
    /// The UIDL that another server gave it (RFC 1939 §7).
    pub(crate) uidl: Option<String>,
    pub(crate) sizes: SentSizes,
}

/// How many octets POP3 sends of a message, where that is not what the message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct SentSizes {
    /// Of its surrogate ([`message::surrogate`]), where its header is not ASCII.
    pub(crate) surrogate: Option<u32>,
    /// Of it as it is, where not all of its lines end with CRLF.
    pub(crate) lines: Option<u32>,
}

impl Shown {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = grown();
        w.option(self.uidl.as_deref(), |w, uidl| {
            w.text(uidl);
        });
        for size in [self.sizes.surrogate, self.sizes.lines] {
            w.option(size, |w, size| {
                w.number(size.into());
            });
        }
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let (mut r, has_grown) = open_grown(bytes)?;
        let uidl = r.option(Reader::text)?;
        let surrogate = r.option(Reader::small)?;
        let lines = if has_grown { r.option(Reader::small)? } else { None };
        r.end().map(|()| Self { uidl, sizes: SentSizes { surrogate, lines } })
    }
}

impl SentSizes {
    pub(crate) fn of(body: &[u8]) -> Self {
        // A message of almost 4 GiB: its size is told as it is.
        let size = |octets: u64| u32::try_from(octets).ok();
        let lines = line_ends::crlf_size(body);
        // Where there is text below it, a header ends with a line end.
        let text = |_: &Vec<u8>| line_ends::crlf_size(body.get(header::end(body)..).unwrap_or_default());
        let surrogate = surrogate::header(body).map(|header| text(&header) + line_ends::crlf_size(&header));
        Self { surrogate: surrogate.and_then(size), lines: size(lines).filter(|_| lines != body.len() as u64) }
    }

    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_is_written() {
        for shown in [
            Shown::default(),
            Shown { uidl: Some("1234.5".to_owned()), ..Shown::default() },
            Shown { uidl: None, sizes: SentSizes { surrogate: Some(u32::MAX), lines: None } },
            Shown { uidl: None, sizes: SentSizes { surrogate: None, lines: Some(7) } },
        ] {
            assert_eq!(Shown::decode(&shown.encode()), Ok(shown));
        }
        assert_eq!(Shown::decode(&[1, 0]), Err(Corrupt));
        let of_version_1 = Shown { uidl: None, sizes: SentSizes { surrogate: Some(5), lines: None } };
        assert_eq!(Shown::decode(&[1, 0, 1, 5]), Ok(of_version_1));
    }

    #[test]
    fn sizes_are_those_of_what_is_sent() {
        let check = |body: &str, surrogate: Option<&str>, lines: Option<&str>| {
            let size = |sent: Option<&str>| sent.map(|sent| sent.len() as u32);
            let expected = SentSizes { surrogate: size(surrogate), lines: size(lines) };
            assert_eq!(SentSizes::of(body.as_bytes()), expected, "{body:?}");
        };
        check("Subject: x\r\n\r\nü\r\n", None, None);
        check("", None, None);
        check("Subject: ü\r\n\r\nü\r\n", Some("Subject: =?utf-8?B?w7w=?=\r\n\r\nü\r\n"), None);
        check("Subject: x\n\n.\n", None, Some("Subject: x\r\n\r\n.\r\n"));
        let both = (Some("Subject: =?utf-8?B?w7w=?=\r\n\r\na\r\n"), Some("Subject: ü\r\n\r\na\r\n"));
        check("Subject: ü\n\na", both.0, both.1);
        check("Subject: ü", Some("Subject: =?utf-8?B?w7w=?=\r\n"), Some("Subject: ü\r\n"));
    }
}
