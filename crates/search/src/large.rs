//! Texts in a large message: looked through in windows, so that no more of the message is in memory than a window, and in as
//! many turns as it takes.
//!
//! A window ends with a line, where every charset but UTF-16 and UTF-32 begins anew. The end of one window is the beginning
//! of the next, so that nothing is missed that stands on both sides.

use message::html::Reader;
use message::text;
use message::transfer::{Decoder, Encoding};
use message::{Part, Structure, charset, section};
use store::{Body, Error};

/// So much of a part is read and decoded at a time.
const WINDOW_BYTES: usize = 64 * 1024;
/// A line that is longer is cut.
const LINE_BYTES_MAX: usize = 256 * 1024;
/// Of a header of a part so much is looked at, as in envelopes and structures.
const HEADER_BYTES_MAX: usize = message::limits::HEADER_BYTES_MAX;
/// Before a message is read it is looked through once, so much in a turn.
const CHECKED_BYTES_PER_TURN: usize = 4 * 1024 * 1024;

/// A large message, as far as it was read.
#[derive(Debug)]
pub(crate) struct Large {
    body: Body,
    /// So many octets at the end of a window are at the beginning of the next.
    overlap: usize,
    /// So many parts are done.
    parts: usize,
    /// The text of the next one, if its header is done.
    text: Option<Text>,
}

/// What the parts of a message have that a search looks into, in order.
#[derive(Debug)]
pub(crate) enum Piece<'t> {
    /// A header.
    Head(&'t str),
    /// The next window of a text, made of so many octets `read`; what was in no window before begins at `new_at`.
    Text { window: &'t str, new_at: usize, read: usize },
    /// The end of a text.
    End,
}

/// A text that is read.
#[derive(Debug)]
struct Text {
    decoder: Decoder,
    html: Option<Reader>,
    /// The next octets to be read.
    at: usize,
    decoded: Vec<u8>,
    window: String,
}

impl Piece<'_> {
    /// How much it is, and how much was gone through for it: what is not seen of HTML takes its time too.
    pub(crate) fn octets(&self) -> usize {
        match self {
            Self::Head(text) => text.len(),
            Self::Text { window, read, .. } => window.len().max(*read),
            Self::End => 0,
        }
    }
}

impl Large {
    pub(crate) fn new(body: Body, overlap: usize) -> Self {
        Self { body, overlap, parts: 0, text: None }
    }

