//! Aliases of Postfix (virtual(5), aliases(5)), as they are made here.
//!
//! There an alias may lead to another one; here it leads to accounts and to addresses elsewhere, so that is followed before. What
//! leads to a program or a file, or says something about a whole domain, is refused, with its line.

use std::collections::BTreeMap;

use super::passwd_file::with_domain;

/// Aliases that lead to aliases are followed so far; Postfix has no more either (`virtual_alias_recursion_limit`).
const DEPTH_MAX: usize = 1000;

/// An alias of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The line that it begins in.
    pub(super) line: usize,
    /// The alias, as it stands there, with its domain.
    pub(super) alias: String,
    /// Where it leads in the end, or why it cannot be had.
    pub(super) targets: Result<Vec<String>, String>,
}

/// All of a file, in order. `domain`: that of names without one.
pub(super) fn entries(text: &str, domain: Option<&str>) -> Vec<Entry> {
    let mut entries: Vec<Entry> =
        logical_lines(text).into_iter().map(|(line, text)| entry(line, &text, domain)).collect();
    let name_of = |entry: &Entry| with_domain(&entry.alias, domain).to_lowercase();
    // Of two lines with the same name Postfix takes the first one, too.
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for entry in &mut entries {
        let first = *lines.entry(name_of(entry)).or_insert(entry.line);
        if first != entry.line && entry.targets.is_ok() {
            entry.targets = Err(format!("it stands in line {first} already, which is what counts"));
        }
    }
    let known: BTreeMap<String, Vec<String>> =
        entries.iter().filter_map(|entry| Some((name_of(entry), entry.targets.as_ref().ok()?.clone()))).collect();
    for entry in &mut entries {
        if let Ok(targets) = &entry.targets {
            entry.targets = followed(&entry.alias, targets, &known);
        }
    }
    refuse_what_leads_to_refused(&mut entries, &known, &lines, &name_of);
    entries
}

/// What leads to an alias that cannot be had would lead to less than it says, as does what leads to that in its turn. `known`: where
/// each leads at first; `lines`: the line that counts for each.
fn refuse_what_leads_to_refused(
    entries: &mut [Entry],
    known: &BTreeMap<String, Vec<String>>,
    lines: &BTreeMap<String, usize>,
    name_of: &dyn Fn(&Entry) -> String,
) {
    let mut leading_to: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for (name, targets) in known {
        targets.iter().for_each(|target| leading_to.entry(target.to_lowercase()).or_default().push(name));
    }
    let counts = |entry: &&mut Entry| lines.get(&name_of(entry)) == Some(&entry.line);
    let mut by_name: BTreeMap<String, &mut Entry> =
        entries.iter_mut().filter(counts).map(|entry| (name_of(entry), entry)).collect();
    let mut open: Vec<String> =
        by_name.iter().filter(|(_, entry)| entry.targets.is_err()).map(|(name, _)| name.clone()).collect();
    while let Some(refused) = open.pop() {
        let line = lines.get(&refused).copied().unwrap_or_default();
        for name in leading_to.get(&refused).into_iter().flatten() {
            if let Some(entry) = by_name.get_mut(*name).filter(|entry| entry.targets.is_ok()) {
                entry.targets = Err(format!("it leads to {refused}, which is refused in line {line}"));
                open.push((*name).clone());
            }
        }
    }
}

/// A line that begins with blanks goes on with the one before it.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        match lines.last_mut() {
            Some((_, before)) if line.starts_with([' ', '\t']) => {
                before.push(' ');
                before.push_str(content);
            }
            _ => lines.push((at + 1, content.to_owned())),
        }
    }
    lines
}

fn entry(line: usize, text: &str, domain: Option<&str>) -> Entry {
    let (name, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    // aliases(5) has `name: value`, with or without a blank.
    let colon = text.split_once(':').filter(|(before, _)| before.trim_end() == name.split(':').next().unwrap_or(name));
    let (name, rest) = colon.map_or((name, rest), |(before, after)| (before.trim_end(), after));
    match targets(name, rest, colon.is_some(), domain) {
        Ok(targets) => Entry { line, alias: with_domain(name, domain), targets: Ok(targets) },
        Err(why) => Entry { line, alias: name.to_owned(), targets: Err(why.to_owned()) },
    }
}

fn targets(name: &str, rest: &str, has_colon: bool, domain: Option<&str>) -> Result<Vec<String>, &'static str> {
    let targets: Vec<&str> = rest.split([',', ' ', '\t']).filter(|target| !target.is_empty()).collect();
    if name.contains('"') {
        return Err("its name stands in quotes; `pillarbox alias add` takes it");
    }
    if !name.contains('@') && name.contains('.') && !has_colon {
        return Err("it names a domain; `pillarbox domain add` does that");
    }
    if !name.contains('@') && domain.is_none() {
        return Err("it has no domain; say which with --domain");
    }
    // Where blanks stand before `:include:` its first colon is taken for that of aliases(5).
    let is_file = |target: &&str| target.starts_with('/') || target.starts_with("include:");
    if rest.contains(['"', '|']) || rest.contains(":include:") || targets.iter().any(is_file) {
        return Err("it leads to a program, a file or a list in a file; `pillarbox list` makes lists");
    }
    if targets.is_empty() {
        return Err("it leads nowhere");
    }
    if targets.iter().any(|target| target.starts_with('@')) {
        return Err(
            "it leads a whole domain into another: each address needs an alias of its own, or the domain a catch-all",
        );
    }
    Ok(targets.into_iter().map(|target| with_domain(target, domain)).collect())
}

