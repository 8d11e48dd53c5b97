//! What happened in an account, and taking it back: the console of an account for the command line.

use console::{AccountConsole, TimelineAsk, UndoAsk, parse_moment};
use serde::{Deserialize, Serialize};

use super::{Admin, Item, Items};
use crate::control::Failure;

/// What can be asked about what happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryRequest {
    /// What happened, newest first: [`Item::Happened`] each.
    Timeline {
        /// Whose.
        account: String,
        /// Only what this device did: its name or number.
        device: Option<String>,
        /// Only what happened then or later, as people write it.
        since: Option<String>,
        /// Only lines with this text.
        search: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// What happened to a message: [`Item::Story`].
    Story {
        /// Whose.
        account: String,
        /// EMAILID, which is the UIDL.
        message: String,
    },
    /// Takes something back. Answered with [`Item::Undo`].
    Undo {
        /// Whose.
        account: String,
        /// What.
        ask: UndoAsk,
    },
    /// What devices took that others may want back: [`Item::Offer`] each.
    Offers {
        /// Whose.
        account: String,
    },
    /// Puts back what a device took. Answered with [`Item::Undo`].
    PutBack {
        /// Whose.
        account: String,
        /// Its name or number.
        device: String,
        /// Only tell what would happen.
        dry_run: bool,
    },
    /// The owner does not want back what a device took. No items.
    Decline {
        /// Whose.
        account: String,
        /// Its name or number.
        device: String,
    },
}

impl HistoryRequest {
    pub(super) fn execute(self, admin: &Admin, item: Items<'_>) -> Result<(), Failure> {
        match self {
            Self::Timeline { account, device, since, search, limit } => {
                let console = admin.console(&account)?;
                let device = device.map(|device| console.find_device(&device)).transpose()?;
                let since = since.map(|since| parse_moment(&since, admin.now())).transpose()?;
                timeline(&console, TimelineAsk { before: None, device, since, search, limit }, item)
            }
            Self::Story { account, message } => Ok(item(Item::Story(admin.console(&account)?.story(&message)?))?),
            Self::Undo { account, ask } => Ok(item(Item::Undo(admin.console(&account)?.undo(&ask)?))?),
            Self::Offers { account } => {
                admin.console(&account)?.offers()?.into_iter().try_for_each(|offer| Ok(item(Item::Offer(offer))?))
            }
            Self::PutBack { account, device, dry_run } => {
                let console = admin.console(&account)?;
                Ok(item(Item::Undo(console.put_back(console.find_device(&device)?, dry_run)?))?)
            }
            Self::Decline { account, device } => {
                let console = admin.console(&account)?;
                Ok(console.decline_offer(console.find_device(&device)?)?)
            }
        }
    }
}

/// Page after page, so that a long answer begins at once.
fn timeline(console: &AccountConsole, mut ask: TimelineAsk, item: Items<'_>) -> Result<(), Failure> {
    while ask.limit > 0 {
        let page = console.timeline(&ask)?;
        ask.limit -= page.lines.len().min(ask.limit);
        page.lines.into_iter().try_for_each(|line| item(Item::Happened(line)))?;
        if page.next.is_none() {
            break;
        }
        ask.before = page.next;
    }
    Ok(())
}

impl Admin {
    /// The console of an account, for an administrator.
    pub(super) fn console(&self, address: &str) -> Result<AccountConsole, Failure> {
        let account = self.account(address)?;
        Ok(AccountConsole::new(self.stores.store.account(account.id), self.actor()))
    }
}

impl From<console::Error> for Failure {
    fn from(error: console::Error) -> Self {
        match error {
            console::Error::Refused(text) => Self::Refused(text),
            console::Error::Store(error) => error.into(),
        }
    }
}
