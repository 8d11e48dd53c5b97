//! What a client can ask for: one enum, one file per command or family, and a dispatcher that only dispatches.

mod acl;
mod append;
mod auth;
mod cancel_update;
mod compress;
mod fetch;
mod id;
mod languages;
mod list;
mod mailbox;
mod metadata;
mod multisearch;
mod notify;
mod partial;
mod quota;
mod replace;
mod search;
mod select;
mod sort;
mod status;
mod store;
mod thread;
mod transfer;
mod uid_batches;
mod urlauth;

pub use acl::Acl;
pub use append::{Append, AppendData, CatenatePart};
pub(crate) use append::{
    GOES_ON, is_url as is_url_of_append, message_end as append_message_end, target as append_target,
    words_before_target,
};
pub use auth::{Authenticate, Login};
pub use fetch::{BodySection, ChangedSince, Fetch, FetchItem, Partial, Section, SectionText};
pub use id::IdField;
pub use list::{List, ListReturn, ListSelection, Lsub};
pub use mailbox::{Create, Rename};
pub use metadata::{Depth, GetMetadata, SetMetadata};
pub use multisearch::MultiSearch;
pub use notify::{Notify, NotifyEvents, NotifyFilter, NotifyGroup};
pub use partial::PartialRange;
pub use quota::SetQuota;
pub use replace::Replace;
pub use search::{EntryType, Search, SearchKey, SearchReturn};
pub use select::{Qresync, Select, SequenceMatch};
pub use sort::{Sort, SortCriterion, SortKey};
pub use status::{StatusItem, StatusRequest};
pub use store::{Store, StoreAction};
pub use thread::{Thread, ThreadAlgorithm};
pub use transfer::Transfer;
pub use uid_batches::UidBatches;
pub use urlauth::{ResetKey, ToAuthorize, UrlAuth};

use crate::cursor::{Cursor, Literal, Parse};
use crate::limits::Limits;
use crate::mailbox::{Dialect, MailboxName};
use crate::malformed::{Malformed, Reason};
use crate::sequence::{Numbering, SequenceSet};
use crate::tag::Tag;

/// A command and its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// Comes back in the answer.
    pub tag: Tag,
    /// What is asked for.
    pub command: Command,
}

