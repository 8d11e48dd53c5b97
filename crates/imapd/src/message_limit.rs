//! Commands that are about more messages than one may be (RFC 9738): [`crate::MessageLimit`] says how many that are.
//!
//! COPY and APPEND, which bring all of their messages or none, are refused above the limit; so are SORT, THREAD and a page of FETCH.
//! FETCH, SEARCH, STORE, MOVE and UID EXPUNGE are about the messages with the highest UIDs, and their answer says down to which one.

use crate::tagged::{ResultCode, Tagged};
use imap_proto::{Code, Encoder, Status};
use store::Uid;

/// Why a command is refused that is about more than `max` messages.
pub(crate) fn too_many(max: u32, text: &'static str) -> Tagged {
    Tagged::refused(Code::MessageLimit { max, lowest: None }, text)
}

/// Where a command stops short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) max: u32,
    /// Of the messages that it is about the lowest UID.
    pub(crate) lowest: Uid,
}

impl Cut {
    /// Leaves the last `max` of `uids`, which ascend. None: there are no more.
    pub(crate) fn last_of(uids: &mut Vec<Uid>, max: Option<u32>) -> Option<Self> {
        let max = max?;
        let beyond = uids.len().checked_sub(max as usize).filter(|beyond| *beyond > 0)?;
        uids.drain(..beyond);
        uids.first().map(|lowest| Self { max, lowest: *lowest })
    }

    /// Why a command does nothing that must do all or nothing.
    pub(crate) fn refusal(self, text: &'static str) -> Tagged {
        Tagged::refused(self.code(), text)
    }

    fn code(self) -> Code<'static> {
        Code::MessageLimit { max: self.max, lowest: Some(self.lowest.0) }
    }

    /// RFC 9738 §3.1: in the answer of a command that did the rest; where that has another code, before it. One that failed says nothing:
    /// nobody is to take the rest for done.
    pub(crate) fn say(self, answer: &mut Tagged, encoder: &mut Encoder<'_>) {
        if answer.status == Status::Ok && answer.code.is_none() {
            answer.text = format!("{}, of the last {} messages", answer.text, self.max).into();
            answer.code = Some(ResultCode::Plain(self.code()));
        } else if answer.status == Status::Ok || answer.code == Some(ResultCode::Plain(Code::ExpungeIssued)) {
            encoder.untagged(Status::No, Some(self.code()), "Of the last messages only");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imap_proto::Dialect;

    #[test]
    fn the_last_ones_are_left() {
        let check = |count: u32, max: Option<u32>, left: &[u32], lowest: Option<u32>| {
            let mut uids: Vec<Uid> = (1..=count).map(Uid).collect();
            let cut = Cut::last_of(&mut uids, max);
            assert_eq!(uids, left.iter().map(|uid| Uid(*uid)).collect::<Vec<Uid>>());
            assert_eq!(cut.map(|cut| cut.lowest.0), lowest, "{count} {max:?}");
        };
        check(3, None, &[1, 2, 3], None);
        check(3, Some(4), &[1, 2, 3], None);
        check(3, Some(3), &[1, 2, 3], None);
        check(4, Some(3), &[2, 3, 4], Some(2));
        check(0, Some(1), &[], None);
    }

    #[test]
    fn one_answer_has_one_code() {
        let check = |mut answer: Tagged, before: &str, code: Option<Code<'static>>| {
            let mut output = Vec::new();
            let cut = Cut { max: 2, lowest: Uid(7) };
            cut.say(&mut answer, &mut Encoder::new(&mut output, Dialect::Rev1));
            assert_eq!(String::from_utf8(output).unwrap(), before);
            assert_eq!(answer.code, code.map(ResultCode::Plain));
        };
        let before = "* NO [MESSAGELIMIT 2 7] Of the last messages only\r\n";
        check(Tagged::ok("x"), "", Some(Code::MessageLimit { max: 2, lowest: Some(7) }));
        check(Tagged::ok("x").with(Code::HighestModSeq(1)), before, Some(Code::HighestModSeq(1)));
        // RFC 9738 §3.1: EXPUNGEISSUED ends the command.
        check(Tagged::refused(Code::ExpungeIssued, "x"), before, Some(Code::ExpungeIssued));
        check(Tagged::no("x"), "", None);
        check(Tagged::refused(Code::OverQuota, "x"), "", Some(Code::OverQuota));
    }
}
