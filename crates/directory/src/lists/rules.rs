//! What holds for what is written to a list: what its owners look at first, how much it takes.

use super::List;
use crate::Directory;
use crate::error::Error;
use wording::tr;

/// A list takes so many posts in an hour unless something else is said.
pub(super) const POSTS_PER_HOUR: u16 = 60;
/// And never more.
const POSTS_PER_HOUR_MAX: u16 = 500;

/// Which posts wait until an owner of the list has looked at them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    /// None: what may not be is refused.
    #[default]
    Nobody,
    /// Of whoever may not write, or is no member, or does not prove to be the author.
    Others,
    /// Of everybody but owners.
    All,
}

impl Approval {
    /// Its name in commands.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Others => "others",
            Self::All => "all",
        }
    }

    /// The one of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Nobody, Self::Others, Self::All].into_iter().find(|approval| approval.name() == name)
    }
}

impl List {
    /// A post has so many octets at most; `None`: as many as the server takes.
    #[must_use]
    pub fn post_bytes_max(&self) -> Option<u64> {
        (self.post_kib_max > 0).then(|| u64::from(self.post_kib_max) * 1024)
    }
}

impl Directory {
    /// Says which posts of a list wait for its owners. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such list.
    pub fn set_approval(&self, address: &str, approval: Approval) -> Result<(), Error> {
        self.change_list(address, |_, list| {
            list.approval = approval;
            Ok(())
        })
    }

    /// Says how many posts a list takes in an hour, and how many KiB each has at most (0: as many as the server takes). Durable when
    /// it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such list, none at all or too many in an hour.
    pub fn set_post_limits(&self, address: &str, posts_per_hour: u16, post_kib_max: u32) -> Result<(), Error> {
        if posts_per_hour == 0 || posts_per_hour > POSTS_PER_HOUR_MAX {
            return Err(Error::refused(tr!("a list takes 1 to {most} posts in an hour", most = POSTS_PER_HOUR_MAX)));
        }
        self.change_list(address, |_, list| {
            (list.posts_per_hour, list.post_kib_max) = (posts_per_hour, post_kib_max);
            Ok(())
        })
    }
}
