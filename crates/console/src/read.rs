//! A message as its owner reads it on the pages: what is text in it, and what lies beside it, to be taken away as a file.
//!
//! HTML is the text that a person would see of it (docs/decisions/0118-a-reader-without-html.md); as its sender made it, it is in
//! [`crate::as_sent`]. Reading here marks nothing as read.

use crate::account::AccountConsole;
use crate::error::Error;
use crate::moment::shown as moment;
use crate::names::{MessageLine, Names, shown};
use crate::words;
use message::transfer::{Decoder, Encoding};
use message::{Address, Content, Part, Structure, Summary, date, encoded_word, parameter, section, text};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use store::{Body, EmailId, Timestamp};
use wording::tr;

/// So many octets of texts, as they were sent, are shown of a message.
pub(crate) const TEXT_BYTES_MAX: usize = 256 * 1024;
/// So many files are listed; the source has all.
pub(crate) const FILES_MAX: usize = 100;
/// So many addresses are shown of a field.
const ADDRESSES_MAX: usize = 50;
/// The name of a file has so many characters at most.
const NAME_CHARS_MAX: usize = 120;

/// A message to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageText {
    /// The message.
    pub message: MessageLine,
    /// When it was sent, by its own Date.
    pub sent_at: Option<String>,
    /// Who it is from: names and addresses.
    pub from: Vec<String>,
    /// Who it is to.
    pub to: Vec<String>,
    /// Who gets a copy.
    pub cc: Vec<String>,
    /// Its texts, in their order.
    pub texts: Vec<String>,
    /// Its text is damaged on disk: what it was is not known any more.
    pub is_damaged: bool,
    /// There is more text than [`MessageText::texts`] has.
    pub is_cut: bool,
    /// What lies beside the texts.
    pub files: Vec<FileLine>,
    /// How many files are not listed.
    pub more_files: usize,
    /// How large the whole message is, in words.
    pub size: String,
    /// It can be shown as it was sent, too ([`AccountConsole::as_sent`]).
    #[serde(skip)]
    pub has_html: bool,
    /// A plain text is among its texts.
    #[serde(skip)]
    pub has_plain: bool,
}

/// A part of a message that is taken away as a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileLine {
    /// Its part number, as IMAP counts: `2.1` (RFC 9051 §6.4.5.1).
    pub part: String,
    /// What its sender calls it, without what steers a terminal or names a directory.
    pub name: String,
    /// `image/png`, as its sender says.
    pub media_type: String,
    /// How large it is as it was sent, in words; base64 makes it a third more.
    pub size: String,
}

/// What is taken away as a file, in pieces.
pub struct Download {
    /// How it is called.
    pub name: String,
    body: Body,
    range: Range<usize>,
    decoder: Option<Decoder>,
}

/// Which of several alternatives is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preference {
    /// The plain one: it loses nothing.
    Plain,
    /// What looks as its sender wants it to.
    Html,
}

/// What is text in a message, and what is not, with part numbers.
pub(crate) struct Sorted<'s> {
    preference: Preference,
    pub(crate) texts: Vec<&'s Part>,
    files: Vec<(Vec<u32>, &'s Part)>,
}

impl AccountConsole {
    /// A message to be read, wherever it is: in a mailbox, held, or removed and kept.
    ///
    /// # Errors
    /// [`Error::Refused`] when nothing is known of it, [`store::Error::NoSuchMessage`] when it has left retention, faults.
    pub fn read(&self, id: &str) -> Result<MessageText, Error> {
        let email = email(id)?;
        let reader = self.account.reader()?;
        let summary = reader.summary(email)?;
        let sorted = Sorted::of(&summary.structure, Preference::Plain);
        let read = reader.open(email, None).map_err(Error::from);
        let read = read
            .and_then(|mut body| texts(&sorted.texts, &mut body, |part, octets| legible(&text::of_body(part, octets))));
        // Who wrote what about when is kept apart from it.
        let is_damaged = matches!(read, Err(Error::Store(store::Error::Damaged(_))));
        let (texts, is_cut) = if is_damaged { (Vec::new(), false) } else { read? };
        Ok(MessageText {
            texts: texts.into_iter().map(|(_, text)| text).collect(),
            is_damaged,
            is_cut,
            files: sorted.files.iter().take(FILES_MAX).map(|(path, part)| file(path, part)).collect(),
            more_files: sorted.files.len().saturating_sub(FILES_MAX),
            has_html: has_html(&summary.structure),
            has_plain: sorted.texts.iter().any(|part| !text::is_html(part)),
            ..self.head(email, &summary)?
        })
    }

