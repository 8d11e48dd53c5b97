//! METADATA (RFC 5464 §4.4).

use super::{Encoder, string};
use crate::atom::is_astring_char;
use crate::mailbox::MailboxName;
use memchr::memchr;

impl Encoder<'_> {
    /// `* METADATA "INBOX" (/private/comment "x" /shared/comment NIL)`; without a mailbox the server's.
    pub fn metadata<'v>(
        &mut self,
        mailbox: Option<&MailboxName>,
        values: impl IntoIterator<Item = (&'v str, Option<&'v [u8]>)>,
    ) {
        self.begin_metadata(mailbox);
        for (at, (entry, value)) in values.into_iter().enumerate() {
            self.raw(if at == 0 { " (" } else { " " });
            self.entry(entry);
            self.raw(" ");
            match value {
                // RFC 5464 §5: nstring / literal8.
                Some(value) if memchr(0, value).is_some() => {
                    string::literal8_header(self.out, value.len() as u64);
                    self.out.extend_from_slice(value);
                }
                value => string::nstring(self.out, self.dialect, value),
            }
        }
        self.raw(")\r\n");
    }

    /// `* METADATA "INBOX" /private/comment`: what changed (RFC 5464 §4.4.2).
    pub fn metadata_changed<'v>(&mut self, mailbox: Option<&MailboxName>, entries: impl IntoIterator<Item = &'v str>) {
        self.begin_metadata(mailbox);
        for entry in entries {
            self.raw(" ");
            self.entry(entry);
        }
        self.raw("\r\n");
    }

    fn begin_metadata(&mut self, mailbox: Option<&MailboxName>) {
        self.raw("* METADATA ");
        match mailbox {
            Some(name) => self.mailbox(name),
            None => self.raw("\"\""),
        }
    }

    fn entry(&mut self, entry: &str) {
        if entry.bytes().all(is_astring_char) { self.raw(entry) } else { self.string(entry.as_bytes()) }
    }
}
