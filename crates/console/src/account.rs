//! The console of one account.

use crate::error::Error;
use directory::Directory;
use posts::Posts;
use queue::Queue;
use reports::{Looks, OwnComplaints, Refusals};
use store::device::Device;
use store::{Account, Actor, DeviceId};
use wording::tr;

/// The console of one account. Whoever holds it acts as `actor`: the owner through a page, an administrator through the
/// command line. Cheap to clone.
#[derive(Clone)]
pub struct AccountConsole {
    pub(crate) account: Account,
    pub(crate) actor: Actor,
    pub(crate) queue: Option<Queue>,
    pub(crate) posts: Option<Posts>,
    pub(crate) directory: Option<Directory>,
    pub(crate) complaints: Option<OwnComplaints>,
    pub(crate) looks: Option<Looks>,
    pub(crate) refusals: Option<Refusals>,
}

impl AccountConsole {
    /// The console of `account` for somebody who may use it: its owner, or an administrator.
    #[must_use]
    pub fn new(account: Account, actor: Actor) -> Self {
        Self {
            account,
            actor,
            queue: None,
            posts: None,
            directory: None,
            complaints: None,
            looks: None,
            refusals: None,
        }
    }

    /// With what was passed on, as the queue of the same server knows.
    #[must_use]
    pub fn with_queue(self, queue: Queue) -> Self {
        Self { queue: Some(queue), ..self }
    }

    /// The names of all mailboxes.
    ///
    /// # Errors
    /// Faults.
    pub fn mailbox_names(&self) -> Result<Vec<String>, Error> {
        Ok(self.account.mailboxes()?.iter().map(|mailbox| mailbox.name.clone()).collect())
    }

    /// With what the account has written to lists of the same server.
    #[must_use]
    pub fn with_posts(self, posts: Posts) -> Self {
        Self { posts: Some(posts), ..self }
    }

    /// With what became of the account in lists of the same server.
    #[must_use]
    pub fn with_directory(self, directory: Directory) -> Self {
        Self { directory: Some(directory), ..self }
    }

    /// With what senders were told of what the account calls junk.
    #[must_use]
    pub fn with_complaints(self, complaints: OwnComplaints) -> Self {
        Self { complaints: Some(complaints), ..self }
    }

    /// With who has looked for mail of the account, because its owner asked for help.
    #[must_use]
    pub fn with_looks(self, looks: Looks) -> Self {
        Self { looks: Some(looks), ..self }
    }

    /// With what was refused that was for the account, or that it sent, when a mail is looked for.
    #[must_use]
    pub fn with_refusals(self, refusals: Refusals) -> Self {
        Self { refusals: Some(refusals), ..self }
    }

    /// A device of the account, revoked or not.
    pub(crate) fn device(&self, id: DeviceId) -> Result<Device, Error> {
        let devices = self.account.devices()?;
        devices.get(&id).cloned().ok_or(Error::Store(store::Error::NoSuchDevice))
    }

    /// The device that a name (as it is kept, or as it is shown to whoever asks) or a number means; a name means the one that is not revoked, if there is one.
    ///
    /// # Errors
    /// There is none, in words.
    pub fn find_device(&self, wanted: &str) -> Result<DeviceId, Error> {
        let devices = self.account.devices()?;
        let mut named: Vec<&Device> = devices.values().filter(|device| is_called(device, wanted)).collect();
        named.sort_by_key(|device| device.revoked_at.is_some());
        let numbered = || wanted.parse().ok().and_then(|number| devices.get(&DeviceId(number)));
        let found = named.first().copied().or_else(numbered);
        found.map(|device| device.id).ok_or_else(|| {
            Error::refused(tr!(
                "there is no device “{wanted}”; `pillarbox device list --revoked` shows all",
                wanted = wanted
            ))
        })
    }
}

fn is_called(device: &Device, wanted: &str) -> bool {
    device.name == wanted || device.shown_name() == wanted
}
