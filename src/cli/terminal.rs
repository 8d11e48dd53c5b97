//! The one door to the terminal: whatever is written there goes through [`plainly`].
//!
//! Invariant: no text of a stranger (a name, a subject, what another server says, a file that somebody sent) steers a terminal or
//! the direction of writing. Nothing else in the command line writes to standard output or standard error; a test holds that.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stderr, stdout};

/// Writes to standard output. A reader that has gone (`| head`) is no failure.
pub(super) fn say(text: &str) {
    let mut out = stdout().lock();
    let _nobody = out.write_all(plainly(text).as_bytes()).and_then(|()| out.flush());
}

/// Writes to standard error. Without one there is nobody to tell.
pub(super) fn warn(text: &str) {
    let _nobody = writeln!(stderr(), "{}", plainly(text));
}

/// Asks on standard error; who does not see the question may still answer.
pub(super) fn ask(question: &str) {
    let _unseen = write!(stderr(), "{}", plainly(question)).and_then(|()| stderr().flush());
}

/// How far it is, for a person who waits.
pub(super) fn progress(done: usize, total: usize, what: &str) {
    if stderr().is_terminal() {
        warn(&format!("{done}/{total} {what}"));
    }
}

/// The same without what steers: as JSON writes such a character, so that JSON stays what it was.
fn plainly(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if steers(c) && !(c == '\r' && characters.peek() == Some(&'\n')) {
            let _infallible = write!(plain, "\\u{:04x}", u32::from(c));
        } else {
            plain.push(c);
        }
    }
    plain.into()
}

fn steers(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && !matches!(c, '\n' | '\t'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn nothing_steers_a_terminal() {
        let check = |text: &str, expected: &str| assert_eq!(plainly(text), expected);
        check("a\u{1b}]0;x\u{7}\u{9b}2J\rb\u{7f}", "a\\u001b]0;x\\u0007\\u009b2J\\u000db\\u007f");
        check("abc\u{202e}cba\u{2066}", "abc\\u202ecba\\u2066");
        check("ä\tb\r\nc\n", "ä\tb\r\nc\n");
        let json = serde_json::to_string("\u{9b}\u{1b}\u{202e}").unwrap();
        assert_eq!(serde_json::from_str::<String>(&plainly(&json)).unwrap(), "\u{9b}\u{1b}\u{202e}");
    }

    #[test]
    fn nobody_else_writes_there() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let files = [dir.join("cli"), dir].into_iter().flat_map(|dir| fs::read_dir(dir).unwrap());
        let files = files.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some());
        for file in files.filter(|file| !file.ends_with("terminal.rs")) {
            let text = fs::read_to_string(&file).unwrap();
            for door in ["stdout(", "stderr(", "println!(", "print!("] {
                let found = text.lines().find(|line| line.contains(door) && !line.contains("is_terminal()"));
                assert_eq!(found, None, "{}", file.display());
            }
        }
    }
}
