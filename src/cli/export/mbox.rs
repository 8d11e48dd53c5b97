//! A file for each mailbox, as Dovecot, mutt, Thunderbird and Python read it: mboxrd, with flags in the fields that they know.
//!
//! What is below a mailbox lies in a directory of its name with `.sbd` behind it, as Thunderbird has it. A line that begins with `From `,
//! or with `>` before that, has one `>` more; whoever takes one away has what was. Lines end as the system's do. `X-UID` keeps UIDs;
//! `X-IMAPbase` in the first message has UIDVALIDITY, the last UID and all keywords, without which Dovecot knows none of them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use import::notes::{MAILBOX_COLUMNS, MAILBOXES};
use message::{date, header};

use super::super::Outcome;
use super::super::failure::Failure;
use super::form::{
    Done, Mailbox, Message, Whole, create, directory, failed, keep, must_be_empty, name, out_of_turn, part, write,
};
use super::names::Places;
use super::table::Table;

/// A line of a header is no longer (RFC 5322 §2.1.1).
const LINE_BYTES_MAX: usize = 998;

/// mbox files that are written.
pub(super) struct Mbox {
    root: PathBuf,
    places: Places,
    table: Table,
    file: Option<(PathBuf, BufWriter<File>)>,
    /// What the next message has of its mailbox, if it is the first.
    base: Option<String>,
    done: Done,
}

impl Mbox {
    pub(super) fn create(root: &Path) -> Result<Self, Failure> {
        must_be_empty(root)?;
        directory(root)?;
        let (places, table) = (Places::new(".sbd"), Table::new(&MAILBOX_COLUMNS)?);
        Ok(Self { root: root.to_owned(), places, table, file: None, base: None, done: Done::default() })
    }

    fn end_file(&mut self) -> Outcome {
        let Some((path, mut file)) = self.file.take() else { return Ok(()) };
        file.flush().map_err(|error| failed(&path, &error))?;
        name(&self.root, &path)
    }
}

impl Whole for Mbox {
    fn mailbox(&mut self, mailbox: Mailbox) -> Outcome {
        self.end_file()?;
        let Mailbox { name: called, is_subscribed, uid_validity, uid_next, keywords } = mailbox;
        let (last, keywords) = (uid_next.saturating_sub(1), keywords.join(" "));
        self.base = Some(format!("X-IMAPbase: {uid_validity:010} {last:010} {keywords}"));
        let place = format!("{}.mbox", self.places.of(&called));
        let path = self.root.join(&place);
        if let Some(above) = path.parent() {
            directory(above)?;
        }
        let file = create(&part(&self.root)).map_err(|error| failed(&path, &error))?;
        self.file = Some((path, BufWriter::new(file)));
        self.table.row(&[&place, &called, if is_subscribed { "yes" } else { "no" }])?;
        self.done.folders += 1;
        Ok(())
    }

    fn message(&mut self, message: &Message, octets: &[u8]) -> Outcome {
        let Some((path, file)) = &mut self.file else { return Err(out_of_turn()) };
        put(file, message, self.base.take().as_deref(), octets).map_err(|error| failed(path, &error))?;
        self.done.messages += 1;
        Ok(())
    }

    fn end(mut self) -> Result<Done, Failure> {
        self.end_file()?;
        write(&part(&self.root), &self.table.end()?)?;
        name(&self.root, &self.root.join(MAILBOXES))?;
        keep(&self.root)?;
        Ok(self.done)
    }
}

fn put(file: &mut impl Write, message: &Message, base: Option<&str>, octets: &[u8]) -> io::Result<()> {
    writeln!(file, "From MAILER-DAEMON {}", asctime(message.at))?;
    let (head, text) = octets.split_at(header::end(octets));
    // The empty line is the header's last.
    let (fields, empty) = match head.strip_suffix(b"\r\n").or_else(|| head.strip_suffix(b"\n")) {
        Some(fields) if fields.is_empty() || fields.ends_with(b"\n") => (fields, &b"\n"[..]),
        _ => (head, &b""[..]),
    };
    own_fields(file, fields)?;
    if let Some(base) = base {
        writeln!(file, "{}", base.trim_end())?;
    }
    writeln!(file, "X-UID: {}", message.uid)?;
    states(file, &message.flags)?;
    file.write_all(empty)?;
    lines(file, text)?;
    file.write_all(b"\n")
}

/// The fields of a header but those in which programs keep flags: what a sender wrote into such would be taken for the owner's.
fn own_fields(file: &mut impl Write, octets: &[u8]) -> io::Result<()> {
    let mut is_left_out = false;
    for field in octets.split_inclusive(|octet| *octet == b'\n') {
        // RFC 5322 §2.2.3: such a line goes on with the field.
        if !field.starts_with(b" ") && !field.starts_with(b"\t") {
            is_left_out = import::is_field_of_programs(field);
        }
        if !is_left_out {
            line(file, field)?;
        }
    }
    Ok(())
}

/// Lines of a message.
fn lines(file: &mut impl Write, octets: &[u8]) -> io::Result<()> {
    octets.split_inclusive(|octet| *octet == b'\n').try_for_each(|octets| line(file, octets))
}

