//! A list that anybody can write: on each line a UIDL, a tab, and the Message-ID; lines that begin with `#` are comments.

use crate::{BadLine, bad};

/// A message of the old server, by its Message-ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What POP3 programs know it by.
    pub uidl: String,
    /// RFC 5322 §3.6.4, with or without its angle brackets.
    pub message_id: String,
}

/// Reads the list.
///
/// # Errors
/// The first line that is none of these.
pub fn list(text: &str) -> Result<Vec<Listed>, BadLine> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let read = |(at, line): (usize, &str)| {
        let (uidl, message_id) = line.split_once('\t').ok_or_else(|| bad(at, line))?;
        let (uidl, message_id) = (uidl.trim(), message_id.trim());
        if uidl.is_empty() || message_id.is_empty() || message_id.contains('\t') {
            return Err(bad(at, line));
        }
        Ok(Listed { uidl: uidl.to_owned(), message_id: message_id.to_owned() })
    };
    lines.map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_or_told() {
        let read = list("# Cyrus\n\n12.3\t<a@x>\r\nUID4\tb@x \n").unwrap();
        let read: Vec<_> = read.iter().map(|l| (l.uidl.as_str(), l.message_id.as_str())).collect();
        assert_eq!(read, [("12.3", "<a@x>"), ("UID4", "b@x")]);
        for wrong in ["a b", "a\t", "\tb", "a\tb\tc"] {
            assert_eq!(list(&format!("a\tb\n{wrong}\n")).map_err(|error| error.number), Err(2), "{wrong}");
        }
    }
}
