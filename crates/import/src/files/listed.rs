//! What other servers keep beside the mail: which folders are on the list of subscriptions, what letters stand for keywords.

use super::dir::Dir;
use crate::imap::readable;
use crate::source::SourceError;
use std::collections::HashSet;

/// `a` to `z`: Dovecot and Courier have no more in the name of a file.
pub(super) const LETTERS: usize = 26;

/// Folders that are subscribed, by their levels.
pub(super) type Subscribed = HashSet<Vec<String>>;

/// The list of subscriptions beside folders; `None`: nobody keeps one.
pub(super) fn subscribed(dir: &Dir) -> Result<Option<Subscribed>, SourceError> {
    for name in [&b"subscriptions"[..], b".subscriptions"] {
        if let Some(text) = dir.list(name)? {
            return Ok(Some(of_dovecot(&text)));
        }
    }
    let courier = dir.list(b"courierimapsubscribed")?;
    Ok(courier.map(|text| text.lines().map(|line| levels(line.strip_prefix("INBOX.").unwrap_or(line), '.')).collect()))
}

/// Version 2 has tabs between levels; before, it was the separator of the format: `.` with Maildir++, `/` with directories.
fn of_dovecot(text: &str) -> Subscribed {
    match text.strip_prefix("V\t2\n") {
        Some(rest) => rest.lines().filter(|line| !line.is_empty()).map(|line| levels(line, '\t')).collect(),
        None => {
            let lines = || text.lines().filter(|line| !line.is_empty());
            lines().flat_map(|line| [levels(line, '.'), levels(line, '/')]).collect()
        }
    }
}

fn levels(name: &str, separator: char) -> Vec<String> {
    name.split(separator).map(|level| readable(level.as_bytes())).collect()
}

/// Dovecot's `dovecot-keywords`: which keyword a letter in the names of a folder's files stands for.
pub(super) fn keywords(dir: &Dir) -> Result<Vec<Option<String>>, SourceError> {
    let mut keywords = vec![None; LETTERS];
    for line in dir.list(b"dovecot-keywords")?.unwrap_or_default().lines() {
        let Some((number, name)) = line.split_once(' ') else { continue };
        if let Some(place) = number.parse().ok().and_then(|number: usize| keywords.get_mut(number)) {
            *place = Some(name.to_owned());
        }
    }
    Ok(keywords)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_of_every_version() {
        let has = |text: &str, levels: &[&str]| {
            of_dovecot(text).contains(&levels.iter().map(|level| (*level).to_owned()).collect::<Vec<_>>())
        };
        assert!(has("V\t2\n\nINBOX\nWork\tEntw&APw-rfe\n", &["Work", "Entwürfe"]));
        assert!(has("Work.Entw&APw-rfe\n", &["Work", "Entwürfe"]));
        assert!(has("Work/a.b\n", &["Work", "a.b"]));
        assert!(!has("V\t2\n\nWork.x\n", &["Work", "x"]));
    }
}
