//! What a store counts of its commits.

use crate::engine::CommitError;
use metrics::{COMMIT_OPERATIONS, COMMIT_SECONDS, COMMITS, Counts, Distribution, Exposition, Stopwatch};

/// Of all accounts together.
pub(crate) struct Figures {
    commits: Counts<1>,
    operations: Distribution,
    seconds: Distribution,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            commits: Counts::new(&COMMITS),
            operations: Distribution::of_sizes(&COMMIT_OPERATIONS),
            seconds: Distribution::of_seconds(&COMMIT_SECONDS),
        }
    }
}

impl Figures {
    /// A commit of so many operations has ended.
    pub(crate) fn committed(&self, outcome: &Result<(), CommitError>, operations: usize, stopwatch: Stopwatch) {
        self.commits.inc([match outcome {
            Ok(()) => "ok",
            Err(CommitError::Conflict { .. }) => "conflict",
            Err(CommitError::Full { .. }) => "full",
            Err(CommitError::Damaged { .. }) => "damaged",
            Err(CommitError::ReadOnly { .. }) => "read_only",
            Err(CommitError::Failed { .. }) => "failed",
        }]);
        self.operations.together(operations);
        self.seconds.took(stopwatch.elapsed());
    }

    pub(crate) fn tell(&self, told: &mut Exposition) {
        self.commits.tell(told);
        self.operations.tell(told);
        self.seconds.tell(told);
    }
}
