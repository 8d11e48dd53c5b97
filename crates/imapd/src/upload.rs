//! A long message of an APPEND on its way in.

use crate::tagged::Tagged;
use imap_proto::{Code, LiteralRequest, LiteralRole, MailboxName};
use std::sync::Arc;
use store::{Account, Error};
use store_objects::{Holder, IN_MEMORY_BYTES_MAX, Incoming, NotTaken, Spool};
use tracing::error;

/// The message, as far as it came.
pub(crate) enum Upload {
    Coming(Incoming),
    /// What still comes is passed over, and the command answered so.
    NotTaken(Tagged),
}

impl Upload {
    /// Before a literal comes: counts a long message; why it must not come. What cannot be said now is said at the end of the
    /// command.
    pub(crate) fn expect(
        spool: &Arc<Spool>,
        account: &Account,
        request: &LiteralRequest,
    ) -> Result<Option<Self>, Tagged> {
        if let Some(refusal) = request.mailbox.as_ref().and_then(|name| no_such_target(account, name)) {
            return Err(refusal);
        }
        if request.role != LiteralRole::Message || request.bytes <= IN_MEMORY_BYTES_MAX as u64 {
            return Ok(None);
        }
        let mut incoming = spool.begin(Holder::Account(account.id()));
        incoming.reserve(request.bytes).map_err(not_taken)?;
        Ok(Some(Self::Coming(incoming)))
    }

    /// One that was not announced.
    pub(crate) fn begin(spool: &Arc<Spool>, account: &Account) -> Self {
        Self::Coming(spool.begin(Holder::Account(account.id())))
    }

    /// A part of the message.
    pub(crate) fn take(&mut self, octets: &[u8]) {
        if let Self::Coming(incoming) = self
            && let Err(why) = incoming.push(octets)
        {
            *self = Self::NotTaken(not_taken(why));
        }
    }
}

/// RFC 9051 §6.3.12: that the mailbox is not there is told before all else that is wrong, as the client can do something
/// about it; and before a large message goes over the wire.
pub(crate) fn no_such_target(account: &Account, name: &MailboxName) -> Option<Tagged> {
    let mailboxes = account.mailboxes().ok()?;
    mailboxes.by_name(name.as_str()).is_none().then(Tagged::no_such_target)
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