/// Where an alias leads in the end.
fn followed(alias: &str, targets: &[String], known: &BTreeMap<String, Vec<String>>) -> Result<Vec<String>, String> {
    let (mut found, mut seen, mut open) = (Vec::new(), vec![alias.to_lowercase()], targets.to_vec());
    open.reverse();
    while let Some(target) = open.pop() {
        let name = target.to_lowercase();
        if seen.contains(&name) {
            // What leads to itself as well is a mailbox.
            let is_mailbox = known.get(&name).is_some_and(|targets| has(targets, &name));
            if is_mailbox && !has(&found, &name) {
                found.push(target);
            }
            continue;
        }
        if seen.len() > DEPTH_MAX {
            return Err(format!("it leads to more than {DEPTH_MAX} others"));
        }
        seen.push(name.clone());
        match known.get(&name) {
            Some(further) => open.extend(further.iter().rev().cloned()),
            None => found.push(target),
        }
    }
    if found.is_empty() { Err("it leads in a circle".to_owned()) } else { Ok(found) }
}

fn has(addresses: &[String], address: &str) -> bool {
    addresses.iter().any(|one| one.to_lowercase() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(usize, &str, Result<&str, &str>)]) {
        let entries = entries(text, Some("example.org"));
        let found: Vec<_> =
            entries.iter().map(|entry| (entry.line, entry.alias.as_str(), entry.targets.clone())).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((line, alias, targets), (at, name, outcome)) in found.iter().zip(expected) {
            assert_eq!((*line, *alias), (*at, *name));
            match (targets, outcome) {
                (Ok(targets), Ok(expected)) => assert_eq!(targets.join(" "), *expected, "{alias}"),
                (Err(why), Err(begin)) => assert!(why.contains(begin), "{alias}: {why}"),
                _ => panic!("{alias}: {targets:?}"),
            }
        }
    }

    #[test]
    fn both_notations_are_read() {
        check(
            "# comment\ninfo@example.org alice@example.org\n\nteam@example.org  alice, bob@example.org\n\
             \tcarol@example.com\npostmaster: root\nroot:alice\njohn.doe : alice\n@example.net alice@example.org\n",
            &[
                (2, "info@example.org", Ok("alice@example.org")),
                (4, "team@example.org", Ok("alice@example.org bob@example.org carol@example.com")),
                (6, "postmaster@example.org", Ok("alice@example.org")),
                (7, "root@example.org", Ok("alice@example.org")),
                (8, "john.doe@example.org", Ok("alice@example.org")),
                (9, "@example.net", Ok("alice@example.org")),
            ],
        );
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        check(
            "list: :include:/etc/list\nprog: \"|/bin/x\"\nfile: /var/mail/x\nempty:\nexample.net anything\n\
             @old.example @example.org\na b\nb a\nc c, d@example.com\n\"x y\": a\n",
            &[
                (1, "list", Err("a program, a file")),
                (2, "prog", Err("a program, a file")),
                (3, "file", Err("a program, a file")),
                (4, "empty", Err("leads nowhere")),
                (5, "example.net", Err("it names a domain")),
                (6, "@old.example", Err("a whole domain")),
                (7, "a@example.org", Err("in a circle")),
                (8, "b@example.org", Err("in a circle")),
                (9, "c@example.org", Ok("c@example.org d@example.com")),
                (10, "\"x", Err("in quotes")),
            ],
        );
    }

    #[test]
    fn of_two_lines_with_the_same_alias_the_first_one_counts() {
        check(
            "info alice\nteam info\nInfo@Example.org bob\ninfo alice\nlist /var/list\nlist alice\n",
            &[
                (1, "info@example.org", Ok("alice@example.org")),
                (2, "team@example.org", Ok("alice@example.org")),
                (3, "Info@Example.org", Err("it stands in line 1 already")),
                (4, "info@example.org", Err("it stands in line 1 already")),
                (5, "list", Err("a program, a file")),
                (6, "list@example.org", Err("it stands in line 5 already")),
            ],
        );
    }

    #[test]
    fn what_leads_to_something_refused_is_refused() {
        check(
            "all team, bob\nteam list, alice\nlist |/bin/x\nx y\ny x\nz x, alice\nme me, alice\nalso me\n",
            &[
                (1, "all@example.org", Err("it leads to team@example.org, which is refused in line 2")),
                (2, "team@example.org", Err("it leads to list@example.org, which is refused in line 3")),
                (3, "list", Err("a program, a file")),
                (4, "x@example.org", Err("in a circle")),
                (5, "y@example.org", Err("in a circle")),
                (6, "z@example.org", Err("it leads to x@example.org, which is refused in line 4")),
                (7, "me@example.org", Ok("me@example.org alice@example.org")),
                (8, "also@example.org", Ok("me@example.org alice@example.org")),
            ],
        );
    }

    #[test]
    fn a_list_in_a_file_behind_blanks_was_taken_for_an_address() {
        let check = |line| check(line, &[(1, "list", Err("a list in a file"))]);
        [
            "list :include:/etc/list",
            "list\t:include:/etc/list, bob",
            "list  bob, :include:/etc/list",
            "list : :include:/x",
        ]
        .into_iter()
        .for_each(check);
    }
}
