//! Real mail, where it is at hand: the directory in `PILLARBOX_MAIL`, else `../../../shared/mail` seen from this crate,
//! with `real-6000.tar.zst` and `odd-mime.tar.zst` in it. Without it these tests say so and pass.

#![allow(clippy::unwrap_used)]

#[path = "../../../tests/support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mail_parser::{MessageParser, MimeHeaders, PartType};
use message::{Content, Part, Structure, check, line_ends};

/// An archive of mail, unpacked for as long as this lives.
struct Corpus {
    directory: PathBuf,
}

impl Corpus {
    /// None, and a line that says why, where the archive is not there.
    fn unpack(archive: &str, test: &str) -> Option<Self> {
        let mail = std::env::var_os("PILLARBOX_MAIL")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/mail"), PathBuf::from);
        let archive = mail.join(archive);
        if !archive.is_file() {
            not_tested::because(format_args!(
                "{} is not there (PILLARBOX_MAIL may name another place)",
                archive.display()
            ));
            return None;
        }
        let directory = std::env::temp_dir().join(format!("pillarbox-corpus-{}-{test}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let corpus = Self { directory };
        let tar = Command::new("tar").args(["--zstd", "-xf"]).arg(&archive).arg("-C").arg(&corpus.directory).status();
        match tar {
            Ok(status) if status.success() => Some(corpus),
            failed => {
                not_tested::because(format_args!("tar and zstd cannot unpack {}: {failed:?}", archive.display()));
                None
            }
        }
    }

    /// Relative path and bytes of every message, with line ends made canonical.
    fn messages(&self) -> BTreeMap<String, Vec<u8>> {
        let mut messages = BTreeMap::new();
        let mut waiting = vec![self.directory.clone()];
        while let Some(directory) = waiting.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    waiting.push(path);
                } else {
                    let bytes = fs::read(&path).unwrap();
                    let name = path.strip_prefix(&self.directory).unwrap().to_string_lossy().into_owned();
                    messages.insert(name, line_ends::canonical(&bytes).into_owned());
                }
            }
        }
        messages
    }
}

impl Drop for Corpus {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Types and sizes as `compare_python.py` prints them.
fn shown(part: &Part) -> String {
    let kind = format!("{}/{}", part.media_type, part.subtype);
    if part.media_type == "message" && part.content == Content::Leaf {
        return kind;
    }
    if part.content == Content::Leaf || is_made_up(part) {
        return format!("{kind} {}/{}", part.size(), part.lines);
    }
    let children: Vec<_> = part.children().iter().map(shown).collect();
    format!("{kind} ({})", children.join(", "))
}

/// Whether a multipart could not be opened: its one part covers all of it.
fn is_made_up(part: &Part) -> bool {
    part.media_type == "multipart" && part.children().first().is_some_and(|child| child.body == part.body)
}

/// Python, started early so that it works while we do; none, and a line that says why, where there is none.
fn start_python(corpus: &Corpus) -> Option<Child> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compare_python.py");
    let child = Command::new("python3").arg(script).arg(&corpus.directory).stdout(Stdio::piped()).spawn();
    child.inspect_err(|error| println!("not compared with Python: {error}")).ok()
}

fn python_shows(child: Child) -> BTreeMap<String, String> {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "compare_python.py: {}", output.status);
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(|line| line.split_once('\t')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

/// Whether Python says the same. Where the last multipart is not closed, Python takes a line end off its last part all
/// the same; RFC 2046 §5.1.1 gives only that before a delimiter to the delimiter, and there is none.
fn agrees(ours: &str, python: &str) -> bool {
    if ours == python {
        return true;
    }
    let leaf = ours.trim_end_matches(')');
    let closing = &ours[leaf.len()..];
    let Some((before, last)) = leaf.rsplit_once(' ') else { return false };
    let Some((size, lines)) = last.split_once('/') else { return false };
    let (Ok(size), Ok(lines)) = (size.parse::<usize>(), lines.parse::<usize>()) else { return false };
    !closing.is_empty() && python == format!("{before} {}/{}{closing}", size.wrapping_sub(2), lines.wrapping_sub(1))
}

/// The leaves as mail-parser sees them: type and subtype, in lower case.
fn mail_parser_leaves(message: &mail_parser::Message<'_>, leaves: &mut Vec<String>) {
    for part in &message.parts {
        match &part.body {
            PartType::Multipart(_) => {}
            PartType::Message(inner) => mail_parser_leaves(inner, leaves),
            _ => leaves.push(match part.content_type() {
                Some(kind) => format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()).to_ascii_lowercase(),
                None => "text/plain".to_owned(),
            }),
        }
    }
}

fn our_leaves(structure: &Structure) -> Vec<String> {
    let leaves = structure.root.walk().filter(|part| part.content == Content::Leaf);
    leaves.map(|part| format!("{}/{}", part.media_type, part.subtype)).collect()
}

/// Checks every message of an archive; with the other parsers at most `differing_max` of a thousand may differ.
fn compare(archive: &str, test: &str, differing_max: usize) {
    let Some(corpus) = Corpus::unpack(archive, test) else { return };
    let python = start_python(&corpus);
    let messages = corpus.messages();
    let mut shown_by_us = BTreeMap::new();
    let mut differing = 0;
    for (name, bytes) in &messages {
        check::message(bytes).unwrap_or_else(|broken| panic!("{name}: {broken}"));
        let structure = Structure::parse(bytes);
        let mut theirs = Vec::new();
        if let Some(message) = MessageParser::default().parse(bytes) {
            mail_parser_leaves(&message, &mut theirs);
        }
        let ours = our_leaves(&structure);
        if ours != theirs {
            differing += 1;
            println!("{name}\n  ours        {ours:?}\n  mail-parser {theirs:?}");
        }
        shown_by_us.insert(name, shown(&structure.root));
    }
    println!("{} messages, {differing} differ from mail-parser", messages.len());
    assert!(differing * 1000 <= messages.len() * differing_max);
    let Some(python) = python.map(python_shows) else { return };
    let mut differing = 0;
    for (name, ours) in shown_by_us {
        let theirs = python.get(name).map(String::as_str).unwrap_or_default();
        if !agrees(&ours, theirs) {
            differing += 1;
            println!("{name}\n  ours   {ours}\n  Python {theirs}");
        }
    }
    println!("{} messages, {differing} differ from Python", messages.len());
    assert!(differing * 1000 <= messages.len() * differing_max);
}

/// Three have a multipart without a part in it, one has `charset=us-ascii` in its subtype.
#[test]
fn real_mail_agrees_with_other_parsers() {
    compare("real-6000.tar.zst", "real", 1);
}

/// Broken mail has no right structure: the others do not agree among themselves either. None may be lost.
#[test]
fn odd_mail_has_a_structure() {
    compare("odd-mime.tar.zst", "odd", 150);
}
