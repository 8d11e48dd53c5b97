//! MOVE (RFC 9051 §6.4.8).

use super::Begun;
use super::announced::UNANNOUNCED_MESSAGES_MAX;
use super::copy::copy_uid;
use super::crossing::{self, How};
use super::within::Within;
use crate::context::Context;
use crate::message_limit::Cut;
use crate::tagged::Tagged;
use crate::work::{Progress, Stop, Work};
use imap_proto::Status;
use imap_proto::command::Transfer;
use store::{Account, MailboxId, PIECE_MESSAGES_MAX, Relisting, Uid};

/// A MOVE on its way. What is gone is told at its end, after where it went.
pub(super) struct Moving {
    account: Account,
    from: MailboxId,
    to: MailboxId,
    uids: Vec<Uid>,
    done: usize,
    moved: Relisting,
}

/// As COPY, UIDs that are gone are passed over.
pub(super) fn begin(context: &mut Context<'_>, transfer: &Transfer) -> Result<Begun, Tagged> {
    context.tell_named(&transfer.set, transfer.numbering)?;
    let selected = context.selected()?;
    let (mut uids, from) = (selected.uids(&transfer.set, transfer.numbering)?, selected.mailbox);
    let to = context.target(&transfer.mailbox)?;
    let cut = Cut::last_of(&mut uids, context.service.limits.messages.processed());
    let selected = context.selected()?;
    if let Some(crossing) = crossing::begin(selected, &uids, &to, How::Move)? {
        return Ok(Within::new(crossing, cut).into());
    }
    let account = selected.account.clone();
    let moving = Moving { account, from, to: to.mailbox.id, uids, done: 0, moved: Relisting::default() };
    Ok(Within::new(moving, cut).into())
}

impl Work for Moving {
    fn takes_long(&self) -> bool {
        self.uids.len() > UNANNOUNCED_MESSAGES_MAX
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        let rest = self.uids.get(self.done..).unwrap_or_default();
        let piece = rest.get(..PIECE_MESSAGES_MAX).unwrap_or(rest).to_vec();
        self.done += piece.len();
        if !piece.is_empty() {
            match self.account.move_messages(context.actor_in(&self.account), self.from, piece, self.to) {
                Ok(part) => {
                    self.moved.uid_validity = part.uid_validity;
                    self.moved.uids.extend(part.uids);
                }
                Err(error) => {
                    self.tell(context);
                    return Err(error.into());
                }
            }
        }
        if self.done < self.uids.len() {
            return Ok(Progress::More);
        }
        self.tell(context);
        Ok(Progress::Done(Tagged::ok("MOVE done")))
    }
}

impl Moving {
    /// RFC 6851 §4.3: COPYUID comes before the EXPUNGE responses, in an untagged OK; of all pieces, also where the last
    /// one failed.
    fn tell(&self, context: &mut Context<'_>) {
        if let Some(code) = copy_uid(&self.moved) {
            context.encoder().untagged(Status::Ok, Some(code.borrowed(&[])), "Moved");
        }
    }
}
