//! NOTIFY (RFC 5465).

use super::fetch::{FetchItem, fetch_items};
use crate::cursor::{Cursor, Parse};
use crate::mailbox::MailboxName;
use crate::malformed::Reason;

/// Of what a client wants to be told without asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notify {
    /// `NONE`
    None,
    /// `SET`
    Set {
        /// `STATUS`: of all that is named, how it is now.
        status: bool,
        /// In the client's order; at least one, and of those about the selected mailbox at most one.
        groups: Vec<NotifyGroup>,
    },
}

/// Mailboxes, and what of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyGroup {
    /// Which.
    pub filter: NotifyFilter,
    /// What.
    pub events: NotifyEvents,
}

/// Mailboxes (RFC 5465 §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifyFilter {
    /// `selected`: at once.
    Selected,
    /// `selected-delayed`: what is gone only when a command may tell it.
    SelectedDelayed,
    /// `inboxes`: those that mail is delivered to.
    Inboxes,
    /// `personal`: all of one's own.
    Personal,
    /// `subscribed`
    Subscribed,
    /// `subtree`: these and all below.
    Subtree(Vec<MailboxName>),
    /// `subtree-one`: these and those directly below (RFC 7377 §2.2).
    SubtreeOne(Vec<MailboxName>),
    /// `mailboxes`: these.
    Mailboxes(Vec<MailboxName>),
}

/// Events (RFC 5465 §5). `NONE` is none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifyEvents {
    /// `MessageNew` and `MessageExpunge`, which come together.
    pub messages: bool,
    /// What of a new message in the selected mailbox.
    pub fetch: Vec<FetchItem>,
    /// `FlagChange`; never without `messages`.
    pub flags: bool,
    /// `MailboxName`
    pub names: bool,
    /// `SubscriptionChange`
    pub subscriptions: bool,
    /// `MailboxMetadataChange`
    pub mailbox_metadata: bool,
    /// `ServerMetadataChange`, which is about no mailbox.
    pub server_metadata: bool,
    /// One that this server does not have.
    pub unknown: bool,
}

impl NotifyFilter {
    /// Whether it is about the selected mailbox, whichever that is.
    #[must_use]
    pub fn is_selected(&self) -> bool {
        match self {
            Self::Selected | Self::SelectedDelayed => true,
            Self::Inboxes
            | Self::Personal
            | Self::Subscribed
            | Self::Subtree(_)
            | Self::SubtreeOne(_)
            | Self::Mailboxes(_) => false,
        }
    }

    /// The mailboxes that it names.
    #[must_use]
    pub fn names(&self) -> &[MailboxName] {
        match self {
            Self::Subtree(names) | Self::SubtreeOne(names) | Self::Mailboxes(names) => names,
            Self::Selected | Self::SelectedDelayed | Self::Inboxes | Self::Personal | Self::Subscribed => &[],
        }
    }

    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        Ok(match cursor.keyword("a mailbox filter")?.as_str() {
            "SELECTED" => Self::Selected,
            "SELECTED-DELAYED" => Self::SelectedDelayed,
            "INBOXES" => Self::Inboxes,
            "PERSONAL" => Self::Personal,
            "SUBSCRIBED" => Self::Subscribed,
            "SUBTREE" => Self::Subtree(mailboxes(cursor)?),
            "SUBTREE-ONE" => Self::SubtreeOne(mailboxes(cursor)?),
            "MAILBOXES" => Self::Mailboxes(mailboxes(cursor)?),
            _ => return Err(Reason::Unknown("mailbox filter")),
        })
    }
}

impl Notify {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        if cursor.eat_word("NONE") {
            return Ok(Self::None);
        }
        if !cursor.eat_word("SET") {
            return Err(Reason::Expected("SET or NONE"));
        }
        cursor.space()?;
        let status = cursor.eat_word("STATUS");
        if status {
            cursor.space()?;
        }
        let mut groups = vec![NotifyGroup::parse(cursor)?];
        while cursor.more() {
            if groups.len() >= cursor.limits.items_max {
                return Err(Reason::TooMany);
            }
            groups.push(NotifyGroup::parse(cursor)?);
        }
        if groups.iter().filter(|group| group.filter.is_selected()).count() > 1 {
            return Err(Reason::Expected("one of selected and selected-delayed"));
        }
        Ok(Self::Set { status, groups })
    }
}

impl NotifyGroup {
    fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        cursor.expect(b'(', "(")?;
        let filter = NotifyFilter::parse(cursor)?;
        cursor.space()?;
        let events = NotifyEvents::parse(cursor)?;
        cursor.expect(b')', ")")?;
        // RFC 5465 §5.2, §6.1: what is told of a message is told of the selected mailbox, and names are not.
        if !filter.is_selected() && !events.fetch.is_empty() {
            return Err(Reason::Expected("FETCH items with the selected mailbox only"));
        }
        if filter.is_selected() && (events.names || events.subscriptions || events.mailbox_metadata) {
            return Err(Reason::Expected("events of messages with the selected mailbox"));
        }
        Ok(Self { filter, events })
    }
}