    /// Gives the next pieces to `take`, until it wants no more in this turn; whether there are none any more.
    ///
    /// # Errors
    /// As [`Body::piece`].
    pub(crate) fn read(
        &mut self,
        structure: &Structure,
        take: &mut dyn FnMut(Piece<'_>) -> bool,
    ) -> Result<bool, Error> {
        if !self.body.check(CHECKED_BYTES_PER_TURN)? {
            return Ok(false);
        }
        for part in structure.root.walk().skip(self.parts) {
            let text = match &mut self.text {
                Some(text) => text,
                none => {
                    let head = head(&mut self.body, part)?;
                    if text::is_read(part) {
                        *none = Some(Text::of(part));
                    } else {
                        self.parts += 1;
                    }
                    if !take(Piece::Head(&head)) {
                        return Ok(false);
                    }
                    let Some(text) = none else { continue };
                    text
                }
            };
            loop {
                let (from, new_at) = (text.at, text.window.len());
                let is_end = text.read(&mut self.body, part)?;
                let goes_on = take(Piece::Text { window: &text.window, new_at, read: text.at - from });
                if is_end {
                    break;
                }
                text.keep(self.overlap);
                if !goes_on {
                    return Ok(false);
                }
            }
            (self.parts, self.text) = (self.parts + 1, None);
            if !take(Piece::End) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn head(body: &mut Body, part: &Part) -> Result<String, Error> {
    let mut header = Vec::new();
    let end = part.header.end.min(part.header.start.saturating_add(HEADER_BYTES_MAX));
    body.copy(part.header.start..end, &mut header)?;
    Ok(text::head_text(part, &header))
}

impl Text {
    fn of(part: &Part) -> Self {
        Self {
            // What has an unknown transfer encoding is taken as it is.
            decoder: Decoder::new(section::encoding(part).unwrap_or(Encoding::Identity)),
            html: text::is_html(part).then(Reader::default),
            at: part.body.start,
            decoded: Vec::new(),
            window: String::new(),
        }
    }

    /// Makes the window longer, if there is anything in the next octets; whether it is the last one.
    fn read(&mut self, body: &mut Body, part: &Part) -> Result<bool, Error> {
        let label = part.parameter("charset").unwrap_or_default();
        let piece = body.piece(self.at..part.body.end.min(self.at + WINDOW_BYTES))?;
        let is_end = piece.is_empty();
        if is_end {
            self.decoder.finish(&mut self.decoded);
        } else {
            self.decoder.feed(piece, &mut self.decoded);
            self.at += piece.len();
        }
        let cut = if is_end { self.decoded.len() } else { whole_lines(&self.decoded, label) };
        if cut == 0 && !is_end {
            return Ok(false);
        }
        let text = charset::decode(label, self.decoded.get(..cut).unwrap_or_default());
        match &mut self.html {
            Some(html) => {
                html.feed(&text, &mut self.window);
                if is_end {
                    html.finish(&mut self.window);
                }
            }
            None => self.window.push_str(&text),
        }
        drop(text);
        self.decoded.drain(..cut);
        Ok(is_end)
    }

    /// Keeps the end of the window.
    fn keep(&mut self, octets: usize) {
        let kept = self.window.len().saturating_sub(octets);
        self.window.drain(..self.window.ceil_char_boundary(kept));
    }
}

/// How much of `text` can be decoded without what follows.
fn whole_lines(text: &[u8], label: &[u8]) -> usize {
    let is_wide = [b"utf-16".as_slice(), b"utf-32", b"ucs-2"]
        .iter()
        .any(|wide| label.get(..wide.len()).is_some_and(|label| label.eq_ignore_ascii_case(wide)));
    if is_wide {
        return text.len() / 4 * 4;
    }
    match text.iter().rposition(|byte| *byte == b'\n') {
        Some(line_end) => line_end + 1,
        None if text.len() < LINE_BYTES_MAX => 0,
        // Not within a character of UTF-8.
        None => {
            let within = text.iter().rev().take(4).position(|byte| byte & 0xc0 != 0x80).unwrap_or(0);
            text.len() - (within + 1).min(text.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Answers;
    use crate::{Condition, Looked, Search, Wanted};
    use message::Summary;
    use message::fold::Needle;
    use message::text::Scope;
    use std::sync::Arc;
    use store::objects::Objects;
    use store::sim::{SimEngine, SimObjects};
    use store::{
        Account, AccountId, Actor, DeviceId, Flags, NewMessage, Protocol, Store, Target, Timestamp, WHOLE_BYTES_MAX,
    };

    /// Whether the windows say what the whole says, which is what is expected.
    fn check(message: &str, needle: &str, scope: Scope, expected: bool) {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), Timestamp(0)).unwrap();
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Server, now: Timestamp(0) };
        let new = NewMessage { body: message.into(), flags: Flags::default(), internal_date: Timestamp(0) };
        let email = account.append(actor, Target::Inbox, new).unwrap().email;
        let body = account.reader().unwrap().open(email, None).unwrap();
        assert!(body.whole().is_none() && message.len() > WHOLE_BYTES_MAX);
        let (summary, needle) = (Summary::parse(message.as_bytes()), Needle::new(needle));
        let whole = text::contains(message.as_bytes(), &summary.structure, scope, &needle);
        let mut answers = Answers::to(&Condition::Text(scope, needle.clone()));
        let mut large = Large::new(body, answers.overlap());
        let mut turns = 0;
        // A turn for each piece.
        while !large
            .read(&summary.structure, &mut |piece| {
                answers.take(&piece);
                false
            })
            .unwrap()
        {
            turns += 1;
        }
        answers.end();
        assert!(turns > 1);
        assert_eq!((answers.has(scope, &needle), whole), (Some(expected), expected), "{needle:?}");
    }

    /// One message of these octets.
    fn account_of(message: Vec<u8>) -> Account {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), Timestamp(0)).unwrap();
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Server, now: Timestamp(0) };
        let new = NewMessage { body: message, flags: Flags::default(), internal_date: Timestamp(0) };
        account.append(actor, Target::Inbox, new).unwrap();
        account
    }

    /// In how many slices a condition was looked for, and whether it holds.
    fn slices(account: &Account, condition: Condition) -> (usize, bool) {
        let inbox = account.view(account.mailboxes().unwrap().by_name("INBOX").unwrap().id).unwrap();
        let mut search = Search::new(condition, inbox.index().clone(), Wanted::Everything);
        let mut slices = 1;
        while search.look(account).unwrap() == Looked::More {
            slices += 1;
        }
        assert_eq!(search.unreadable(), 0);
        (slices, search.found().count == 1)
    }

    #[test]
    fn many_texts_of_one_large_message_were_looked_for_in_one_slice() {
        let of = |lines: usize| {
            let lines = "A line of text, and another one behind it.\r\n".repeat(lines);
            account_of(format!("Subject: large\r\n\r\n{lines}needle\r\n").into_bytes())
        };
        let account = of(200_000);
        let text = |n: usize| Condition::Text(Scope::Bodies, Needle::new(&format!("absent {n}")));
        let last = || Condition::Text(Scope::Bodies, Needle::new("needle"));
        let (one, few) = (slices(&account, last()), slices(&account, Condition::or((0..8).map(text).collect())));
        assert!(one.1 && one.0 > 4, "{one:?}");
        assert!(!few.1 && few.0 > 3 * one.0, "{few:?}");
        // What is in the header is known before anything is read of the rest.
        let subject = Condition::Text(Scope::Everything, Needle::new("subject: l"));
        assert!(slices(&account, subject).0 < one.0);
        let smaller = of(4_000);
        let holds = |condition: Condition| slices(&smaller, condition).1;
        assert!(holds(Condition::and(vec![Condition::Not(Box::new(text(0))), last()])));
        assert!(!holds(Condition::Not(Box::new(last()))));
        assert!(holds(Condition::fuzzy(last(), "neeedle")));
        assert!(!holds(Condition::fuzzy(last(), "something else")));
    }

    #[test]
    fn what_shows_no_text_was_gone_through_in_one_slice() {
        let needle = || Condition::Text(Scope::Bodies, Needle::new("needle"));
        let filler = "A line of text, and another one behind it.\r\n";
        let seen = slices(&account_of(format!("\r\n{}needle", filler.repeat(150_000)).into_bytes()), needle());
        let html = |lines: &str| format!("Content-Type: text/html\r\n\r\n<!--{lines}-->needle");
        let hidden = slices(&account_of(html(&filler.repeat(150_000)).into_bytes()), needle());
        assert!(seen.1 && hidden.1 && hidden.0 >= seen.0, "{seen:?} {hidden:?}");
        let head = "Content-Transfer-Encoding: base64\r\n\r\n";
        let empty = format!("{head}{}bmVlZGxl", " \r\n".repeat(filler.len() * 150_000 / 3));
        let empty = slices(&account_of(empty.into_bytes()), needle());
        assert!(empty.1 && empty.0 >= seen.0, "{seen:?} {empty:?}");
    }

    #[test]
    fn windows_find_what_the_whole_has() {
        let lines = "A line of text, and another one behind it.\r\n".repeat(5_000);
        let text =
            format!("Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{lines}Stra\u{df}e\r\n{lines}");
        for (needle, expected) in [
            ("STRA\u{df}E", true),
            ("STRASSE", false),
            ("stra\u{df}e\r\nA line", true),
            ("absent", false),
            ("SUBJECT", false),
        ] {
            check(&text, needle, Scope::Bodies, expected);
        }
        check(&text, "subject", Scope::Everything, true);
        // Without a line end, with characters of several octets over every cut.
        for shift in 0..4 {
            let line = format!("{}{}needle", "x".repeat(shift), "\u{e4}\u{20ac}\u{1f600}".repeat(120_000));
            check(&format!("\r\n{line}"), "\u{1f600}NEEDLE", Scope::Bodies, true);
            check(&format!("\r\n{line}"), "\u{fffd}", Scope::Bodies, false);
        }
    }

    #[test]
    fn a_needle_over_the_end_of_a_window_is_found() {
        for before in [WINDOW_BYTES - 5, WINDOW_BYTES, 4 * WINDOW_BYTES - 3, LINE_BYTES_MAX - 4, LINE_BYTES_MAX + 1] {
            let text = format!("\r\n{}needle{}", "x".repeat(before), "y".repeat(3 * LINE_BYTES_MAX));
            check(&text, "needle", Scope::Bodies, true);
            check(&text, "xneedley", Scope::Bodies, true);
            check(&text, "needles", Scope::Bodies, false);
        }
    }

    #[test]
    fn html_is_read_as_a_whole() {
        let markup = format!("<p>{}</p>\r\n<!-- {} -->", "<b>a line</b> of<br>".repeat(3), "hidden ".repeat(20));
        let head = "Content-Type: text/html; charset=utf-8\r\n\r\n";
        let message =
            format!("{head}{}<p>need<i>le\r\n of\r\n{}<td>hay</p>", markup.repeat(2_000), markup.repeat(2_000));
        check(&message, "needle of\na line of", Scope::Bodies, true);
        check(&message, "of\nhay", Scope::Bodies, true);
        check(&message, "hidden", Scope::Everything, false);
        let tag = format!("{head}{}<a title=\"{}\">needle", markup.repeat(2_000), "<b>no".repeat(WINDOW_BYTES));
        check(&tag, "needle", Scope::Bodies, true);
        check(&tag, "no", Scope::Bodies, false);
    }

    #[test]
    fn encodings_are_taken_off() {
        let quoted = "caf=C3=A9 =\r\n au lait\r\n".repeat(20_000);
        let head = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
        check(&format!("{head}{quoted}"), "caf\u{e9}  au", Scope::Bodies, true);
        check(&format!("{head}{quoted}"), "=C3", Scope::Bodies, false);
    }

    #[test]
    fn large_messages_that_could_not_be_read_were_waited_for_one_after_the_other_in_one_slice() {
        let objects = SimObjects::new();
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(objects.clone()));
        let account = store.create_account(AccountId(16), Timestamp(0)).unwrap();
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Server, now: Timestamp(0) };
        for n in 0..3 {
            let body = format!("Subject: {n}\r\n\r\n{}", "large\r\n".repeat(WHOLE_BYTES_MAX / 7 + 1)).into();
            let new = NewMessage { body, flags: Flags::default(), internal_date: Timestamp(0) };
            account.append(actor, Target::Inbox, new).unwrap();
        }
        for (name, _) in objects.list(account.id()).unwrap() {
            objects.remove(account.id(), &name).unwrap();
        }
        let inbox = account.view(account.mailboxes().unwrap().by_name("INBOX").unwrap().id).unwrap();
        let condition = Condition::Text(Scope::Bodies, Needle::new("large"));
        let mut search = Search::new(condition, inbox.index().clone(), Wanted::Everything);
        let mut slices = 1;
        while search.look(&account).unwrap() == Looked::More {
            slices += 1;
        }
        assert_eq!((slices, search.unreadable()), (4, 3));
    }
}
