//! What a session has switched on with ENABLE, or with a command that implies it.

use imap_proto::Dialect;

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
}

impl Enabled {
    /// How names and strings travel.
    pub(crate) fn dialect(self) -> Dialect {
        if self.utf8 || self.rev2 { Dialect::Utf8 } else { Dialect::Rev1 }
    }
}