impl NotifyEvents {
    fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let mut events = Self::default();
        if cursor.eat_word("NONE") {
            return Ok(events);
        }
        let (mut new, mut expunge, mut annotations) = (false, false, false);
        cursor.list(|cursor| {
            match cursor.keyword("an event")?.as_str() {
                "MESSAGENEW" => {
                    new = true;
                    if cursor.peek() == Some(b' ') && cursor.peek_after_spaces() == Some(b'(') {
                        cursor.space()?;
                        events.fetch = fetch_items(cursor)?;
                    }
                }
                "MESSAGEEXPUNGE" => expunge = true,
                "FLAGCHANGE" => events.flags = true,
                "ANNOTATIONCHANGE" => (annotations, events.unknown) = (true, true),
                "MAILBOXNAME" => events.names = true,
                "SUBSCRIPTIONCHANGE" => events.subscriptions = true,
                "MAILBOXMETADATACHANGE" => events.mailbox_metadata = true,
                "SERVERMETADATACHANGE" => events.server_metadata = true,
                _ => events.unknown = true,
            }
            Ok(())
        })?;
        events.messages = new && expunge;
        // RFC 5465 §5: one of these is an error.
        if new != expunge || (events.flags || annotations) && !new {
            return Err(Reason::Expected("MessageNew with MessageExpunge"));
        }
        Ok(events)
    }
}

/// One mailbox, or several in parentheses.
fn mailboxes(cursor: &mut Cursor<'_>) -> Parse<Vec<MailboxName>> {
    cursor.space()?;
    let names = if cursor.peek() == Some(b'(') { cursor.list(Cursor::mailbox)? } else { vec![cursor.mailbox()?] };
    if names.is_empty() { Err(Reason::Expected("a mailbox")) } else { Ok(names) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::tests::{check, name, refuse_one};

    #[test]
    fn groups_and_their_events() {
        let group = |filter, events| NotifyGroup { filter, events };
        let messages = || NotifyEvents { messages: true, ..NotifyEvents::default() };
        check("notify none", Command::Notify(Notify::None));
        let fetch = vec![FetchItem::Uid, FetchItem::Envelope];
        check(
            "NOTIFY SET STATUS (selected (MessageNew (uid envelope) MessageExpunge))",
            Command::Notify(Notify::Set {
                status: true,
                groups: vec![group(NotifyFilter::Selected, NotifyEvents { fetch, ..messages() })],
            }),
        );
        check(
            "notify set (selected-delayed (messageexpunge MESSAGENEW flagchange)) (subtree (INBOX Lists) none) \
             (subtree-one x none) \
             (mailboxes a (MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange))",
            Command::Notify(Notify::Set {
                status: false,
                groups: vec![
                    group(NotifyFilter::SelectedDelayed, NotifyEvents { flags: true, ..messages() }),
                    group(NotifyFilter::Subtree(vec![name("INBOX"), name("Lists")]), NotifyEvents::default()),
                    group(NotifyFilter::SubtreeOne(vec![name("x")]), NotifyEvents::default()),
                    group(
                        NotifyFilter::Mailboxes(vec![name("a")]),
                        NotifyEvents {
                            names: true,
                            subscriptions: true,
                            mailbox_metadata: true,
                            server_metadata: true,
                            ..NotifyEvents::default()
                        },
                    ),
                ],
            }),
        );
        let unknown = NotifyEvents { unknown: true, ..messages() };
        check(
            "NOTIFY SET (personal (MessageNew MessageExpunge AnnotationChange))",
            Command::Notify(Notify::Set { status: false, groups: vec![group(NotifyFilter::Personal, unknown)] }),
        );
    }

    #[test]
    fn what_rfc_5465_calls_an_error() {
        let together = Reason::Expected("MessageNew with MessageExpunge");
        refuse_one("NOTIFY SET (personal (MessageNew))", together);
        refuse_one("NOTIFY SET (personal (MessageExpunge))", together);
        refuse_one("NOTIFY SET (personal (FlagChange))", together);
        refuse_one(
            "NOTIFY SET (personal (MessageNew (UID) MessageExpunge))",
            Reason::Expected("FETCH items with the selected mailbox only"),
        );
        refuse_one(
            "NOTIFY SET (selected (MailboxName))",
            Reason::Expected("events of messages with the selected mailbox"),
        );
        refuse_one(
            "NOTIFY SET (selected NONE) (selected-delayed NONE)",
            Reason::Expected("one of selected and selected-delayed"),
        );
        refuse_one("NOTIFY SET (others NONE)", Reason::Unknown("mailbox filter"));
        refuse_one("NOTIFY SET (subtree () NONE)", Reason::Expected("a mailbox"));
        refuse_one("NOTIFY LATER", Reason::Expected("SET or NONE"));
    }
}