/// A line, quoted, and with an end.
fn line(file: &mut impl Write, line: &[u8]) -> io::Result<()> {
    let text = line.strip_suffix(b"\n").map_or(line, |text| text.strip_suffix(b"\r").unwrap_or(text));
    let marks = text.iter().take_while(|octet| **octet == b'>').count();
    if text[marks..].starts_with(b"From ") {
        file.write_all(b">")?;
    }
    file.write_all(text)?;
    // Behind CR, LF alone would take it into the end of the line.
    file.write_all(if text.ends_with(b"\r") { b"\r\n" } else { b"\n" })
}

/// The fields in which programs keep flags.
fn states(file: &mut impl Write, flags: &[String]) -> io::Result<()> {
    let letters = |known: &[(&str, char)]| -> String {
        let has = |name: &str| flags.iter().any(|flag| flag == name);
        known.iter().filter(|(name, _)| has(name)).map(|(_, letter)| *letter).collect()
    };
    writeln!(file, "Status: {}O", letters(&[("\\Seen", 'R')]))?;
    let more = letters(&[("\\Answered", 'A'), ("\\Flagged", 'F'), ("\\Draft", 'T'), ("\\Deleted", 'D')]);
    if !more.is_empty() {
        writeln!(file, "X-Status: {more}")?;
    }
    let mut line = String::new();
    for keyword in flags.iter().filter(|flag| !flag.starts_with('\\')) {
        if line.len() + keyword.len() + 1 > LINE_BYTES_MAX {
            writeln!(file, "{}", std::mem::take(&mut line))?;
        }
        line.push_str(if line.is_empty() { "X-Keywords: " } else { " " });
        line.push_str(keyword);
    }
    if line.is_empty() { Ok(()) } else { writeln!(file, "{line}") }
}

/// `Thu Jan  1 00:00:00 2026`, in UTC (RFC 4155, appendix A).
fn asctime(seconds: i64) -> String {
    // `Thu, 01 Jan 2026 00:00:00 +0000`
    let text = date::format_rfc5322(seconds);
    let words: Vec<&str> = text.split(' ').collect();
    let [weekday, day, month, year, time, _] = words.as_slice() else { return text };
    format!("{} {month} {:>2} {time} {year}", weekday.trim_end_matches(','), day.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn written(flags: &[&str], octets: &[u8]) -> String {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let message = Message { uid: 1, id: String::new(), uidl: String::new(), flags, at: 1_767_225_600, bytes: 0 };
        let mut file = Vec::new();
        put(&mut file, &message, Some("X-IMAPbase: 7 8 "), octets).unwrap();
        String::from_utf8(file).unwrap()
    }

    #[test]
    fn a_message_in_a_file_with_others() {
        const FROM: &str = "From MAILER-DAEMON Thu Jan  1 00:00:00 2026\n";
        const BASE: &str = "X-IMAPbase: 7 8\nX-UID: 1\n";
        let text = written(
            &["\\Seen", "\\Deleted", "\\Flagged", "Work", "$Forwarded"],
            b"From x\r\nA: b\r\n\r\nFrom me\r\n>From me\r\n From me\r\n\r\n",
        );
        let states = "X-IMAPbase: 7 8\nX-UID: 1\nStatus: RO\nX-Status: FD\nX-Keywords: Work $Forwarded\n";
        let expected = format!("{FROM}>From x\nA: b\n{states}\n>From me\n>>From me\n From me\n\n\n");
        assert_eq!(text, expected);
        assert_eq!(written(&[], b"\r\ntext"), format!("{FROM}{BASE}Status: O\n\ntext\n\n"));
        assert_eq!(written(&[], b"A: b\r\n"), format!("{FROM}A: b\n{BASE}Status: O\n\n"));
        assert_eq!(
            written(&[], b"\r\r\nA: b\r\r\nC: d\r\n\r\nx\r\r\n"),
            format!("{FROM}\r\r\nA: b\r\r\nC: d\n{BASE}Status: O\n\nx\r\r\n\n")
        );
        assert_eq!(written(&[], b"A: b\r\n\r"), format!("{FROM}A: b\n\r\r\n{BASE}Status: O\n\n"));
        assert_eq!(written(&[], b"A: b\n\nbare\rline"), format!("{FROM}A: b\n{BASE}Status: O\n\nbare\rline\n\n"));
    }

    #[test]
    fn a_sender_sets_no_flags() {
        let text = written(
            &["\\Flagged"],
            b"X-Mozilla-Status: 0008\r\nA: b\r\n c\r\nstatus : RO\r\n\tmore\r\nX-UID: 9\r\nStatuses: d\r\n\r\nStatus: R\r\n",
        );
        let own = "X-IMAPbase: 7 8\nX-UID: 1\nStatus: O\nX-Status: F\n";
        let expected =
            format!("From MAILER-DAEMON Thu Jan  1 00:00:00 2026\nA: b\n c\nStatuses: d\n{own}\nStatus: R\n\n");
        assert_eq!(text, expected);
    }

    #[test]
    fn many_keywords_are_several_fields() {
        let words: Vec<String> = (0..200).map(|at| format!("keyword{at:03}")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let text = written(&words, b"\r\n");
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("X-Keywords: ")).collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.len() <= LINE_BYTES_MAX));
        assert!(words.iter().all(|word| lines.iter().any(|line| line.split(' ').any(|found| found == *word))));
    }
}
