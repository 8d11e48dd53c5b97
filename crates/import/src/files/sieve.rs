//! Sieve scripts that lie beside a Maildir, as Dovecot has them: they do not come, and nobody is to find that out by mail that is
//! not sorted any more.
//!
//! What a script does is not worked out: what it asks for and where it redirects to is picked out of its text, for whoever has to do it anew.

use super::dir::{Dir, Kind};
use crate::source::SourceError;
use std::collections::BTreeSet;
use std::io::Read;

/// Octets of a script that are read.
const SCRIPT_BYTES_MAX: u64 = 256 * 1024;
/// Scripts that are told.
const SCRIPTS_MAX: usize = if cfg!(test) { 5 } else { 100 };
/// Words of a script that are told after each of its commands.
const WORDS_MAX: usize = 20;
/// Characters that are told of a word, or of the name of a script.
const WORD_CHARS_MAX: usize = 100;
/// The script in use, which as a rule is a link into [`SCRIPTS`].
const ACTIVE: &[u8] = b".dovecot.sieve";
const SCRIPTS: &[u8] = b"sieve";
const ENDING: &[u8] = b".sieve";

/// The scripts of whoever has the Maildir, in it or beside it: each with what is to be said of it.
///
/// Invariant: where there is a script in use, or a place of scripts, that cannot be read, a line says so.
pub(super) fn scripts(dir: &Dir) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let link = match dir.known(ACTIVE) {
        Ok(Some(Kind::File { .. })) => {
            found.push(told(dir, ACTIVE, true));
            None
        }
        Ok(Some(Kind::Link)) => Some(dir.link(ACTIVE).unwrap_or_default()),
        Ok(_) => None,
        Err(error) => {
            found.push(unseen(format!("Sieve script {}", shown(ACTIVE)), &error));
            None
        }
    };
    let active = link.as_deref().and_then(name_in_scripts);
    let (is_told, others) = listed(dir, active);
    if let Some(link) = link.filter(|_| !is_told) {
        let why = format!("the script in use is a link to {}, which is not read", shown(&link));
        found.push((format!("Sieve script {}", shown(ACTIVE)), why));
    }
    found.extend(others);
    found
}

/// The same of the directory beside it, where that can be read.
pub(super) fn beside(home: &Result<Dir, SourceError>) -> Vec<(String, String)> {
    match home {
        Ok(home) => scripts(home),
        Err(error) => vec![unseen("What lies beside the Maildir".to_owned(), error)],
    }
}

/// Those of [`SCRIPTS`], the one in use before the others, and whether that is one of them.
fn listed(dir: &Dir, active: Option<&[u8]>) -> (bool, Vec<(String, String)>) {
    let names = dir.known(SCRIPTS).and_then(|kind| match kind {
        Some(Kind::Link) => Err(SourceError::Refused("it is a symbolic link, which is not followed".to_owned())),
        Some(Kind::Directory) => dir.below(SCRIPTS).and_then(|below| Ok(Some((below.names()?, below)))),
        Some(Kind::File { .. } | Kind::Other) | None => Ok(None),
    });
    let (mut names, below) = match names {
        Ok(Some(found)) => found,
        Ok(None) => return (false, Vec::new()),
        Err(error) => return (false, vec![unseen(format!("Sieve directory {}", shown(SCRIPTS)), &error)]),
    };
    names.retain(|name| name.ends_with(ENDING));
    let is_active = |name: &Vec<u8>| active == Some(name.as_slice());
    names.sort_by_key(|name| !is_active(name));
    let mut found: Vec<_> = names.iter().take(SCRIPTS_MAX).map(|name| told(&below, name, is_active(name))).collect();
    if let Some(more) = names.len().checked_sub(SCRIPTS_MAX).filter(|more| *more > 0) {
        found.push(("The rest of the Sieve scripts".to_owned(), format!("… and {more} more")));
    }
    (names.first().is_some_and(is_active), found)
}

/// The script that a link leads to, if it lies in [`SCRIPTS`] itself.
fn name_in_scripts(link: &[u8]) -> Option<&[u8]> {
    let mut steps = link.rsplit(|octet| *octet == b'/').filter(|step| !matches!(*step, b"" | b"."));
    let name = steps.next()?;
    (steps.next() == Some(SCRIPTS)).then_some(name)
}

/// What may be a script, or have some in it, and cannot be read.
fn unseen(what: String, why: &SourceError) -> (String, String) {
    (what, format!("there may be Sieve scripts that are not told: {why}"))
}

fn told(dir: &Dir, name: &[u8], is_active: bool) -> (String, String) {
    let mut octets = Vec::new();
    let read = dir.file(name).and_then(|file| file.take(SCRIPT_BYTES_MAX).read_to_end(&mut octets));
    let text = String::from_utf8_lossy(&octets);
    let mut why = "there is no Sieve here".to_owned();
    match (is_active, read) {
        (_, Err(error)) => why.push_str(&format!("; what it does cannot be read: {error}")),
        (false, Ok(_)) => why.push_str("; it was not in use"),
        (true, Ok(_)) => {
            let wants = after(&text, "require");
            if !wants.is_empty() {
                why.push_str(&format!("; it asks for {}", wants.join(", ")));
            }
            for address in after(&text, "redirect") {
                why.push_str(&format!("; it redirects to {address}, for which there is `pillarbox forward ask`"));
            }
        }
    }
    (format!("Sieve script {}", shown(name)), why)
}

/// The strings that stand between a command and its end (RFC 5228 §2.4.2, §2.6), each once.
fn after(text: &str, command: &str) -> Vec<String> {
    let (mut found, mut rest) = (BTreeSet::new(), text);
    while let Some((before, behind)) = rest.split_once(command) {
        let is_word = before.chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        let arguments = behind.split(';').next().unwrap_or_default();
        let quoted = arguments.split('"').skip(1).step_by(2);
        if is_word && behind.starts_with([' ', '\t', '[', '"', '\r', '\n']) {
            found.extend(quoted.map(|word| shown(word.as_bytes())).take(WORDS_MAX.saturating_sub(found.len())));
        }
        rest = behind;
    }
    found.into_iter().collect()
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name)
        .chars()
        .take(WORD_CHARS_MAX)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_asks_for_and_redirects_to_is_found() {
        let text = "require [\"fileinto\", \"copy\"];\nrequire \"vacation\";\n# redirected \"x\"\n\
                    if true { redirect :copy \"carol@example.com\"; keep; }\nredirect \"a\x07b\";";
        assert_eq!(after(text, "require"), ["copy", "fileinto", "vacation"]);
        assert_eq!(after(text, "redirect"), ["a\u{fffd}b", "carol@example.com"]);
        assert_eq!(after("redirect", "redirect"), [""; 0]);
        let many: String = (0..WORDS_MAX * 2).map(|n| format!("redirect \"{n}\";")).collect();
        assert_eq!(after(&many, "redirect").len(), WORDS_MAX);
        assert_eq!(shown("x".repeat(200).as_bytes()).len(), WORD_CHARS_MAX);
    }
}
