//! What an APPEND brings, on its way in: a long message, or several (RFC 3502).
//!
//! The messages of one command lie one behind the other in one content of the spool, which bounds their octets; what is known of
//! each beside is bounded here.

use crate::command::flags;
use crate::message_limit::too_many;
use crate::service::ImapService;
use crate::tagged::Tagged;
use crate::user::User;
use imap_proto::command::{Append, AppendData, CatenatePart};
use imap_proto::{Code, DateTime, LiteralRequest, LiteralRole, MailboxName};
use session::Moment;
use std::collections::VecDeque;
use store::{Account, Error, Flags};
use store_objects::{Holder, IN_MEMORY_BYTES_MAX, Incoming, NotTaken};
use tracing::error;

/// The flags of all messages of a command, and what else is kept of each, have at most so many octets: some thousand messages.
const DETAILS_BYTES_MAX: usize = 1024 * 1024;
/// What is kept of each message beside its flags.
const DETAILS_BYTES: usize = size_of::<Complete>();

/// The messages, as far as they came.
pub(crate) struct Upload {
    /// All octets; or what the command is answered with, when what still comes is passed over.
    content: Result<Incoming, Tagged>,
    /// Those that are all there.
    complete: Vec<Complete>,
    details_bytes: usize,
    /// So many of them may come (RFC 9738).
    messages_max: Option<u32>,
    /// More parts of the last one are to come.
    goes_on: bool,
}

/// What is kept of a message whose octets are in the spool.
pub(crate) struct Complete {
    pub(crate) flags: Flags,
    pub(crate) date: Option<DateTime>,
    pub(crate) data: AppendData,
    /// As far as they are in the spool.
    pub(crate) bytes: usize,
    /// What it is put together of; none: it is what is in the spool.
    pub(crate) parts: VecDeque<Part>,
}

/// A part of a message (RFC 4469).
pub(crate) enum Part {
    /// So many octets in the spool.
    Text(usize),
    /// The address of one that is here.
    Url(String),
}

impl Part {
    fn of(part: &CatenatePart, text_bytes: usize) -> Self {
        match part {
            CatenatePart::Text => Self::Text(text_bytes),
            CatenatePart::Url(url) => Self::Url(url.clone()),
        }
    }

    fn details_bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Text(_) => 0,
                Self::Url(url) => url.len(),
            }
    }
}

impl Upload {
    /// One that was not announced.
    pub(crate) fn begin(service: &ImapService, account: &Account) -> Self {
        Self {
            content: Ok(service.spool.begin(Holder::Account(account.id()))),
            complete: Vec::new(),
            details_bytes: 0,
            messages_max: service.limits.messages.saved(),
            goes_on: false,
        }
    }

    /// Before a literal comes: counts a long message, or one of several; why it must not come. What cannot be said now is said at
    /// the end of the command.
    pub(crate) fn expect(
        before: Option<Self>,
        service: &ImapService,
        (user, now): (&User, Moment),
        request: &LiteralRequest,
    ) -> Result<Option<Self>, Tagged> {
        if let Some(refusal) = request.mailbox.as_ref().and_then(|name| no_such_target(user, name, now)) {
            return Err(refusal);
        }
        if request.role != LiteralRole::Message {
            return Ok(before);
        }
        let is_short = request.bytes <= IN_MEMORY_BYTES_MAX as u64;
        if before.is_none() && is_short {
            return Ok(None);
        }
        let mut upload = before.unwrap_or_else(|| Self::begin(service, &user.account));
        if !upload.goes_on {
            upload.count(upload.complete.len() + 1);
        }
        match &mut upload.content {
            Ok(incoming) => incoming.reserve(incoming.len().saturating_add(request.bytes)).map_err(not_taken)?,
            // It is over already, and the client need not send more.
            Err(answer) => return Err(answer.clone()),
        }
        Ok(Some(upload))
    }

    /// A part of a message.
    pub(crate) fn take(&mut self, octets: &[u8]) {
        if let Ok(incoming) = &mut self.content
            && let Err(why) = incoming.push(octets)
        {
            self.content = Err(not_taken(why));
        }
    }

    /// One of several messages has come, or a part of one; the octets of `append` are its last.
    pub(crate) fn complete(&mut self, append: &Append) {
        append.before.iter().for_each(|message| self.complete(message));
        self.take(&append.message);
        let Ok(incoming) = &self.content else { return };
        let before: u64 = self.complete.iter().map(|message| message.bytes as u64).sum();
        // What has come already may belong to a message behind one of addresses alone.
        let has_text = append.data != AppendData::Catenate || append.parts.contains(&CatenatePart::Text);
        let bytes = if has_text { usize::try_from(incoming.len() - before).unwrap_or(usize::MAX) } else { 0 };
        let parts: VecDeque<Part> = append.parts.iter().map(|part| Part::of(part, bytes)).collect();
        self.details_bytes += parts.iter().map(Part::details_bytes).sum::<usize>();
        let goes_on = std::mem::replace(&mut self.goes_on, append.goes_on);
        if let Some(message) = self.complete.last_mut().filter(|_| goes_on) {
            message.bytes += bytes;
            message.parts.extend(parts);
        } else {
            let flags = flags(&append.flags);
            self.details_bytes +=
                DETAILS_BYTES + flags.keywords.iter().map(|name| size_of::<String>() + name.len()).sum::<usize>();
            self.complete.push(Complete { flags, date: append.date, data: append.data, bytes, parts });
        }
        self.count(self.complete.len());
        if self.details_bytes > DETAILS_BYTES_MAX {
            self.content = Err(Tagged::refused(Code::Limit, "Too many messages in one command"));
        } else if bytes == 0 && append.data != AppendData::Catenate {
            self.content = Err(nothing_appended());
        }
    }

    /// RFC 9738 §3.1: where there are too many, none is appended.
    fn count(&mut self, messages: usize) {
        if let Some(max) = self.messages_max.filter(|max| messages > *max as usize) {
            self.content = Err(too_many(max, "Too many messages in one command, try fewer"));
        }
    }

    /// Whether it is about several messages.
    pub(crate) fn is_of_several(&self) -> bool {
        !self.complete.is_empty()
    }

    /// All that came.
    pub(crate) fn end(self) -> Result<(Incoming, Vec<Complete>), Tagged> {
        self.content.map(|incoming| (incoming, self.complete))
    }
}

/// RFC 9051 §6.3.12, RFC 3502 §6.3.11: a literal of no octets takes the APPEND back.
pub(crate) fn nothing_appended() -> Tagged {
    Tagged::no("Nothing was appended")
}
/// RFC 9051 §6.3.12: that the mailbox is not there is told before all else that is wrong, as the client can do something
/// about it; and before a large message goes over the wire.
pub(crate) fn no_such_target(user: &User, name: &MailboxName, now: Moment) -> Option<Tagged> {
    match user.locate(name.as_str(), now) {
        Err(Error::NoSuchMailbox) => Some(Tagged::no_such_target()),
        Ok(_) | Err(_) => None,
    }
}

pub(crate) fn not_taken(why: NotTaken) -> Tagged {
    match why {
        NotTaken::TooMuch => Tagged::refused(Code::Limit, "Too many large messages are on their way, try again later"),
        NotTaken::Full => Error::NoSpace("the disk of the server is full".to_owned()).into(),
        NotTaken::Failed(what) => {
            error!(what, "an uploaded message cannot be kept");
            Error::Fault(what).into()
        }
    }
}