/// Every command of IMAP4rev1, IMAP4rev2 and the extensions that the server announces.
/// Whether it is allowed in the session's state is for the session to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// RFC 9051 §6.1.1.
    Capability,
    /// RFC 9051 §6.1.2.
    Noop,
    /// RFC 9051 §6.1.3.
    Logout,
    /// RFC 2971: the client's fields, none for `NIL`.
    Id(Vec<IdField>),
    /// RFC 5255 §3.2: language ranges.
    Language(Vec<String>),
    /// RFC 5255 §4.7: orders of comparators.
    Comparator(Vec<String>),
    /// RFC 9051 §6.2.1.
    StartTls,
    /// RFC 9051 §6.2.2.
    Authenticate(Authenticate),
    /// RFC 9051 §6.2.3.
    Login(Login),
    /// RFC 8437 §2.
    Unauthenticate,
    /// RFC 4978 §3: with DEFLATE.
    Compress,
    /// RFC 9051 §6.3.1: capability names in capitals.
    Enable(Vec<String>),
    /// RFC 9051 §6.3.2.
    Select(Select),
    /// RFC 9051 §6.3.3.
    Examine(Select),
    /// RFC 9051 §6.3.4, RFC 6154 §3.
    Create(Create),
    /// RFC 9051 §6.3.5.
    Delete(MailboxName),
    /// RFC 9051 §6.3.6.
    Rename(Rename),
    /// RFC 9051 §6.3.7.
    Subscribe(MailboxName),
    /// RFC 9051 §6.3.8.
    Unsubscribe(MailboxName),
    /// RFC 9051 §6.3.9.
    List(List),
    /// RFC 3501 §6.3.9.
    Lsub(Lsub),
    /// LIST before there was SPECIAL-USE (RFC 6154): every mailbox that the pattern matches, with what it is for.
    Xlist(Lsub),
    /// RFC 9051 §6.3.10.
    Namespace,
    /// RFC 9051 §6.3.11.
    Status(StatusRequest),
    /// RFC 9208 §4.1.1: the name of a quota root.
    GetQuota(String),
    /// RFC 9208 §4.1.2.
    GetQuotaRoot(MailboxName),
    /// RFC 5464 §4.2.
    GetMetadata(GetMetadata),
    /// RFC 5464 §4.3.
    SetMetadata(SetMetadata),
    /// RFC 9208 §4.1.3.
    SetQuota(SetQuota),
    /// RFC 4314 §3: GETACL, SETACL, DELETEACL, LISTRIGHTS, MYRIGHTS.
    Acl(Acl),
    /// RFC 4467 §7: RESETKEY, GENURLAUTH, URLFETCH.
    UrlAuth(UrlAuth),
    /// RFC 9051 §6.3.12.
    Append(Append),
    /// RFC 8508 §3.2.
    Replace(Box<Replace>),
    /// RFC 5465 §3.1.
    Notify(Notify),
    /// RFC 9051 §6.3.13. Accepted: [`Receiver::expect_done`](crate::Receiver::expect_done).
    Idle,
    /// RFC 3501 §6.4.1.
    Check,
    /// RFC 9051 §6.4.1.
    Close,
    /// RFC 9051 §6.4.2.
    Unselect,
    /// RFC 9051 §6.4.3.
    Expunge,
    /// UID EXPUNGE (RFC 9051 §6.4.9); [`MessageSet::Saved`](crate::MessageSet::Saved) is possible too.
    UidExpunge(crate::MessageSet),
    /// draft-ietf-mailmaint-imap-uidbatches.
    UidBatches(UidBatches),
    /// RFC 9051 §6.4.4.
    Search(Search),
    /// RFC 7377 §2: ESEARCH.
    MultiSearch(MultiSearch),
    /// RFC 5267 §4.3.5: the tags of searches.
    CancelUpdate(Vec<Tag>),
    /// RFC 5256 §3.
    Sort(Sort),
    /// RFC 5256 §3.
    Thread(Thread),
    /// RFC 9051 §6.4.5.
    Fetch(Fetch),
    /// RFC 9051 §6.4.6.
    Store(Store),
    /// RFC 9051 §6.4.7.
    Copy(Transfer),
    /// RFC 9051 §6.4.8.
    Move(Transfer),
}

impl Command {
    /// The command's name as in the RFC, for logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Capability => "CAPABILITY",
            Self::Noop => "NOOP",
            Self::Logout => "LOGOUT",
            Self::Id(_) => "ID",
            Self::Language(_) => "LANGUAGE",
            Self::Comparator(_) => "COMPARATOR",
            Self::StartTls => "STARTTLS",
            Self::Authenticate(_) => "AUTHENTICATE",
            Self::Login(_) => "LOGIN",
            Self::Unauthenticate => "UNAUTHENTICATE",
            Self::Compress => "COMPRESS",
            Self::Enable(_) => "ENABLE",
            Self::Select(_) => "SELECT",
            Self::Examine(_) => "EXAMINE",
            Self::Create(_) => "CREATE",
            Self::Delete(_) => "DELETE",
            Self::Rename(_) => "RENAME",
            Self::Subscribe(_) => "SUBSCRIBE",
            Self::Unsubscribe(_) => "UNSUBSCRIBE",
            Self::List(_) => "LIST",
            Self::Lsub(_) => "LSUB",
            Self::Xlist(_) => "XLIST",
            Self::Namespace => "NAMESPACE",
            Self::Status(_) => "STATUS",
            Self::GetQuota(_) => "GETQUOTA",
            Self::GetQuotaRoot(_) => "GETQUOTAROOT",
            Self::GetMetadata(_) => "GETMETADATA",
            Self::SetMetadata(_) => "SETMETADATA",
            Self::SetQuota(_) => "SETQUOTA",
            Self::Acl(asked) => asked.name(),
            Self::UrlAuth(asked) => asked.name(),
            Self::Append(_) => "APPEND",
            Self::Replace(_) => "REPLACE",
            Self::Notify(_) => "NOTIFY",
            Self::Idle => "IDLE",
            Self::Check => "CHECK",
            Self::Close => "CLOSE",
            Self::Unselect => "UNSELECT",
            Self::Expunge => "EXPUNGE",
            Self::UidExpunge(_) => "UID EXPUNGE",
            Self::UidBatches(_) => "UIDBATCHES",
            Self::Search(_) => "SEARCH",
            Self::MultiSearch(_) => "ESEARCH",
            Self::CancelUpdate(_) => "CANCELUPDATE",
            Self::Sort(_) => "SORT",
            Self::Thread(_) => "THREAD",
            Self::Fetch(_) => "FETCH",
            Self::Store(_) => "STORE",
            Self::Copy(_) => "COPY",
            Self::Move(_) => "MOVE",
        }
    }
}

