//! Texts in a large message: looked through in windows, so that no more of the message is in memory than a window.
//!
//! A window ends with a line, where every charset but UTF-16 and UTF-32 begins anew. The end of one window is the beginning
//! of the next, so that nothing is missed that stands on both sides.

use message::fold::Needle;
use message::html::Reader;
use message::text::{self, Scope};
use message::transfer::{Decoder, Encoding};
use message::{Part, Structure, charset, section};
use std::cell::{Cell, RefCell};
use store::{Body, Error};

/// So much of a part is read and decoded at a time.
const WINDOW_BYTES: usize = 64 * 1024;
/// A line that is longer is cut.
const LINE_BYTES_MAX: usize = 256 * 1024;
/// Of a header of a part so much is looked at, as in envelopes and structures.
const HEADER_BYTES_MAX: usize = message::limits::HEADER_BYTES_MAX;

/// A large message, and what went wrong while it was read: a condition is a question that has no room for an error.
pub(crate) struct Large {
    body: RefCell<Body>,
    error: Cell<Option<Error>>,
}

impl Large {
    pub(crate) fn new(body: Body) -> Self {
        Self { body: RefCell::new(body), error: Cell::new(None) }
    }

    /// Whether the message has `needle` in it, as [`text::contains`] says; no answer where it cannot be read.
    pub(crate) fn contains(&self, structure: &Structure, scope: Scope, needle: &Needle) -> Option<bool> {
        self.read(structure, scope, needle.source_bytes_max(), &mut |text| needle.is_in(text))
    }

    /// Gives the texts of the message to `is_it`, in windows that have their first `overlap` octets in common with the one before,
    /// until it is what was looked for. Whether it was; no answer where it cannot be read.
    pub(crate) fn read(
        &self,
        structure: &Structure,
        scope: Scope,
        overlap: usize,
        is_it: &mut dyn FnMut(&str) -> bool,
    ) -> Option<bool> {
        match read(&mut self.body.borrow_mut(), structure, scope, overlap, is_it) {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.error.set(Some(error));
                None
            }
        }
    }

    /// What went wrong, if anything did.
    pub(crate) fn into_error(self) -> Option<Error> {
        self.error.into_inner()
    }
}

fn read(
    body: &mut Body,
    structure: &Structure,
    scope: Scope,
    overlap: usize,
    is_it: &mut dyn FnMut(&str) -> bool,
) -> Result<bool, Error> {
    for part in structure.root.walk() {
        if scope == Scope::Everything && is_it(&head(body, part)?) {
            return Ok(true);
        }
        if text::is_read(part) && is_in_text(body, part, overlap, is_it)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What the parts of a message have that a search looks into, in order.
pub(crate) enum Piece<'t> {
    /// A header.
    Head(&'t str),
    /// The next window of a text.
    Text(&'t str),
    /// Its end.
    End,
}

impl Piece<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Head(text) | Self::Text(text) => text.len(),
            Self::End => 0,
        }
    }
}

/// Gives all that a search looks into to `take`, until it wants no more; whether it took all.
pub(crate) fn each(
    body: &mut Body,
    structure: &Structure,
    take: &mut dyn FnMut(Piece<'_>) -> bool,
) -> Result<bool, Error> {
    for part in structure.root.walk() {
        if !take(Piece::Head(&head(body, part)?)) {
            return Ok(false);
        }
        if !text::is_read(part) {
            continue;
        }
        if is_in_text(body, part, 0, &mut |text| !take(Piece::Text(text)))? || !take(Piece::End) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn head(body: &mut Body, part: &Part) -> Result<String, Error> {
    let mut header = Vec::new();
    let end = part.header.end.min(part.header.start.saturating_add(HEADER_BYTES_MAX));
    body.copy(part.header.start..end, &mut header)?;
    Ok(text::head_text(part, &header))
}

fn is_in_text(
    body: &mut Body,
    part: &Part,
    overlap: usize,
    is_it: &mut dyn FnMut(&str) -> bool,
) -> Result<bool, Error> {
    let label = part.parameter("charset").unwrap_or_default();
    // What has an unknown transfer encoding is taken as it is.
    let mut decoder = Decoder::new(section::encoding(part).unwrap_or(Encoding::Identity));
    let mut html = text::is_html(part).then(Reader::default);
    let (mut at, mut decoded, mut window) = (part.body.start, Vec::new(), String::new());
    loop {
        let piece = body.piece(at..part.body.end.min(at + WINDOW_BYTES))?;
        let is_end = piece.is_empty();
        if is_end {
            decoder.finish(&mut decoded);
        } else {
            decoder.feed(piece, &mut decoded);
            at += piece.len();
        }
        let cut = if is_end { decoded.len() } else { whole_lines(&decoded, label) };
        if cut > 0 || is_end {
            let text = charset::decode(label, decoded.get(..cut).unwrap_or_default());
            match &mut html {
                Some(html) => {
                    html.feed(&text, &mut window);
                    if is_end {
                        html.finish(&mut window);
                    }
                }
                None => window.push_str(&text),
            }
            drop(text);
            decoded.drain(..cut);
            if is_it(&window) {
                return Ok(true);
            }
            let kept = window.len().saturating_sub(overlap);
            window.drain(..window.ceil_char_boundary(kept));
        }
        if is_end {
            return Ok(false);
        }
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
    use crate::{Condition, Looked, Search, Wanted};
    use message::Summary;
    use std::sync::Arc;
    use store::objects::Objects;
    use store::sim::{SimEngine, SimObjects};
    use store::{AccountId, Actor, DeviceId, Flags, NewMessage, Protocol, Store, Target, Timestamp, WHOLE_BYTES_MAX};

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
        let large = Large::new(body);
        assert_eq!(
            (large.contains(&summary.structure, scope, &needle), whole),
            (Some(expected), expected),
            "{needle:?}"
        );
        assert_eq!(large.into_error(), None);
    }

    #[test]
    fn windows_find_what_the_whole_has() {
        let lines = "A line of text, and another one behind it.\r\n".repeat(5_000);
        let text =
            format!("Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{lines}Stra\u{df}e\r\n{lines}");
        for (needle, expected) in
            [("STRASSE", true), ("stra\u{df}e\r\nA line", true), ("absent", false), ("SUBJECT", false)]
        {
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
