//! Whether there is room on the disk. Who knows it is outside: the store asks, and gives way.
//!
//! When room runs out, new mail is refused first; everything that gives room back, or that takes next to none (flags, moves,
//! expunges, logins), goes on as long as it can, at last with what a reserve gave up
//! (docs/decisions/0018-full-disk.md).

/// The room on the disk.
pub trait Space: Send + Sync {
    /// Why new mail is refused, in a sentence; `None`: there is room.
    fn refuses_mail(&self) -> Option<String>;

    /// A commit found no room. True when there is some now that was not there, so that it is worth another try.
    fn make_room(&self) -> bool;
}

/// As much room as the disk has, and nothing in reserve.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unreserved;

impl Space for Unreserved {
    fn refuses_mail(&self) -> Option<String> {
        None
    }

    fn make_room(&self) -> bool {
        false
    }
}
