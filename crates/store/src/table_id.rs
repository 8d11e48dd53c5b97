//! Which tables there are.

use crate::ids::AccountId;
use std::fmt;

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableId {
    /// The directory: domains, addresses, names of accounts.
    Directory,
    /// The outbound queue.
    Queue,
    /// Who is logged in on the pages.
    Sessions,
    /// Second factors, and strangers who ask for an account.
    People,
    /// What is written down of mail beside the mail itself.
    Reports,
    /// What was written to lists and is not done.
    Posts,
    /// Who has brought mail.
    Strangers,
    /// Which servers work on this storage at the same time.
    Nodes,
}

impl TableId {
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Directory,
        Self::Queue,
        Self::Sessions,
        Self::People,
        Self::Reports,
        Self::Posts,
        Self::Strangers,
        Self::Nodes,
    ];
    pub(crate) const COUNT: usize = 8;

    /// The engine knows accounts only: a table has a number that no account has, the same in every version.
    #[must_use]
    pub fn keyspace(self) -> AccountId {
        AccountId(self as u32)
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Directory => "the directory of accounts",
            Self::Queue => "the outbound queue",
            Self::Sessions => "the table of who is logged in on the pages",
            Self::People => "the table of second factors",
            Self::Reports => "the table of refused mail",
            Self::Posts => "the table of posts to lists",
            Self::Strangers => "the table of who has brought mail",
            Self::Nodes => "the table of servers",
        })
    }
}
