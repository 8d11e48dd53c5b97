//! Counts what a client does wrong, or for nothing, and when it is enough.

use crate::limits::Limits;
use crate::replies;
use smtp_proto::{Enhanced, Reply};

/// What a client did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// RCPT.
    Recipient,
    /// AUTH, or a line of it.
    Login,
    /// MAIL, DATA, BDAT, a message, QUIT, STARTTLS.
    Transfer,
    /// Anything that leads nowhere.
    Idle,
}

/// What a client did wrong, where it is counted for its network and answered late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// A recipient that does not exist, or is elsewhere: whoever tries whether this server relays.
    Recipient,
    /// What is no command, not now, or not so (RFC 5321 §4.2.2).
    Command,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    bad_commands: u32,
    refused_recipients: u32,
    put_off_recipients: u32,
    idle_commands: u32,
    /// What was counted as a [`Mistake`].
    pub(crate) mistakes: u32,
    /// The recipient under way is elsewhere, and its sender may not send there: the reply says it in the words of a refusal.
    pub(crate) is_elsewhere: bool,
    pub(crate) messages: u32,
}

impl Tally {
    /// Which mistake a deed was, by its reply.
    pub(crate) fn mistake(&mut self, deed: Deed, reply: &Reply) -> Option<Mistake> {
        let is_elsewhere = std::mem::take(&mut self.is_elsewhere);
        match (deed, reply.code) {
            // RFC 3463 §3.2: X.1.x is about the address. That its sender or its host is refused is none of the client's mistakes.
            (Deed::Recipient, 550) => {
                (is_elsewhere || matches!(reply.enhanced, Some(Enhanced(_, 1, _)))).then_some(Mistake::Recipient)
            }
            (_, 500..=504 | 555) => Some(Mistake::Command),
            _ => None,
        }
    }

    /// Counts a deed by its reply, and by the mistake that it was; the last word, if it was one too many.
    pub(crate) fn note(
        &mut self,
        (deed, mistake): (Deed, Option<Mistake>),
        reply: &Reply,
        limits: &Limits,
    ) -> Option<Reply> {
        if deed == Deed::Recipient && reply.is_positive() {
            self.put_off_recipients = 0;
        }
        let (count, limit, text) = match deed {
            Deed::Recipient if reply.code / 100 == 4 => {
                let text = "Too many recipients that are to come again later";
                (&mut self.put_off_recipients, limits.put_off_recipients_max, text)
            }
            Deed::Recipient if mistake == Some(Mistake::Recipient) => {
                (&mut self.refused_recipients, limits.refused_recipients_max, "Too many recipients that are not here")
            }
            // Its sender or its host is refused, for each recipient anew.
            Deed::Recipient if reply.code == 550 => {
                (&mut self.put_off_recipients, limits.put_off_recipients_max, "Too many recipients that are refused")
            }
            _ if reply.is_permanent() => (&mut self.bad_commands, limits.bad_commands_max, "Too many errors"),
            Deed::Idle => (&mut self.idle_commands, limits.idle_commands_max, "Too many commands without a message"),
            Deed::Recipient | Deed::Login | Deed::Transfer => return None,
        };
        *count = count.saturating_add(1);
        (*count > limit).then(|| replies::bye(Enhanced(4, 7, 0), text))
    }

    /// A message was accepted.
    pub(crate) fn message(&mut self) {
        self.messages = self.messages.saturating_add(1);
        self.idle_commands = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &'static str, status: Enhanced) -> Reply {
        Reply::new(550, status, text)
    }

    #[test]
    fn a_refusal_by_spf_counted_as_a_recipient_that_does_not_exist() {
        let limits = Limits { refused_recipients_max: 1, put_off_recipients_max: 3, ..Limits::default() };
        let last_word = |is_elsewhere, status, times| {
            let mut tally = Tally::default();
            let words = (0..times).filter_map(|_| {
                tally.is_elsewhere = is_elsewhere;
                let reply = reply("no", status);
                let mistake = tally.mistake(Deed::Recipient, &reply);
                tally.note((Deed::Recipient, mistake), &reply, &limits).map(|word| word.text())
            });
            words.last().unwrap_or_default()
        };
        // RFC 7372 §3.2: SPF validation failed.
        let spf = Enhanced(5, 7, 23);
        assert_eq!(last_word(false, spf, 3), "");
        assert!(last_word(false, spf, 4).contains("that are refused"), "it has a limit of its own");
        assert!(last_word(false, Enhanced(5, 1, 1), 2).contains("that are not here"));
        assert!(last_word(true, Enhanced(5, 7, 1), 2).contains("that are not here"), "who tries to relay");
        assert_eq!(last_word(true, Enhanced(5, 7, 1), 1), "");
    }
}
