//! How far a long command came.

use crate::tagged::Tagged;

/// A command that may take long works in slices, so that its connection's loop stays responsive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The command is over.
    Done(Tagged),
    /// The slice's bound of output or work is reached: send what there is (it may be nothing), then run the next.
    More,
}