    /// The same without its texts and without what lies beside them: who wrote it to whom, when, and about what. Nothing of the
    /// message itself is opened.
    ///
    /// # Errors
    /// As [`AccountConsole::read`].
    pub(crate) fn letterhead(&self, id: &str) -> Result<MessageText, Error> {
        let email = email(id)?;
        let summary = self.account.reader()?.summary(email)?;
        Ok(MessageText { has_html: has_html(&summary.structure), ..self.head(email, &summary)? })
    }

    fn head(&self, email: EmailId, summary: &Summary) -> Result<MessageText, Error> {
        let names = Names::of(&self.account)?;
        let envelope = &summary.envelope;
        let sent = envelope.date.as_deref().and_then(date::parse);
        Ok(MessageText {
            message: names.message(email)?,
            sent_at: sent.map(|at| moment(Timestamp(at.unix_seconds.saturating_mul(1000)))),
            from: addresses(&envelope.from),
            to: addresses(&envelope.to),
            cc: addresses(&envelope.cc),
            texts: Vec::new(),
            is_damaged: false,
            is_cut: false,
            files: Vec::new(),
            more_files: 0,
            size: size(summary.structure.size()),
            has_html: false,
            has_plain: false,
        })
    }

    /// A part of a message, without its transfer encoding; `part` is the number of a [`FileLine`].
    ///
    /// # Errors
    /// As [`AccountConsole::read`]; [`Error::Unknown`] for a part that there is not.
    pub fn download(&self, id: &str, part: &str) -> Result<Download, Error> {
        let unknown = || Error::Unknown(tr!("The message has no such part.").to_owned());
        let email = email(id)?;
        let reader = self.account.reader()?;
        let structure = reader.summary(email)?.structure;
        let path: Result<Vec<u32>, _> = part.split('.').map(str::parse).collect();
        let found = section::part(&structure, &path.map_err(|_| unknown())?).ok_or_else(unknown)?;
        // What is encoded in a way that nobody knows goes out as it came.
        let encoding = section::encoding(found).ok().filter(|encoding| *encoding != Encoding::Identity);
        Ok(Download {
            name: name_of(found),
            body: reader.open(email, None)?,
            range: found.body.start..found.body.end,
            decoder: encoding.map(Decoder::new),
        })
    }

    /// A whole message as it came, octet for octet.
    ///
    /// # Errors
    /// As [`AccountConsole::read`].
    pub fn source(&self, id: &str) -> Result<Download, Error> {
        let body = self.account.reader()?.open(email(id)?, None)?;
        Ok(Download { name: "message.eml".to_owned(), range: 0..body.len(), body, decoder: None })
    }
}

impl Download {
    /// The next octets, as many as are at hand; `None` at the end.
    ///
    /// # Errors
    /// Faults: what is damaged, above all. What came before is then not the whole.
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            let piece = self.body.piece(self.range.clone())?;
            self.range.start += piece.len();
            let mut octets = Vec::new();
            match (piece.is_empty(), &mut self.decoder) {
                (false, Some(decoder)) => decoder.feed(piece, &mut octets),
                (false, None) => octets.extend_from_slice(piece),
                (true, decoder) => {
                    let Some(mut last) = decoder.take() else { return Ok(None) };
                    last.finish(&mut octets);
                }
            }
            if !octets.is_empty() {
                return Ok(Some(octets));
            }
        }
    }
}

impl<'s> Sorted<'s> {
    pub(crate) fn of(structure: &'s Structure, preference: Preference) -> Self {
        let mut sorted = Self { preference, texts: Vec::new(), files: Vec::new() };
        let path = if matches!(structure.root.content, Content::Multipart(_)) { Vec::new() } else { vec![1] };
        sorted.sort(&path, &structure.root, true);
        sorted
    }

