//! Commands that go on: values of one trait, which the session runs slice by slice.
//!
//! Between two slices the output is sent, and other sessions have their turn. What a command leaves that breaks off half-way
//! says docs/decisions/0017-bounded-steps.md.

use crate::context::Context;
use crate::sync::News;
use crate::tagged::Tagged;
use store::Error;

/// How far a command came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The command is over.
    Done(Tagged),
    /// The slice's bound of output or work is reached: send what there is (it may be nothing), then run the next.
    More,
}

/// Why a command does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Refused(Tagged),
    /// What was begun cannot be told to its end: no answer can be told from mail now, the connection must end.
    Broken,
    /// The account is gone.
    Gone,
}

impl From<Tagged> for Stop {
    fn from(refusal: Tagged) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error.into())
    }
}

/// A command that goes on.
pub(crate) trait Work: Send {
    /// The next slice.
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop>;

    /// Whether already the first slice is too much for a step that nobody announced.
    fn takes_long(&self) -> bool {
        false
    }

    /// Whether it may stand in the middle of a literal, where BYE would be read as mail.
    fn may_be_in_literal(&self) -> bool {
        false
    }

    /// What its end tells of the selected mailbox. None: that was told just now, and what changed since belongs to the next
    /// command.
    fn news(&mut self) -> Option<News> {
        Some(News::default())
    }
}
