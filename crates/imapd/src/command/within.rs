//! Commands that are about the last messages alone of those that they were asked for (RFC 9738).

use crate::context::Context;
use crate::message_limit::Cut;
use crate::sync::News;
use crate::work::{Progress, Stop, Work};

/// A command that may stop short.
pub(super) struct Within<W> {
    work: W,
    cut: Option<Cut>,
}

impl<W> Within<W> {
    /// `cut`: where it stops, if it does.
    pub(super) fn new(work: W, cut: Option<Cut>) -> Self {
        Self { work, cut }
    }

    /// The command, if it does all that it was asked for.
    pub(super) fn whole(self) -> Option<W> {
        if self.cut.is_none() { Some(self.work) } else { None }
    }
}

impl<W: Work> Work for Within<W> {
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        let mut progress = self.work.run(context)?;
        if let (Progress::Done(answer), Some(cut)) = (&mut progress, self.cut) {
            cut.say(answer, &mut context.encoder());
        }
        Ok(progress)
    }

    fn takes_long(&self) -> bool {
        self.work.takes_long()
    }

    fn may_be_in_literal(&self) -> bool {
        self.work.may_be_in_literal()
    }

    fn news(&mut self) -> Option<News> {
        self.work.news()
    }
}