    /// `is_wanted`: texts are read; those that say again what is read already are not.
    fn sort(&mut self, path: &[u32], part: &'s Part, is_wanted: bool) {
        let Content::Multipart(children) = &part.content else {
            return match (is_text(part), is_wanted) {
                (true, true) => self.texts.push(part),
                (true, false) => {}
                (false, _) => self.files.push((path.to_vec(), part)),
            };
        };
        // RFC 2046 §5.1.4: of alternatives one is shown.
        let chosen = (part.subtype == "alternative").then(|| self.chosen(children)).flatten();
        for (place, (number, child)) in (1..).zip(children).enumerate() {
            let path = [path, &[number]].concat();
            self.sort(&path, child, is_wanted && chosen.is_none_or(|chosen| chosen == place));
        }
    }

    /// Which of these alternatives is read.
    fn chosen(&self, alternatives: &[Part]) -> Option<usize> {
        let is_plain = |part: &Part| is_text(part) && !text::is_html(part);
        let is_rich = |part: &Part| part.walk().any(|part| is_text(part) && text::is_html(part));
        let has_text = |part: &Part| part.walk().any(is_text);
        let wanted = match self.preference {
            Preference::Plain => alternatives.iter().position(is_plain),
            // The last one is what its sender likes best.
            Preference::Html => alternatives.iter().rposition(is_rich),
        };
        wanted.or_else(|| alternatives.iter().position(has_text))
    }
}

/// Whether a message can be shown as it was sent, and that is more than its text.
pub(crate) fn has_html(structure: &Structure) -> bool {
    Sorted::of(structure, Preference::Html).texts.iter().any(|part| text::is_html(part))
}

/// Whether a part is read rather than taken away.
fn is_text(part: &Part) -> bool {
    let is_attached = part.disposition.as_ref().is_some_and(|disposition| disposition.kind == "attachment");
    text::is_read(part) && !is_attached && (part.subtype == "plain" || text::is_html(part))
}

/// A part and what is read of it.
pub(crate) type Text<'s> = (&'s Part, String);

/// The texts, each read by `read` from its octets, and whether there is more than is shown.
pub(crate) fn texts<'s>(
    parts: &[&'s Part],
    body: &mut Body,
    read: impl Fn(&Part, &[u8]) -> String,
) -> Result<(Vec<Text<'s>>, bool), Error> {
    let (mut texts, mut left) = (Vec::new(), TEXT_BYTES_MAX);
    for part in parts {
        let length = part.body.len().min(left);
        let mut octets = Vec::new();
        body.copy(part.body.start..part.body.start + length, &mut octets)?;
        left -= length;
        let text = read(part, &octets);
        if !text.trim().is_empty() {
            texts.push((*part, text));
        }
        if length < part.body.len() {
            return Ok((texts, true));
        }
    }
    Ok((texts, false))
}

/// Without control characters but for tabs and ends of lines, which are all LF.
fn legible(text: &str) -> String {
    let is_seen = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().filter(is_seen).collect::<String>().trim_end().to_owned()
}

fn addresses(list: &[Address]) -> Vec<String> {
    let one = |address: &Address| {
        let spec = address.addr_spec().map(|spec| encoded_word::decode(&spec));
        let name = address.name.as_deref().map(encoded_word::decode).filter(|name| !name.trim().is_empty());
        match (name, spec) {
            (Some(name), Some(spec)) => Some(format!("{} <{}>", shown(&name), shown(&spec))),
            (None, Some(one)) | (Some(one), None) => Some(shown(&one)),
            (None, None) => None,
        }
    };
    list.iter().filter_map(one).take(ADDRESSES_MAX).collect()
}

fn file(path: &[u32], part: &Part) -> FileLine {
    let numbers: Vec<String> = path.iter().map(u32::to_string).collect();
    FileLine {
        part: numbers.join("."),
        name: name_of(part),
        media_type: shown(&format!("{}/{}", part.media_type, part.subtype)),
        size: size(part.body.len()),
    }
}

