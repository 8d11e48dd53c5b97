//! How a command ends: handlers return it, the session writes it, after the news that belong before it.

use imap_proto::{Code, Encoder, SequenceSet, Status, Tag};
use std::borrow::Cow;
use store::{Error, ModSeq};

/// The tagged answer of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tagged {
    pub(crate) status: Status,
    pub(crate) code: Option<ResultCode>,
    pub(crate) text: Cow<'static, str>,
}

/// A response code that owns what it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResultCode {
    /// One that borrows nothing.
    Plain(Code<'static>),
    /// RFC 4315 §3; in the order of the messages.
    AppendUid { uidvalidity: u32, uids: SequenceSet },
    /// RFC 4315 §3; position by position.
    CopyUid { uidvalidity: u32, source: SequenceSet, target: SequenceSet },
    /// RFC 4469 §4.1.
    BadUrl(String),
    /// RFC 7162 §3.1.3.
    Modified(SequenceSet),
    /// RFC 8474 §4.1.
    MailboxId(String),
    /// RFC 5466 §3.1
    UndefinedFilter(String),
    /// RFC 9051 §7.1: after login.
    Capability(Vec<String>),
}

impl Tagged {
    /// `OK text`
    pub(crate) fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Ok, code: None, text: text.into() }
    }

    /// `NO text`
    pub(crate) fn no(text: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::No, code: None, text: text.into() }
    }

    /// `NO [code] text`
    pub(crate) fn refused(code: Code<'static>, text: impl Into<Cow<'static, str>>) -> Self {
        Self::no(text).with(code)
    }

    /// `BAD text`
    pub(crate) fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Bad, code: None, text: text.into() }
    }

    /// RFC 9051 §6.3.12, §6.4.7: the mailbox that messages were meant for is not there, and may be made.
    pub(crate) fn no_such_target() -> Self {
        Self::refused(Code::TryCreate, "No such mailbox")
    }

    /// With a code that borrows nothing.
    pub(crate) fn with(self, code: Code<'static>) -> Self {
        self.with_code(ResultCode::Plain(code))
    }

    /// With a code.
    pub(crate) fn with_code(self, code: ResultCode) -> Self {
        Self { code: Some(code), ..self }
    }

    /// Says up to where the client knows all of the mailbox: as the code of this answer, or before it where that has
    /// another code.
    pub(crate) fn say_modseq(&mut self, modseq: ModSeq, encoder: &mut Encoder<'_>) {
        let code = Code::HighestModSeq(modseq.0);
        if self.status == Status::Ok && self.code.is_none() {
            self.code = Some(ResultCode::Plain(code));
        } else {
            encoder.untagged(Status::Ok, Some(code), "Highest");
        }
    }

    pub(crate) fn write(&self, tag: &Tag, encoder: &mut Encoder<'_>) {
        let names: Vec<&str> = match &self.code {
            Some(ResultCode::Capability(names)) => names.iter().map(String::as_str).collect(),
            Some(_) | None => Vec::new(),
        };
        let code = self.code.as_ref().map(|code| code.borrowed(&names));
        encoder.tagged(tag, self.status, code, &self.text);
    }
}

impl ResultCode {
    /// `names`: those of [`ResultCode::Capability`].
    pub(crate) fn borrowed<'a>(&'a self, names: &'a [&'a str]) -> Code<'a> {
        match self {
            Self::Plain(code) => *code,
            Self::AppendUid { uidvalidity, uids } => Code::AppendUid { uidvalidity: *uidvalidity, uids },
            Self::CopyUid { uidvalidity, source, target } => {
                Code::CopyUid { uidvalidity: *uidvalidity, source, target }
            }
            Self::BadUrl(url) => Code::BadUrl(url),
            Self::Modified(set) => Code::Modified(set),
            Self::MailboxId(id) => Code::MailboxId(id),
            Self::UndefinedFilter(name) => Code::UndefinedFilter(name),
            Self::Capability(_) => Code::Capability(names),
        }
    }
}

/// What a command answers when the store did not do it.
impl From<Error> for Tagged {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::NoSuchMailbox | Error::NoSuchAccount => Self::refused(Code::NonExistent, text),
            Error::AlreadyExists => Self::refused(Code::AlreadyExists, text),
            Error::InvalidName(_) | Error::InvalidContent(_) | Error::NotAllowed(_) => {
                Self::refused(Code::Cannot, text)
            }
            // RFC 4314 §3, RFC 5530 §3
            Error::NotPermitted | Error::NotPermittedBelow(_) => Self::refused(Code::NoPerm, text),
            Error::Limit(_) => Self::refused(Code::Limit, text),
            // RFC 9208 §4.3.
            Error::OverQuota { .. } => Self::refused(Code::OverQuota, text),
            // RFC 9051 §7.1: only the server's own disk is full, but clients know no better word for "no room".
            Error::NoSpace(_) => Self::refused(Code::OverQuota, text),
            Error::NoSuchMessage | Error::NoSuchDevice | Error::LoginEnded | Error::MaildropInUse => Self::no(text),
            // RFC 5530 §3: it may work later, as far as the client can tell.
            Error::ReadOnly => Self::refused(Code::Unavailable, text),
            // The store has logged it with context; a stranger learns nothing of it.
            // RFC 5530 §3: trying again does not help.
            Error::Damaged(_) => {
                Self::refused(Code::Corruption, "Some of this mailbox is damaged, and its administrator must repair it")
            }
            Error::Fault(_) => Self::refused(Code::Unavailable, "Internal error, try again later"),
        }
    }
}
