//! What a client wants to be told between its commands (RFC 5465), and how much of it was told.
//!
//! No event is queued: what was told is the account as it stood at a look, and the next look tells the difference. So a client
//! that reads slowly hears once of what changed often, nothing can overflow, and nothing costs anything while the account
//! does not change.

use imap_proto::MailboxName;
use imap_proto::command::{FetchItem, NotifyEvents, NotifyFilter, NotifyGroup};
use store::{AccountId, Mailbox, MailboxId, Mailboxes, Role, Uid, Watch};

/// So many mailboxes may be named.
pub(crate) const NAMES_MAX: usize = 1000;

/// The wishes of a client.
pub(crate) struct Notify {
    /// About the selected mailbox.
    pub(crate) selected: Option<ForSelected>,
    /// About others.
    groups: Vec<NotifyGroup>,
    server_metadata: bool,
    /// As long as it lives, commits wake the driver.
    _watch: Watch,
    /// The mailboxes as the client knows them.
    pub(crate) told: Mailboxes,
}

/// What is told of the selected mailbox.
pub(crate) struct ForSelected {
    /// What is gone only when a command may tell it.
    pub(crate) delayed: bool,
    /// What of new messages.
    pub(crate) fetch: Vec<FetchItem>,
    /// In this mailbox messages from here on are new.
    pub(crate) new_from: Option<((AccountId, MailboxId), Uid)>,
}

/// What is told of a mailbox.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) messages: bool,
    pub(crate) flags: bool,
    pub(crate) names: bool,
    pub(crate) subscriptions: bool,
    pub(crate) metadata: bool,
}

impl Notify {
    /// From now on. `told`: as it stood after `watch` began.
    pub(crate) fn new(groups: Vec<NotifyGroup>, watch: Watch, told: Mailboxes) -> Self {
        let server_metadata = groups.iter().any(|group| group.events.server_metadata);
        let (own, groups): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| group.filter.is_selected());
        let selected = own.into_iter().find(|group| group.events.messages).map(|group| ForSelected {
            delayed: group.filter == NotifyFilter::SelectedDelayed,
            fetch: group.events.fetch,
            new_from: None,
        });
        Self { selected, groups, server_metadata, _watch: watch, told }
    }

    /// What is told of a mailbox: what any of the groups wants that it is in.
    pub(crate) fn wanted(&self, mailbox: &Mailbox) -> Wanted {
        let groups = self.groups.iter().filter(|group| is_in(mailbox, &group.filter));
        groups.fold(Wanted::default(), |wanted, NotifyGroup { filter: _, events }| wanted.and(events))
    }

    /// Whether names are told of that are subscribed and no mailbox.
    pub(crate) fn wants_subscriptions(&self) -> bool {
        self.groups.iter().any(|group| {
            group.events.subscriptions && matches!(group.filter, NotifyFilter::Personal | NotifyFilter::Subscribed)
        })
    }
}

impl Notify {
    /// Whether anything is told of annotations.
    pub(crate) fn wants_metadata(&self) -> bool {
        self.wants_server_metadata() || self.groups.iter().any(|group| group.events.mailbox_metadata)
    }

    /// Whether those beside the server are told (RFC 5465 §5.7), in whatever group it was asked for.
    pub(crate) fn wants_server_metadata(&self) -> bool {
        self.server_metadata
    }
}

impl Wanted {
    fn and(self, events: &NotifyEvents) -> Self {
        Self {
            messages: self.messages || events.messages,
            flags: self.flags || events.flags,
            names: self.names || events.names,
            subscriptions: self.subscriptions || events.subscriptions,
            metadata: self.metadata || events.mailbox_metadata,
        }
    }
}

/// RFC 5465 §6, RFC 7377 §2.2; the selected mailbox is for whoever asks to know.
pub(crate) fn is_in(mailbox: &Mailbox, filter: &NotifyFilter) -> bool {
    let name = mailbox.name.as_str();
    match filter {
        NotifyFilter::Selected | NotifyFilter::SelectedDelayed => false,
        // Where mail is delivered to.
        NotifyFilter::Inboxes => matches!(mailbox.role, Some(Role::Inbox | Role::Junk)),
        NotifyFilter::Personal => true,
        NotifyFilter::Subscribed => mailbox.subscribed,
        NotifyFilter::Mailboxes(names) => names.iter().any(|one| one.as_str() == name),
        NotifyFilter::Subtree(names) => names.iter().any(|one| below(name, one).is_some()),
        NotifyFilter::SubtreeOne(names) => {
            names.iter().any(|one| below(name, one).is_some_and(|rest| !rest.trim_start_matches('/').contains('/')))
        }
    }
}

/// What of a name comes after that of a mailbox which it is, or is below: nothing, or with the separator.
fn below<'n>(name: &'n str, mailbox: &MailboxName) -> Option<&'n str> {
    name.strip_prefix(mailbox.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}
