//! Response codes (RFC 9051 §7.1 and the extensions' own).

use super::{Encoder, string};
use crate::sequence::SequenceSet;
use crate::tag::Tag;

/// What a program reads in a status response. Sets are not empty; numbers are as the session knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code<'a> {
    /// `ALERT`: the text must be shown to the user.
    Alert,
    /// `ALREADYEXISTS`
    AlreadyExists,
    /// `APPENDUID` (RFC 4315 §3)
    AppendUid {
        /// Of the mailbox.
        uidvalidity: u32,
        /// Of the messages, in their order.
        uids: &'a SequenceSet,
    },
    /// `AUTHENTICATIONFAILED`
    AuthenticationFailed,
    /// `AUTHORIZATIONFAILED`
    AuthorizationFailed,
    /// `BADEVENT (…)`: the events that there are (RFC 5465 §8)
    BadEvent(&'a [&'a str]),
    /// `BADCHARSET (US-ASCII UTF-8)`
    BadCharset,
    /// `BADCOMPARATOR` (RFC 5255 §4.9)
    BadComparator,
    /// `BADURL url`: of what cannot be catenated (RFC 4469 §4.1)
    BadUrl(&'a str),
    /// `CANNOT`: can never succeed.
    Cannot,
    /// `CAPABILITY …`
    Capability(&'a [&'a str]),
    /// `CLIENTBUG`
    ClientBug,
    /// `CLOSED`: the mailbox open before is closed (RFC 7162 §3.2.11).
    Closed,
    /// `COMPRESSIONACTIVE` (RFC 4978 §3)
    CompressionActive,
    /// `CONTACTADMIN`
    ContactAdmin,
    /// `COPYUID` (RFC 4315 §3)
    CopyUid {
        /// Of the target mailbox.
        uidvalidity: u32,
        /// UIDs there were, in order.
        source: &'a SequenceSet,
        /// UIDs there are, position by position.
        target: &'a SequenceSet,
    },
    /// `CORRUPTION`
    Corruption,
    /// `EXPIRED`: the password or account.
    Expired,
    /// `EXPUNGEISSUED`
    ExpungeIssued,
    /// `HASCHILDREN`
    HasChildren,
    /// `HIGHESTMODSEQ n` (RFC 7162 §3.1.2.1)
    HighestModSeq(u64),
    /// `INPROGRESS ("tag" NIL NIL)`: the command with this tag goes on, and nobody knows how far it is (RFC 9585 §4).
    InProgress(&'a Tag),
    /// `INUSE`
    InUse,
    /// `LIMIT`
    Limit,
    /// `MAILBOXID (id)` (RFC 8474 §4.1)
    MailboxId(&'a str),
    /// `MESSAGELIMIT n uid`: no command is about more messages; the lowest UID that it was about, where there is one (RFC 9738 §3.1).
    MessageLimit {
        /// So many.
        max: u32,
        /// Down to which one it came.
        lowest: Option<u32>,
    },
    /// `METADATA LONGENTRIES n`: the largest value that was left out has so many octets (RFC 5464 §4.2.1).
    MetadataLongEntries(u32),
    /// `METADATA MAXSIZE n`: so many octets a value may have (RFC 5464 §4.3).
    MetadataMaxSize(u32),
    /// `METADATA TOOMANY` (RFC 5464 §4.3)
    MetadataTooMany,
    /// `MODIFIED set` (RFC 7162 §3.1.3)
    Modified(&'a SequenceSet),
    /// `NOMODSEQ` (RFC 7162 §3.1.2.2)
    NoModSeq,
    /// `NOUPDATE "tag"`: the results of the search with this tag are not kept up to date (RFC 5267 §4.3.1).
    NoUpdate(&'a Tag),
    /// `NONEXISTENT`
    NonExistent,
    /// `NOPERM`
    NoPerm,
    /// `NOTSAVED`: `$` has no result.
    NotSaved,
    /// `OVERQUOTA`
    OverQuota,
    /// `PARSE`: a stored message cannot be parsed.
    Parse,
    /// `PERMANENTFLAGS (…)`
    PermanentFlags {
        /// The flags, as on the wire.
        flags: &'a [&'a str],
        /// `\*`: new keywords may be made.
        keywords: NewKeywords,
    },
    /// `PRIVACYREQUIRED`: TLS first.
    PrivacyRequired,
    /// `READ-ONLY`
    ReadOnly,
    /// `READ-WRITE`
    ReadWrite,
    /// `SERVERBUG`
    ServerBug,
    /// `TOOBIG` (RFC 4469 §4.2, RFC 7889 §4)
    TooBig,
    /// `TRYCREATE`
    TryCreate,
    /// `UNDEFINED-FILTER name` (RFC 5466 §3.1)
    UndefinedFilter(&'a str),
    /// `UIDNEXT n`
    UidNext(u32),
    /// `UIDREQUIRED`: message numbers are not known any more (RFC 9586 §3.2)
    UidRequired,
    /// `UIDNOTSTICKY`
    UidNotSticky,
    /// `UIDVALIDITY n`
    UidValidity(u32),
    /// `UNAVAILABLE`: for now.
    Unavailable,
    /// `UNKNOWN-CTE`: BINARY cannot decode the part.
    UnknownCte,
    /// `UNSEEN n`: the first message without `\Seen` (RFC 3501 §7.1, not in RFC 9051).
    Unseen(u32),
    /// `URLMECH INTERNAL` (RFC 4467 §7)
    UrlMech,
    /// `USEATTR`: the special use cannot be (RFC 6154 §3).
    UseAttr,
}

/// Whether clients can make keywords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewKeywords {
    /// Yes: `\*` among the permanent flags.
    Allowed,
    /// No.
    Refused,
}

impl Code<'_> {
    fn keyword(&self) -> &'static str {
        match self {
            Self::Alert => "ALERT",
            Self::AlreadyExists => "ALREADYEXISTS",
            Self::AppendUid { .. } => "APPENDUID",
            Self::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Self::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Self::BadCharset => "BADCHARSET",
            Self::BadComparator => "BADCOMPARATOR",
            Self::BadEvent(_) => "BADEVENT",
            Self::BadUrl(_) => "BADURL",
            Self::Cannot => "CANNOT",
            Self::Capability(_) => "CAPABILITY",
            Self::ClientBug => "CLIENTBUG",
            Self::Closed => "CLOSED",
            Self::CompressionActive => "COMPRESSIONACTIVE",
            Self::ContactAdmin => "CONTACTADMIN",
            Self::CopyUid { .. } => "COPYUID",
            Self::Corruption => "CORRUPTION",
            Self::Expired => "EXPIRED",
            Self::ExpungeIssued => "EXPUNGEISSUED",
            Self::HasChildren => "HASCHILDREN",
            Self::HighestModSeq(_) => "HIGHESTMODSEQ",
            Self::InProgress(_) => "INPROGRESS",
            Self::InUse => "INUSE",
            Self::Limit => "LIMIT",
            Self::MailboxId(_) => "MAILBOXID",
            Self::MessageLimit { .. } => "MESSAGELIMIT",
            Self::MetadataLongEntries(_) => "METADATA LONGENTRIES",
            Self::MetadataMaxSize(_) => "METADATA MAXSIZE",
            Self::MetadataTooMany => "METADATA TOOMANY",
            Self::UndefinedFilter(_) => "UNDEFINED-FILTER",
            Self::Modified(_) => "MODIFIED",
            Self::NoModSeq => "NOMODSEQ",
            Self::NoUpdate(_) => "NOUPDATE",
            Self::NonExistent => "NONEXISTENT",
            Self::NoPerm => "NOPERM",
            Self::NotSaved => "NOTSAVED",
            Self::OverQuota => "OVERQUOTA",
            Self::Parse => "PARSE",
            Self::PermanentFlags { .. } => "PERMANENTFLAGS",
            Self::PrivacyRequired => "PRIVACYREQUIRED",
            Self::ReadOnly => "READ-ONLY",
            Self::ReadWrite => "READ-WRITE",
            Self::ServerBug => "SERVERBUG",
            Self::TooBig => "TOOBIG",
            Self::TryCreate => "TRYCREATE",
            Self::UidNext(_) => "UIDNEXT",
            Self::UidRequired => "UIDREQUIRED",
            Self::UidNotSticky => "UIDNOTSTICKY",
            Self::UidValidity(_) => "UIDVALIDITY",
            Self::Unavailable => "UNAVAILABLE",
            Self::UnknownCte => "UNKNOWN-CTE",
            Self::Unseen(_) => "UNSEEN",
            Self::UrlMech => "URLMECH INTERNAL",
            Self::UseAttr => "USEATTR",
        }
    }
}

