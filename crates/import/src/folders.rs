//! Which mailbox a folder of elsewhere becomes.

use crate::source::Folder;
use std::collections::{BTreeMap, HashMap};
use store::{Mailboxes, Role};

/// The name of a file: what a level of a name may have at most ([`store`] says no to a longer one).
const LEVEL_BYTES_MAX: usize = 255;

/// What becomes of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// It goes into the mailbox of this name, which is made with this role where it is not there.
    Mailbox(String, Option<Role>),
    /// It is left out: why.
    LeftOut(&'static str),
}

/// What becomes of each folder, in their order. `only`: the names of those that are wanted; none: all.
pub(crate) fn targets(folders: &[Folder], only: &[String], here: &Mailboxes) -> Vec<Target> {
    let roles = roles(folders);
    let mut by_role: BTreeMap<&[String], String> = BTreeMap::new();
    for (at, role) in &roles {
        let there = here.iter().find(|mailbox| mailbox.role == Some(*role)).map(|mailbox| mailbox.name.clone());
        let levels = folders.get(*at).map_or(&[][..], |folder| &folder.levels);
        by_role.insert(levels, there.unwrap_or_else(|| joined(levels)));
    }
    let target = |(at, folder): (usize, &Folder)| {
        let wanted = only.is_empty() || only.iter().any(|name| is_called(folder, name));
        match folder.left_out {
            _ if !wanted => Target::LeftOut(NOT_ASKED_FOR),
            Some(why) if only.is_empty() => Target::LeftOut(why),
            Some(_) | None => Target::Mailbox(name(folder, &by_role), roles.get(&at).copied()),
        }
    };
    folders.iter().enumerate().map(target).collect()
}

/// Why nothing is said of a folder.
pub(crate) const NOT_ASKED_FOR: &str = "nobody asked for it";

/// Whether somebody means it.
pub(crate) fn is_called(folder: &Folder, name: &str) -> bool {
    folder.name == name
        || folder.levels.join("/") == name
        || (is_inbox(&folder.levels) && name.eq_ignore_ascii_case("INBOX"))
}

/// The folders with a role of their own: the first that the source says it of, else one of the name that such a mailbox has
/// here, else one of a name that programs give it. One folder for a role: two folders stay two mailboxes.
fn roles(folders: &[Folder]) -> HashMap<usize, Role> {
    let top = |folder: &Folder| match folder.levels.as_slice() {
        [name] => Some(name.clone()),
        _ => None,
    };
    let by_attribute = |folder: &Folder| folder.role;
    let by_name = |folder: &Folder| {
        let name = top(folder)?;
        Role::ALL.into_iter().find(|role| role.default_name().eq_ignore_ascii_case(&name))
    };
    let by_alias = |folder: &Folder| Role::of_alias(&top(folder)?);
    let ways: [Way<'_>; 3] = [&by_attribute, &by_name, &by_alias];
    let mut roles: HashMap<usize, Role> = HashMap::new();
    for way in ways {
        for (at, folder) in folders.iter().enumerate() {
            let Some(role) = way(folder) else { continue };
            if !roles.contains_key(&at) && roles.values().all(|taken| *taken != role) {
                roles.insert(at, role);
            }
        }
    }
    roles
}

/// How a folder is known to have a role.
type Way<'a> = &'a dyn Fn(&Folder) -> Option<Role>;

/// What is below a folder with a role stays below it.
fn name(folder: &Folder, by_role: &BTreeMap<&[String], String>) -> String {
    for length in (1..=folder.levels.len()).rev() {
        let (above, below) = folder.levels.split_at(length);
        if let Some(name) = by_role.get(above) {
            return if below.is_empty() { name.clone() } else { format!("{name}/{}", joined(below)) };
        }
    }
    joined(&folder.levels)
}

fn joined(levels: &[String]) -> String {
    if is_inbox(levels) {
        return "INBOX".to_owned();
    }
    levels.iter().map(|level| mended(level)).collect::<Vec<_>>().join("/")
}

fn is_inbox(levels: &[String]) -> bool {
    matches!(levels, [name] if name.eq_ignore_ascii_case("INBOX"))
}

/// A level that a mailbox can have here (docs/decisions/0021-names-of-mailboxes.md), with `_` for what it cannot.
fn mended(level: &str) -> String {
    let is_bad = |c: char| c.is_control() || matches!(c, '*' | '%' | '/' | '\u{2028}' | '\u{2029}');
    let mut level: String = level.chars().map(|c| if is_bad(c) { '_' } else { c }).collect();
    if matches!(level.as_str(), "" | "." | "..") {
        level = "_".repeat(level.len().max(1));
    }
    while level.len() > LEVEL_BYTES_MAX {
        level.pop();
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use store::sim::{SimEngine, SimObjects};
    use store::{AccountId, Store, Timestamp};

    fn folder(name: &str, role: Option<Role>) -> Folder {
        let levels = name.split('/').map(str::to_owned).collect();
        Folder { name: name.to_owned(), levels, role, ..Folder::default() }
    }

    fn names(folders: &[Folder], only: &[&str]) -> Vec<String> {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let here = store.create_account(AccountId(16), Timestamp(0)).unwrap().mailboxes().unwrap();
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        let shown = |target| match target {
            Target::Mailbox(name, _) => name,
            Target::LeftOut(why) => format!("- {why}"),
        };
        targets(folders, &only, &here).into_iter().map(shown).collect()
    }

    #[test]
    fn folders_with_a_role_go_where_it_is_here() {
        let folders = [
            folder("Inbox", None),
            folder("Gesendete Objekte", Some(Role::Sent)),
            folder("Gesendete Objekte/2020", None),
            folder("Sent", None),
            folder("Papierkorb", None),
            folder("Deleted Items", None),
            folder("INBOX/Work", None),
            folder("spam", None),
        ];
        let expected =
            ["INBOX", "Sent", "Sent/2020", "Sent", "Trash", "Deleted Items", "INBOX/Work", "Junk"].map(str::to_owned);
        assert_eq!(names(&folders, &[]), expected);
    }

    #[test]
    fn names_that_no_mailbox_can_have_are_mended() {
        let mut odd = folder("x", None);
        odd.levels = ["a/b*", "..", "", "\u{7}"].map(str::to_owned).to_vec();
        let mut long = folder("x", None);
        long.levels = vec!["ä".repeat(200)];
        assert_eq!(names(&[odd, long], &[]), ["a_b_/__/_/_".to_owned(), "ä".repeat(127)]);
    }

    #[test]
    fn what_is_left_out_comes_for_whoever_asks() {
        let mut all = folder("All Mail", None);
        all.left_out = Some("why");
        let folders = [all, folder("INBOX", None)];
        assert_eq!(names(&folders, &[]), ["- why", "INBOX"]);
        assert_eq!(names(&folders, &["All Mail"]), ["All Mail".to_owned(), format!("- {NOT_ASKED_FOR}")]);
        assert_eq!(names(&folders, &["inbox"]), [format!("- {NOT_ASKED_FOR}"), "INBOX".to_owned()]);
    }
}
