//! The TRANSACTION and UPDATE states (RFC 1939 §5, §6): a maildrop and what the client has asked of it so far.

use crate::Outcome;
use crate::authorization::temporary;
use crate::listing::Listing;
use crate::retrieval::{Asked, Retrieval, Slice};
use crate::words::Words;
use auth::Presence;
use pop3_proto::{Command, MessageNumber, Reply};
use session::Moment;
use store::{
    Actor, Ahead, Body, EmailId, Error, LanguageTag, Maildrop, MaildropClosing, MaildropMessage, MaildropOptions,
    MaildropOutcome, Protocol, Timestamp,
};

/// QUIT takes note of at most so many messages in a step that nobody announced.
const UNANNOUNCED_MESSAGES_MAX: usize = 100;

pub(crate) struct Transaction {
    pub(crate) presence: Presence,
    maildrop: Maildrop,
    /// For each message: what the client did with it.
    marks: Vec<Mark>,
    /// RFC 6856 §2.1: messages are sent as they are.
    utf8: bool,
    /// Where the message stands that was asked for last.
    last: Option<usize>,
    /// Of those behind it.
    ahead: Ahead,
    answering: Option<Answer>,
    closing: Option<MaildropClosing>,
}

#[derive(Clone, Copy, Default)]
struct Mark {
    taken: bool,
    deleted: bool,
}

/// An answer of many lines that is being sent.
enum Answer {
    Listing(Listing),
    Retrieval(Retrieval),
}

impl Transaction {
    pub(crate) fn open(
        presence: Presence,
        options: &MaildropOptions,
        now: Timestamp,
        utf8: bool,
    ) -> Result<Self, Error> {
        let maildrop = presence.account().open_maildrop(presence.login().device, options, now)?;
        let marks = vec![Mark::default(); maildrop.messages().len()];
        let (last, ahead, answering, closing) = (None, Ahead::default(), None, None);
        Ok(Self { presence, maildrop, marks, utf8, last, ahead, answering, closing })
    }

