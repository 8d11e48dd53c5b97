//! What a session has switched on with ENABLE, or with a command that implies it.

use imap_proto::{Dialect, Encoder, FetchWriter};
use store::Uid;

/// The extensions that are switched on; none can be switched off again (RFC 9051 §6.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Enabled {
    /// RFC 7162 §3.1: flag news carry MODSEQ.
    pub(crate) condstore: bool,
    /// RFC 7162 §3.2: VANISHED instead of EXPUNGE; implies `condstore`.
    pub(crate) qresync: bool,
    /// RFC 6855 `UTF8=ACCEPT`.
    pub(crate) utf8: bool,
    /// RFC 9051: ESEARCH instead of SEARCH, no RECENT, UTF-8 names.
    pub(crate) rev2: bool,
    /// RFC 9586: messages have no numbers.
    pub(crate) uid_only: bool,
}

impl Enabled {
    /// How names and strings travel.
    pub(crate) fn dialect(self) -> Dialect {
        if self.utf8 || self.rev2 { Dialect::Utf8 } else { Dialect::Rev1 }
    }

    /// Begins the response about a message.
    pub(crate) fn fetch<'w>(self, encoder: &'w mut Encoder<'_>, number: u32, uid: Uid) -> FetchWriter<'w> {
        // RFC 9586 §3.3
        if self.uid_only { encoder.uid_fetch(uid.0) } else { encoder.fetch(number) }
    }

    /// The same of news, which say which message it is.
    pub(crate) fn fetch_named<'w>(self, encoder: &'w mut Encoder<'_>, number: u32, uid: Uid) -> FetchWriter<'w> {
        let mut writer = self.fetch(encoder, number, uid);
        if !self.uid_only {
            // RFC 7162 §3.2.4 demands the UID once QRESYNC is on; it helps every client.
            writer.uid(uid.0);
        }
        writer
    }

    /// Whether what is gone is told by UID.
    pub(crate) fn tells_vanished(self) -> bool {
        // RFC 7162 §3.2.10, RFC 9586 §3.5
        self.qresync || self.uid_only
    }
}