/// Parses a whole command: `text` without its last line end, `literals` in the order of their markers.
pub(crate) fn parse(
    text: &[u8],
    literals: Vec<Literal>,
    limits: &Limits,
    dialect: Dialect,
) -> Result<Tagged, Malformed> {
    let mut cursor = Cursor::new(text, literals, limits, dialect);
    let tag = Tag::from_bytes(cursor.take_while(|byte| byte != b' '));
    let Some(tag) = tag else { return Err(Malformed { tag: None, reason: Reason::Tag }) };
    match parse_command(&mut cursor) {
        Ok(command) => Ok(Tagged { tag, command }),
        Err(reason) => Err(Malformed { tag: Some(tag), reason }),
    }
}

fn parse_command(cursor: &mut Cursor<'_>) -> Parse<Command> {
    if !cursor.more() {
        return Err(Reason::MissingCommand);
    }
    let verb = cursor.keyword("a command")?;
    let command = match dispatch_without_arguments(&verb) {
        Some(command) => command,
        None if verb == "RESETKEY" => urlauth::parse_reset_key(cursor)?,
        None if verb == "LANGUAGE" => Command::Language(languages::parse_names(cursor)?),
        None if verb == "COMPARATOR" => Command::Comparator(languages::parse_names(cursor)?),
        None => dispatch(&verb, cursor)?,
    };
    cursor.end()?;
    Ok(command)
}

fn dispatch_without_arguments(verb: &str) -> Option<Command> {
    Some(match verb {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "LOGOUT" => Command::Logout,
        "STARTTLS" => Command::StartTls,
        "NAMESPACE" => Command::Namespace,
        "IDLE" => Command::Idle,
        "CHECK" => Command::Check,
        "CLOSE" => Command::Close,
        "UNSELECT" => Command::Unselect,
        "UNAUTHENTICATE" => Command::Unauthenticate,
        "EXPUNGE" => Command::Expunge,
        _ => return None,
    })
}