impl Encoder<'_> {
    /// RFC 4469 §5: without a character that could end the code, or the line.
    fn url(&mut self, url: &str) {
        let shown = |c: char| if matches!(c, ' '..='~') && c != ']' { c } else { '?' };
        self.format(format_args!(" {}", url.chars().map(shown).collect::<String>()));
    }

    pub(super) fn code(&mut self, code: Code<'_>) {
        self.raw(code.keyword());
        match code {
            Code::AppendUid { uidvalidity, uids } => self.format(format_args!(" {uidvalidity} {uids}")),
            Code::BadCharset => self.raw(" (US-ASCII UTF-8)"),
            Code::BadEvent(events) => {
                self.raw(" ");
                string::parenthesised(self.out, events);
            }
            Code::BadUrl(url) => self.url(url),
            Code::Capability(names) => names.iter().for_each(|name| self.format(format_args!(" {name}"))),
            Code::CopyUid { uidvalidity, source, target } => {
                self.format(format_args!(" {uidvalidity} {source} {target}"));
            }
            Code::HighestModSeq(modseq) => self.format(format_args!(" {modseq}")),
            Code::MailboxId(id) => self.format(format_args!(" ({id})")),
            Code::Modified(set) => self.format(format_args!(" {set}")),
            Code::PermanentFlags { flags, keywords } => {
                let any = (keywords == NewKeywords::Allowed).then_some("\\*");
                self.raw(" ");
                string::parenthesised(self.out, flags.iter().copied().chain(any));
            }
            // A tag has no character that would need escaping.
            Code::NoUpdate(tag) => self.format(format_args!(" \"{tag}\"")),
            Code::InProgress(tag) => self.format(format_args!(" (\"{tag}\" NIL NIL)")),
            Code::UndefinedFilter(name) => self.format(format_args!(" {name}")),
            Code::MessageLimit { max, lowest: Some(uid) } => self.format(format_args!(" {max} {uid}")),
            Code::MessageLimit { max: number, lowest: None }
            | Code::MetadataLongEntries(number)
            | Code::MetadataMaxSize(number)
            | Code::UidNext(number)
            | Code::UidValidity(number)
            | Code::Unseen(number) => self.format(format_args!(" {number}")),
            Code::Alert
            | Code::AlreadyExists
            | Code::AuthenticationFailed
            | Code::AuthorizationFailed
            | Code::BadComparator
            | Code::Cannot
            | Code::ClientBug
            | Code::Closed
            | Code::CompressionActive
            | Code::ContactAdmin
            | Code::Corruption
            | Code::Expired
            | Code::ExpungeIssued
            | Code::HasChildren
            | Code::InUse
            | Code::Limit
            | Code::MetadataTooMany
            | Code::NoModSeq
            | Code::NonExistent
            | Code::NoPerm
            | Code::NotSaved
            | Code::OverQuota
            | Code::Parse
            | Code::PrivacyRequired
            | Code::ReadOnly
            | Code::ReadWrite
            | Code::ServerBug
            | Code::TooBig
            | Code::TryCreate
            | Code::UidRequired
            | Code::UidNotSticky
            | Code::Unavailable
            | Code::UnknownCte
            | Code::UrlMech
            | Code::UseAttr => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Dialect;
    use crate::response::Status;

    fn check(code: Code<'_>, expected: &str) {
        let mut out = Vec::new();
        Encoder::new(&mut out, Dialect::Rev1).untagged(Status::Ok, Some(code), "x");
        assert_eq!(String::from_utf8(out).unwrap(), format!("* OK [{expected}] x\r\n"));
    }

    #[test]
    fn codes_with_data() {
        let (source, target) =
            (SequenceSet::from_sorted([304, 319, 320]), SequenceSet::from_sorted([3956, 3957, 3958]));
        check(
            Code::CopyUid { uidvalidity: 38_505, source: &source, target: &target },
            "COPYUID 38505 304,319:320 3956:3958",
        );
        check(Code::AppendUid { uidvalidity: 1, uids: &SequenceSet::single(2) }, "APPENDUID 1 2");
        let uids = SequenceSet::from_ranges([5..=7, 2..=2]);
        check(Code::AppendUid { uidvalidity: 1, uids: &uids }, "APPENDUID 1 5:7,2");
        check(Code::Modified(&source), "MODIFIED 304,319:320");
        check(Code::Capability(&["IMAP4rev2", "IDLE"]), "CAPABILITY IMAP4rev2 IDLE");
        let flags = &["\\Seen", "$Label1"];
        check(Code::PermanentFlags { flags, keywords: NewKeywords::Allowed }, "PERMANENTFLAGS (\\Seen $Label1 \\*)");
        check(Code::PermanentFlags { flags: &[], keywords: NewKeywords::Refused }, "PERMANENTFLAGS ()");
        check(Code::HighestModSeq(7), "HIGHESTMODSEQ 7");
        check(Code::MailboxId("F2212"), "MAILBOXID (F2212)");
        check(Code::UidNext(4), "UIDNEXT 4");
        check(Code::BadUrl("/a]\r\n* BYE \u{fc}/;UID=1"), "BADURL /a???* BYE ?/;UID=1");
        check(Code::BadCharset, "BADCHARSET (US-ASCII UTF-8)");
        check(Code::ReadOnly, "READ-ONLY");
        check(Code::InProgress(&Tag::new("A.1").unwrap()), "INPROGRESS (\"A.1\" NIL NIL)");
        check(Code::MessageLimit { max: 1000, lowest: Some(23_221) }, "MESSAGELIMIT 1000 23221");
        check(Code::MessageLimit { max: 1000, lowest: None }, "MESSAGELIMIT 1000");
        check(Code::MetadataLongEntries(2199), "METADATA LONGENTRIES 2199");
        check(Code::MetadataMaxSize(7), "METADATA MAXSIZE 7");
        check(Code::MetadataTooMany, "METADATA TOOMANY");
        check(Code::UndefinedFilter("on-the-road"), "UNDEFINED-FILTER on-the-road");
        check(Code::NoUpdate(&Tag::new("B02").unwrap()), "NOUPDATE \"B02\"");
        check(Code::UnknownCte, "UNKNOWN-CTE");
    }
}
