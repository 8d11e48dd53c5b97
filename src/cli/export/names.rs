//! Names of mailboxes as names of files that every system takes: Windows has the fewest, and tells no capitals apart.

use std::collections::{BTreeMap, HashSet};

/// A name of a file has so many octets here, so that an ending fits behind it (255).
const NAME_BYTES_MAX: usize = 200;
/// Deeper levels become one: an import goes down 16 directories, and paths of Windows are short.
const LEVELS_MAX: usize = 12;
/// Of Windows, whatever stands behind a dot.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt1", "lpt2",
    "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// Where mailboxes are put.
pub(super) struct Places {
    /// What stands behind the name of a directory with further mailboxes.
    within: &'static str,
    /// By the names of mailboxes, and of what stands above them.
    known: BTreeMap<String, String>,
    taken: HashSet<String>,
}

impl Places {
    pub(super) fn new(within: &'static str) -> Self {
        Self { within, known: BTreeMap::new(), taken: HashSet::new() }
    }

    /// The path of a mailbox from the root on, with `/` between directories; of each its own.
    pub(super) fn of(&mut self, mailbox: &str) -> String {
        let levels: Vec<&str> = mailbox.splitn(LEVELS_MAX, '/').collect();
        let (mut name, mut above) = (String::new(), String::new());
        for level in levels {
            name = if name.is_empty() { level.to_owned() } else { format!("{name}/{level}") };
            let place = match self.known.get(&name) {
                Some(place) => place.clone(),
                None => self.new_place(&above, &name, level),
            };
            above = place;
        }
        above
    }

    fn new_place(&mut self, above: &str, name: &str, level: &str) -> String {
        let own = safe(level);
        let mut place = if above.is_empty() { own } else { format!("{above}{}/{own}", self.within) };
        while !self.taken.insert(place.to_lowercase()) {
            place.push('_');
        }
        self.known.insert(name.to_owned(), place.clone());
        place
    }
}

/// A level of a name as that of a file.
fn safe(level: &str) -> String {
    let is_bad = |c: char| c.is_control() || matches!(c, '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*');
    let mut safe: String = level.chars().map(|c| if is_bad(c) { '_' } else { c }).collect();
    while safe.len() > NAME_BYTES_MAX {
        safe.pop();
    }
    // A dot in front hides a file, one behind it is not seen by Windows.
    if safe.starts_with('.') {
        safe.replace_range(..1, "_");
    }
    if safe.ends_with(['.', ' ']) {
        safe.pop();
        safe.push('_');
    }
    let lower = safe.to_ascii_lowercase();
    let is_device = DEVICES.contains(&lower.split('.').next().unwrap_or_default().trim_end());
    // What stands beside mailboxes: messages, and tables about them; in archives of macOS, what is no mail.
    if safe.is_empty()
        || is_device
        || lower == "__macosx"
        || [".eml", ".csv", ".sbd"].iter().any(|end| lower.ends_with(end))
    {
        safe.push('_');
    }
    // `NUL.txt_` is a device still.
    if is_device { format!("_{safe}") } else { safe }
}

/// The subject of a message as a part of the name of its file; nothing where it says nothing.
pub(super) fn of_subject(subject: &str) -> String {
    /// More of it helps nobody.
    const CHARS: usize = 60;
    let is_kept =
        |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | ',' | '(' | ')' | '&' | '+' | '!');
    let text: String = subject.chars().map(|c| if is_kept(&c) { c } else { ' ' }).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(CHARS).collect::<String>().trim_matches([' ', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_every_system_takes() {
        let mut places = Places::new("");
        for (mailbox, place) in [
            ("INBOX", "INBOX"),
            ("Work/Entwürfe & R", "Work/Entwürfe & R"),
            ("Work", "Work"),
            ("work", "work_"),
            ("WORK/x", "WORK__/x"),
            ("a:b", "a_b"),
            ("a?b", "a_b_"),
            (".hidden", "_hidden"),
            ("end. ", "end._"),
            ("nul", "_nul_"),
            ("Aux.txt/COM1", "_Aux.txt_/_COM1_"),
            ("__MACOSX", "__MACOSX_"),
            ("x/messages.csv", "x/messages.csv_"),
            ("x/0000000001.eml", "x/0000000001.eml_"),
            ("a/b/c/d/e/f/g/h/i/j/k/l/m", "a/b/c/d/e/f/g/h/i/j/k/l_m"),
        ] {
            assert_eq!(places.of(mailbox), place, "{mailbox}");
        }
        assert_eq!(places.of("Work/Entwürfe & R"), "Work/Entwürfe & R");
        assert_eq!(places.of(&"ä".repeat(120)), "ä".repeat(100));
        let mut files = Places::new(".sbd");
        assert_eq!(files.of("Work/a.sbd/b"), "Work.sbd/a.sbd_.sbd/b");
    }

    #[test]
    fn subjects_in_names_of_files() {
        assert_eq!(of_subject("Re: [list]  50% <off>\r\n\t…"), "Re list 50 off");
        assert_eq!(of_subject("../../etc/passwd"), "etc passwd");
        assert_eq!((of_subject("???"), of_subject(&"ß".repeat(70))), (String::new(), "ß".repeat(60)));
    }
}