fn dispatch(verb: &str, cursor: &mut Cursor<'_>) -> Parse<Command> {
    let numbered = |numbering| move |cursor: &mut Cursor<'_>| numbered_command(verb, numbering, cursor);
    let parse: &dyn Fn(&mut Cursor<'_>) -> Parse<Command> = match verb {
        "ID" => &|c| id::parse(c).map(Command::Id),
        "AUTHENTICATE" => &|c| Authenticate::parse(c).map(Command::Authenticate),
        "LOGIN" => &|c| Login::parse(c).map(Command::Login),
        "COMPRESS" => &compress::parse,
        "ENABLE" => &|c| mailbox::parse_enable(c).map(Command::Enable),
        "SELECT" => &|c| Select::parse(c).map(Command::Select),
        "EXAMINE" => &|c| Select::parse(c).map(Command::Examine),
        "CREATE" => &|c| Create::parse(c).map(Command::Create),
        "DELETE" => &|c| c.mailbox().map(Command::Delete),
        "RENAME" => &|c| Rename::parse(c).map(Command::Rename),
        "SUBSCRIBE" => &|c| c.mailbox().map(Command::Subscribe),
        "UNSUBSCRIBE" => &|c| c.mailbox().map(Command::Unsubscribe),
        "LIST" => &|c| List::parse(c).map(Command::List),
        "LSUB" => &|c| Lsub::parse(c).map(Command::Lsub),
        "XLIST" => &|c| Lsub::parse(c).map(Command::Xlist),
        "NOTIFY" => &|c| Notify::parse(c).map(Command::Notify),
        "ESEARCH" => &|c| MultiSearch::parse(c).map(Command::MultiSearch),
        "CANCELUPDATE" => &|c| cancel_update::parse(c).map(Command::CancelUpdate),
        "STATUS" => &|c| StatusRequest::parse(c).map(Command::Status),
        "UIDBATCHES" => &|c| UidBatches::parse(c).map(Command::UidBatches),
        "GETQUOTA" => &quota::parse_root,
        "GETQUOTAROOT" => &quota::parse_mailbox,
        "GETMETADATA" => &|c| GetMetadata::parse(c).map(Command::GetMetadata),
        "SETMETADATA" => &|c| SetMetadata::parse(c).map(Command::SetMetadata),
        "SETQUOTA" => &quota::parse_limits,
        "SETACL" | "DELETEACL" | "GETACL" | "LISTRIGHTS" | "MYRIGHTS" => &|c| Acl::parse(verb, c).map(Command::Acl),
        "GENURLAUTH" => &urlauth::parse_generate,
        "URLFETCH" => &urlauth::parse_fetch,
        "APPEND" => &|c| Append::parse(c).map(Command::Append),
        "SEARCH" | "SORT" | "THREAD" | "FETCH" | "STORE" | "COPY" | "MOVE" | "REPLACE" => {
            &numbered(Numbering::Sequence)
        }
        "UID" => &parse_uid,
        _ => return Err(Reason::UnknownCommand),
    };
    cursor.space()?;
    parse(cursor)
}

/// RFC 9051 §6.4.9.
fn parse_uid(cursor: &mut Cursor<'_>) -> Parse<Command> {
    let verb = cursor.keyword("a command after UID")?;
    cursor.space()?;
    match verb.as_str() {
        "EXPUNGE" => cursor.message_set().map(Command::UidExpunge),
        other => numbered_command(other, Numbering::Uid, cursor),
    }
}

fn numbered_command(verb: &str, numbering: Numbering, cursor: &mut Cursor<'_>) -> Parse<Command> {
    match verb {
        "SEARCH" => Search::parse(numbering, cursor).map(Command::Search),
        "SORT" => Sort::parse(numbering, cursor).map(Command::Sort),
        "THREAD" => Thread::parse(numbering, cursor).map(Command::Thread),
        "FETCH" => Fetch::parse(numbering, cursor).map(Command::Fetch),
        "STORE" => Store::parse(numbering, cursor).map(Command::Store),
        "COPY" => Transfer::parse(numbering, cursor).map(Command::Copy),
        "REPLACE" => Replace::parse(numbering, cursor).map(|replace| Command::Replace(Box::new(replace))),
        "MOVE" => Transfer::parse(numbering, cursor).map(Command::Move),
        _ => Err(Reason::UnknownCommand),
    }
}

/// A set of UIDs that stands for itself, where `*` means nothing (RFC 7162 §3.2.5.2).
fn set_without_star(cursor: &mut Cursor<'_>) -> Parse<SequenceSet> {
    let set = cursor.sequence_set()?;
    if set.has_star() { Err(Reason::Expected("a set without *")) } else { Ok(set) }
}

#[cfg(test)]
pub(crate) mod tests;