    /// Octets of the message that is being sent.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        match &self.answering {
            Some(Answer::Retrieval(retrieval)) => retrieval.held_bytes(),
            Some(Answer::Listing(_)) | None => 0,
        }
    }

    /// What the owner of the account has chosen.
    pub(crate) fn language(&self) -> Option<LanguageTag> {
        self.presence.account().settings().ok().and_then(|settings| settings.language)
    }

    pub(crate) fn greeting(&self, words: &Words) -> Reply {
        Reply::ok((words.messages)(self.marks.len()))
    }

    /// What EXPIRE says of this maildrop.
    pub(crate) fn expires_after_days(&self) -> Option<u16> {
        self.maildrop.expires_after_days()
    }

    /// Whether the login does not count any more. A disk that cannot be read ends no session.
    pub(crate) fn is_over(&self, now: Moment) -> bool {
        // What QUIT has begun finds it out itself, and says what became of it.
        self.closing.is_none() && !self.presence.still_counts(Timestamp(now.unix_millis)).unwrap_or(true)
    }

    /// Whether the client reads an answer of many lines.
    pub(crate) fn is_answering(&self) -> bool {
        self.answering.is_some()
    }

    /// Goes on with an answer of many lines, if there is one.
    pub(crate) fn answer(&mut self, words: &Words, output: &mut Vec<u8>) -> Option<Slice> {
        let slice = match &mut self.answering {
            None => return None,
            Some(Answer::Listing(listing)) => {
                let marks = &self.marks;
                let is_there = |position: usize| marks.get(position).is_some_and(|mark| !mark.deleted);
                if listing.write(&self.maildrop, is_there, output) { Slice::More } else { Slice::Done }
            }
            Some(Answer::Retrieval(retrieval)) => retrieval.write(words, output),
        };
        if slice != Slice::More
            && let Some(Answer::Retrieval(retrieval)) = self.answering.take()
            && slice == Slice::Done
            && retrieval.asked().lines.is_none()
            && let Some(mark) = self.marks.get_mut(retrieval.asked().position)
        {
            mark.taken = true;
        }
        Some(slice)
    }

    pub(crate) fn handle(
        &mut self,
        command: Command,
        now: Moment,
        words: &'static Words,
        output: &mut Vec<u8>,
    ) -> Outcome {
        match command {
            Command::Stat => Outcome::Reply(self.stat()),
            Command::List(None) => self.list_all(Listing::sizes(self.utf8), output),
            Command::Uidl(None) => self.list_all(Listing::uidls(), output),
            Command::List(Some(number)) => {
                let utf8 = self.utf8;
                self.one(number, words, |maildrop, message| maildrop.size(message, utf8).to_string())
            }
            Command::Uidl(Some(number)) => {
                self.one(number, words, |maildrop, message| maildrop.uidl(message).into_owned())
            }
            Command::Retr(number) => self.retrieve(number, None, words),
            Command::Top(number, lines) => self.retrieve(number, Some(lines), words),
            Command::Dele(number) => self.delete(number, words),
            Command::Noop => Outcome::Reply(Reply::ok("")),
            Command::Rset => self.reset(),
            Command::Quit => self.quit(now, words),
            Command::User(_)
            | Command::Pass(_)
            | Command::Auth(_)
            | Command::AuthList
            | Command::Stls
            | Command::Utf8
            | Command::Lang(_)
            | Command::Capa => Outcome::Reply(Reply::err(words.is_logged_in)),
        }
    }

    /// RFC 1939 §5: messages marked as deleted are not counted.
    fn stat(&self) -> Reply {
        let there = self.maildrop.messages().iter().zip(&self.marks).filter(|(_, mark)| !mark.deleted);
        let (count, octets) =
            there.fold((0u64, 0u64), |(n, sum), (m, _)| (n + 1, sum + u64::from(self.maildrop.size(m, self.utf8))));
        Reply::ok(format!("{count} {octets}"))
    }

    fn list_all(&mut self, listing: Listing, output: &mut Vec<u8>) -> Outcome {
        Reply::ok("").encode(output);
        self.answering = Some(Answer::Listing(listing));
        Outcome::Done
    }

    /// The message of a number, unless it was deleted.
    fn find(&mut self, number: MessageNumber, words: &Words) -> Result<(MaildropMessage, &mut Mark), Outcome> {
        let position = usize::try_from(number.get() - 1).unwrap_or(usize::MAX);
        match (self.maildrop.messages().get(position), self.marks.get_mut(position)) {
            (Some(_), Some(mark)) if mark.deleted => Err(Outcome::Reply(Reply::err((words.is_deleted)(number.get())))),
            (Some(message), Some(mark)) => Ok((*message, mark)),
            _ => Err(Outcome::Reply(Reply::err((words.no_message)(number.get())))),
        }
    }

    fn one(
        &mut self,
        number: MessageNumber,
        words: &Words,
        text: impl Fn(&Maildrop, &MaildropMessage) -> String,
    ) -> Outcome {
        match self.find(number, words) {
            Ok((message, _)) => Outcome::Reply(Reply::ok(format!("{number} {}", text(&self.maildrop, &message)))),
            Err(refusal) => refusal,
        }
    }

    /// RETR, or with `lines` TOP, which does not count as taken.
    fn retrieve(&mut self, number: MessageNumber, lines: Option<u64>, words: &Words) -> Outcome {
        let message = match self.find(number, words) {
            Ok((message, _)) => message,
            Err(refusal) => return refusal,
        };
        let position = usize::try_from(number.get() - 1).unwrap_or(usize::MAX);
        let body = match self.body(position, message.email) {
            Ok(body) => body,
            // It was expunged so long ago that it has left retention too, within this session.
            Err(Error::NoSuchMessage) => return Outcome::Reply(Reply::err((words.is_gone)(number.get()))),
            Err(_) => return Outcome::Reply(temporary(words.message_is_broken)),
        };
        let (utf8, size) = (self.utf8, self.maildrop.size(&message, self.utf8));
        let retrieval = Retrieval::new(Asked { position, lines, utf8, size }, body);
        self.answering = Some(Answer::Retrieval(retrieval));
        Outcome::Done
    }

    /// The body of the message at `position`. Who asks for one message after the other is read ahead of.
    fn body(&mut self, position: usize, email: EmailId) -> Result<Body, Error> {
        let last = self.last.replace(position);
        if let Some(body) = self.ahead.take(email) {
            return Ok(body);
        }
        let reader = self.presence.account().reader()?;
        let body = reader.open(email, None)?;
        if last.is_some_and(|last| last + 1 == position) {
            let behind = self.maildrop.messages().iter().skip(position + 1);
            self.ahead = reader.read_ahead(behind.map(|message| (message.email, message.size)));
        }
        Ok(body)
    }

    fn delete(&mut self, number: MessageNumber, words: &Words) -> Outcome {
        match self.find(number, words) {
            Ok((_, mark)) => {
                mark.deleted = true;
                Outcome::Reply(Reply::ok((words.will_be_deleted)(number.get())))
            }
            Err(refusal) => refusal,
        }
    }

    fn reset(&mut self) -> Outcome {
        self.marks.iter_mut().for_each(|mark| mark.deleted = false);
        Outcome::Reply(self.stat())
    }

    fn marked(&self, is_marked: impl Fn(&Mark) -> bool) -> Vec<EmailId> {
        let messages = self.maildrop.messages().iter().zip(&self.marks);
        messages.filter(|(_, mark)| is_marked(mark)).map(|(message, _)| message.email).collect()
    }

    /// RFC 1939 §6: the UPDATE state. `+OK` means that it is on disk.
    fn quit(&mut self, now: Moment, words: &Words) -> Outcome {
        let actor =
            Actor { device: self.presence.login().device, protocol: Protocol::Pop3, now: Timestamp(now.unix_millis) };
        let (taken, deleted) = (self.marked(|mark| mark.taken), self.marked(|mark| mark.deleted));
        let closing = self.presence.account().begin_closing(actor, &self.maildrop, taken, deleted);
        let takes_long = closing.len() > UNANNOUNCED_MESSAGES_MAX;
        self.closing = Some(closing);
        if takes_long { Outcome::Slice } else { self.close(words) }
    }

    /// Goes on with the UPDATE state, if the session is in it.
    pub(crate) fn update(&mut self, words: &Words) -> Option<Outcome> {
        self.closing.is_some().then(|| self.close(words))
    }

    /// One piece of what QUIT does.
    fn close(&mut self, words: &Words) -> Outcome {
        let Some(mut closing) = self.closing.take() else { return Outcome::Close(Reply::ok(words.goodbye)) };
        let done = match closing.piece(self.presence.account()) {
            Ok(true) => {
                self.closing = Some(closing);
                return Outcome::Slice;
            }
            Ok(false) => Ok(closing.outcome()),
            Err(error) => Err(error),
        };
        let so_far = closing.outcome();
        Outcome::Close(match done {
            Ok(MaildropOutcome { kept: 0, expunged: 0, moved: 0 }) => Reply::ok(words.goodbye),
            Ok(MaildropOutcome { kept: 0, expunged, moved: 0 }) => Reply::ok((words.deleted)(expunged)),
            Ok(MaildropOutcome { kept, expunged, moved }) => {
                Reply::ok((words.deleted_here)(expunged + kept + moved, kept + moved))
            }
            Err(Error::NoSpace(_)) => temporary(words.no_space),
            Err(Error::ReadOnly) => temporary(words.read_only),
            Err(Error::LoginEnded | Error::NoSuchAccount) if so_far == MaildropOutcome::default() => {
                Reply::err(words.login_ended)
            }
            Err(_) => temporary(words.deletion_is_broken),
        })
    }
}