/// What a part is called: on one line, without a directory.
fn name_of(part: &Part) -> String {
    let named = part.disposition.as_ref().and_then(|given| parameter::decoded(&given.parameters, "filename"));
    let named = named.or_else(|| parameter::decoded(&part.parameters, "name"));
    let named = shown(named.as_deref().unwrap_or_default());
    let last = named.rsplit(['/', '\\']).next().unwrap_or_default().trim_matches(['.', ' ']);
    let name: String = last.chars().take(NAME_CHARS_MAX).collect();
    match (name.is_empty(), &part.content) {
        (false, _) => name,
        (true, Content::Message(_)) => "message.eml".to_owned(),
        (true, Content::Leaf | Content::Multipart(_)) => "attachment".to_owned(),
    }
}

fn size(octets: usize) -> String {
    words::bytes(octets.try_into().unwrap_or(u64::MAX))
}

pub(crate) fn email(id: &str) -> Result<EmailId, Error> {
    id.parse().map_err(|_| Error::Unknown(tr!("There is no such message.").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "Content-Type: multipart/mixed; boundary=o\r\n\r\n\
        --o\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
        --a\r\nContent-Type: text/html\r\n\r\n<p>rich</p>\r\n\
        --a\r\nContent-Type: text/plain\r\n\r\nplain\r\n\
        --a\r\nContent-Type: text/calendar; name=when.ics\r\n\r\nBEGIN\r\n--a--\r\n\
        --o\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
        --b\r\nContent-Type: image/png\r\n\r\nx\r\n\
        --b\r\nContent-Type: multipart/related; boundary=r\r\n\r\n\
        --r\r\nContent-Type: text/html\r\n\r\n<p>only</p>\r\n\
        --r\r\nContent-Type: image/png; name=\"../../etc/logo.png\"\r\n\r\nx\r\n--r--\r\n--b--\r\n\
        --o\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=\"=?utf-8?q?inv=E2=80=AEfdp.exe?=\"\r\n\r\nx\r\n\
        --o\r\nContent-Type: message/rfc822\r\n\r\nSubject: inside\r\n\r\ntext inside\r\n--o--\r\n";

    #[test]
    fn one_of_the_alternatives_is_read_and_the_rest_is_files() {
        let structure = Structure::parse(MESSAGE.as_bytes());
        let sorted = Sorted::of(&structure, Preference::Plain);
        let texts = sorted.texts.iter().map(|part| text::of_body(part, part.body.of(MESSAGE.as_bytes())));
        assert_eq!(texts.map(|text| text.trim().to_owned()).collect::<Vec<_>>(), ["plain", "only"]);
        let files = sorted.files.iter().map(|(path, part)| file(path, part));
        assert_eq!(
            files.map(|file| (file.part, file.name)).collect::<Vec<_>>(),
            [
                ("1.3", "when.ics"),
                ("2.1", "attachment"),
                ("2.2.2", "logo.png"),
                ("3", "inv fdp.exe"),
                ("4", "message.eml")
            ]
            .map(|(part, name)| (part.to_owned(), name.to_owned()))
        );
        for (path, part) in &sorted.files {
            assert_eq!(section::part(&structure, path), Some(*part), "{path:?} is what IMAP calls it");
        }
    }

    #[test]
    fn what_steers_is_not_shown_and_lines_end_alike() {
        assert_eq!(legible("a\r\n\tb\u{1b}[31m\0\u{9b}c\r\n\r\n"), "a\n\tb[31mc");
    }

    #[test]
    fn texts_are_shown_up_to_the_limit_and_one_octet_more_is_said() {
        for (more, is_cut) in [(0, false), (1, true)] {
            let head = "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nfirst\r\n--o\r\n\r\n";
            let message = format!("{head}{}\r\n--o--\r\n", "x".repeat(TEXT_BYTES_MAX - "first".len() + more));
            let structure = Structure::parse(message.as_bytes());
            let mut body = Body::here(message.into_bytes());
            let sorted = Sorted::of(&structure, Preference::Plain);
            let (read, cut) =
                texts(&sorted.texts, &mut body, |part, octets| text::of_body(part, octets).into()).unwrap();
            assert_eq!((read[0].1.as_str(), read[1].1.len(), cut), ("first", TEXT_BYTES_MAX - "first".len(), is_cut));
        }
    }
}
