//! APPEND (RFC 9051 §6.3.12). What was sent is stored byte for byte, line ends as they came; the store refuses a NUL.

use super::{Answer, Context, no_such_target};
use crate::command::store::flags;
use crate::connection::{Session, Turn};
use crate::state::{Finish, Running, State};
use crate::tagged::Tagged;
use imap_proto::command::{Append, AppendData};
use imap_proto::{Code, LiteralRequest, LiteralRole, MailboxName, Octets, Tag};
use store::{Account, Error, NewMessage, Target, Timestamp};
use store_objects::{Holder, IN_MEMORY_BYTES_MAX, Incoming, NotTaken};
use tracing::error;

/// A long message that is coming in.
pub(crate) enum Upload {
    Coming(Incoming),
    /// What still comes is passed over, and the command answered so.
    NotTaken(Tagged),
}

/// An APPEND of a message that is in the spool.
pub(crate) struct Appending {
    tag: Tag,
    append: Append,
    incoming: Incoming,
}

/// RFC 9051 §6.3.12: who appends to a mailbox that is not there hears so before a large message goes over the wire. What
/// cannot be said now is said at the end of the command.
pub(crate) fn refuse_early(account: &Account, request: &LiteralRequest) -> Option<Tagged> {
    no_such(account, request.mailbox.as_ref()?)
}

/// RFC 9051 §6.3.12: that the mailbox is not there is told before all else that is wrong, as the client can do something about
/// it.
fn no_such(account: &Account, name: &MailboxName) -> Option<Tagged> {
    let mailboxes = account.mailboxes().ok()?;
    mailboxes.by_name(name.as_str()).is_none().then(no_such_target)
}

impl Session {
    /// Counts a long message before it comes; why it must not come.
    pub(crate) fn expect_upload(&mut self, request: &LiteralRequest) -> Option<Tagged> {
        let State::Authenticated(user) = &self.state else { return None };
        if request.role != LiteralRole::Message || request.bytes <= IN_MEMORY_BYTES_MAX as u64 {
            return None;
        }
        let mut incoming = self.service.spool.begin(Holder::Account(user.account.id()));
        match incoming.reserve(request.bytes) {
            Ok(()) => {
                self.upload = Some(Box::new(Upload::Coming(incoming)));
                None
            }
            Err(why) => Some(not_taken(why)),
        }
    }

    /// A part of a long message, announced or not.
    pub(crate) fn take_octets(&mut self, octets: &Octets) {
        let State::Authenticated(user) = &self.state else { return };
        let holder = Holder::Account(user.account.id());
        let begin = || Box::new(Upload::Coming(self.service.spool.begin(holder)));
        let upload = self.upload.get_or_insert_with(begin);
        if let Upload::Coming(incoming) = upload.as_mut()
            && let Err(why) = incoming.push(&octets.0)
        {
            **upload = Upload::NotTaken(not_taken(why));
        }
    }

    /// The end of a long message came.
    pub(super) fn begin_append(&mut self, tag: Tag, append: Append, upload: Upload) -> Turn {
        match upload {
            // What it needs takes its time: the driver gives the next turn a place where it is in nobody's way.
            Upload::Coming(incoming) => self.pause(Running::Append(Box::new(Appending { tag, append, incoming }))),
            Upload::NotTaken(answer) => {
                let State::Authenticated(user) = &self.state else { return Turn::Close };
                self.end(Finish::new(tag, no_such(&user.account, &append.mailbox).unwrap_or(answer)))
            }
        }
    }

    pub(crate) fn append_turn(&mut self, appending: Appending, output: &mut Vec<u8>) -> Turn {
        let Appending { tag, append, mut incoming } = appending;
        let State::Authenticated(user) = &mut self.state else { return Turn::Close };
        let bytes = incoming.len() + append.message.len() as u64;
        let _room = self.service.spool.whole(Holder::Account(user.account.id()), bytes);
        let whole = incoming.push(&append.message).and_then(|()| incoming.into_whole());
        let mut context = Context { service: &self.service, now: self.now, user, output };
        let answer = match whole {
            Ok(message) => run(&mut context, Append { message, ..append }).unwrap_or_else(|refusal| refusal),
            Err(why) => not_taken(why),
        };
        self.end(Finish::new(tag, answer))
    }
}

fn not_taken(why: NotTaken) -> Tagged {
    match why {
        NotTaken::TooMuch => Tagged::refused(Code::Limit, "Too many large messages are on their way, try again later"),
        NotTaken::Full => Error::NoSpace("the disk of the server is full".to_owned()).into(),
        NotTaken::Failed(what) => {
            error!(what, "an uploaded message cannot be kept");
            Error::Fault(what).into()
        }
    }
}

pub(super) fn run(context: &mut Context<'_>, append: Append) -> Answer {
    if append.data == AppendData::Utf8 && !context.user.enabled.utf8 {
        // RFC 6855 §4
        return Err(Tagged::bad("ENABLE UTF8=ACCEPT first"));
    }
    let mailbox = context.target(&append.mailbox)?;
    if append.message.is_empty() {
        // RFC 9051 §6.3.12, RFC 3502 §6.3.11: a literal of no octets takes the APPEND back.
        return Err(Tagged::no("Nothing was appended"));
    }
    let message = NewMessage {
        body: append.message,
        flags: flags(&append.flags),
        internal_date: match append.date {
            Some(date) => Timestamp::from_unix_seconds(date.unix_seconds()),
            None => Timestamp(context.now.unix_millis),
        },
    };
    let appended = context.user.account.append(context.actor(), Target::Mailbox(mailbox.id), message);
    let appended = appended.map_err(|error| match error {
        // RFC 3516 §4.4: for a literal8 that cannot be kept as it is.
        Error::InvalidContent(why) if append.data != AppendData::Literal => Tagged::refused(Code::UnknownCte, why),
        other => other.into(),
    })?;
    let code = Code::AppendUid { uidvalidity: appended.uid_validity.0, uid: appended.uid.0 };
    Ok(Tagged::ok("APPEND done").with(code))
}
