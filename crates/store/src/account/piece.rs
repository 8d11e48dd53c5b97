//! Large changes are made in pieces: each is one commit, and between two of them others have their turn.
//!
//! A commit of a shard holds up those of all accounts in it, so no operation may be as large as a mailbox. What a change in
//! pieces has done stays done when it breaks off (a crash, a full disk, a client that has gone): each message is changed or
//! it is not. A copy alone is all or nothing (RFC 9051 §6.4.7): what it has brought so far is taken back.
//! docs/decisions/0017-bounded-steps.md says why.

/// One commit changes at most so many messages. Measured: about 10 ms of the shard's writer.
pub const PIECE_MESSAGES_MAX: usize = 500;

/// How far a change in pieces has come, in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Durable.
    pub done: usize,
    /// In all.
    pub total: usize,
}

/// Is told after each piece but the last, whose end is the answer.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress);

/// The next piece of `items`, of which `done` are behind us.
pub(super) fn next_piece<T>(items: &[T], done: usize) -> &[T] {
    let rest = items.get(done..).unwrap_or_default();
    rest.get(..PIECE_MESSAGES_MAX).unwrap_or(rest)
}
