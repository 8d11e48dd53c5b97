//! Why the server cannot start or reload, told to the person who started it.

use std::fmt;
use std::io;
use std::path::Path;

/// One or more sentences for an operator: what is wrong, where, why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupError {
    text: String,
}

impl SetupError {
    /// An error of which `text` says what, where, why and what to do.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// All of them, a line each.
    #[must_use]
    pub fn all(problems: &[Self]) -> Self {
        Self::new(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    /// `action` (such as "read") failed on `path`; `advice` says what to do.
    pub(crate) fn file(action: &str, path: &Path, error: &io::Error, advice: &str) -> Self {
        Self::new(format!("cannot {action} {}: {}; {advice}", path.display(), reason(error)))
    }
}

/// The error without Rust's "(os error 13)".
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let plain = text.split(" (os error").next().unwrap_or(&text);
    match plain.split_once(|letter: char| !letter.is_ascii_uppercase()) {
        // "Permission denied" reads "permission denied" in mid-sentence; "EOF" stays as it is.
        Some((initial, _)) if initial.len() == 1 => plain
            .char_indices()
            .map(|(at, letter)| if at == 0 { letter.to_ascii_lowercase() } else { letter })
            .collect(),
        _ => plain.to_owned(),
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for SetupError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_reads_in_mid_sentence() {
        fn check(error: io::Error, expected: &str) {
            assert_eq!(reason(&error), expected);
        }
        check(io::Error::from_raw_os_error(13), "permission denied");
        check(io::Error::other("EOF in header"), "EOF in header");
        check(io::Error::other("x"), "x");
    }
}
