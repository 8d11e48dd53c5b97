//! Which message of the old server is which message here: by content, else by Message-ID where that is unique.

use std::collections::{BTreeMap, BTreeSet};

/// What a message is known by.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Mark {
    /// A digest of its octets with canonical line ends; empty where they are not known.
    pub content: String,
    /// RFC 5322 §3.6.4, with or without its angle brackets; empty where it has none.
    pub message_id: String,
}

/// A message of the old server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What POP3 programs know it by.
    pub uidl: String,
    /// What it is known by.
    pub mark: Mark,
}

/// A message here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// Its EMAILID.
    pub id: String,
    /// What it is known by.
    pub mark: Mark,
}

/// What was matched, and what was not.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Matches {
    /// EMAILID and UIDL, by content.
    pub by_content: Vec<(String, String)>,
    /// EMAILID and UIDL, by Message-ID.
    pub by_message_id: Vec<(String, String)>,
    /// UIDLs of which there is no message here.
    pub missing: Vec<String>,
    /// UIDLs of messages that share their Message-ID with another one.
    pub ambiguous: Vec<String>,
    /// UIDLs that the old server gave to more than one message.
    pub doubled: Vec<String>,
}

/// Matches the messages of the old server with those here.
#[must_use]
pub fn match_up(found: &[Found], here: &[Here]) -> Matches {
    let mut matches = Matches::default();
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    found.iter().for_each(|found| *uses.entry(found.uidl.as_str()).or_default() += 1);
    matches.doubled = uses.iter().filter(|(_, count)| **count > 1).map(|(uidl, _)| (*uidl).to_owned()).collect();
    let once = found.iter().filter(|found| uses.get(found.uidl.as_str()) == Some(&1));
    let (rest, taken) = by_content(once, here, &mut matches);
    by_message_id(&rest, here.iter().filter(|here| !taken.contains(here.id.as_str())), &mut matches);
    matches
}

/// Messages of one content are alike: they are paired off in order. Gives what found no partner, and who has one.
fn by_content<'a>(
    found: impl Iterator<Item = &'a Found>,
    here: &'a [Here],
    matches: &mut Matches,
) -> (Vec<&'a Found>, BTreeSet<&'a str>) {
    let mut free: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for here in here.iter().rev().filter(|here| !here.mark.content.is_empty()) {
        free.entry(here.mark.content.as_str()).or_default().push(here.id.as_str());
    }
    let (mut rest, mut taken) = (Vec::new(), BTreeSet::new());
    for found in found {
        match free.get_mut(found.mark.content.as_str()).and_then(Vec::pop) {
            Some(id) => {
                taken.insert(id);
                matches.by_content.push((id.to_owned(), found.uidl.clone()));
            }
            None => rest.push(found),
        }
    }
    (rest, taken)
}

fn by_message_id<'a>(found: &[&'a Found], here: impl Iterator<Item = &'a Here>, matches: &mut Matches) {
    let mut old: BTreeMap<&str, usize> = BTreeMap::new();
    found.iter().for_each(|found| *old.entry(bare(&found.mark)).or_default() += 1);
    let mut new: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    here.for_each(|here| new.entry(bare(&here.mark)).or_default().push(here.id.as_str()));
    for found in found {
        let message_id = bare(&found.mark);
        let ids = new.get(message_id).map(Vec::as_slice).filter(|_| !message_id.is_empty()).unwrap_or_default();
        match (ids, old.get(message_id)) {
            ([], _) => matches.missing.push(found.uidl.clone()),
            ([id], Some(1)) => matches.by_message_id.push(((*id).to_owned(), found.uidl.clone())),
            (_, _) => matches.ambiguous.push(found.uidl.clone()),
        }
    }
}

fn bare(mark: &Mark) -> &str {
    mark.message_id.trim().trim_start_matches('<').trim_end_matches('>')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mark(text: &str) -> Mark {
        let (content, message_id) = text.split_once('/').unwrap();
        Mark { content: content.to_owned(), message_id: message_id.to_owned() }
    }

    fn play(found: &[(&str, &str)], here: &[(&str, &str)]) -> Matches {
        let found: Vec<Found> =
            found.iter().map(|(uidl, m)| Found { uidl: (*uidl).to_owned(), mark: mark(m) }).collect();
        let here: Vec<Here> = here.iter().map(|(id, m)| Here { id: (*id).to_owned(), mark: mark(m) }).collect();
        match_up(&found, &here)
    }

    fn shown(matches: &Matches) -> String {
        let pairs = |pairs: &[(String, String)]| {
            pairs.iter().map(|(id, uidl)| format!("{id}={uidl}")).collect::<Vec<_>>().join(" ")
        };
        let Matches { by_content, by_message_id, missing, ambiguous, doubled } = matches;
        let lists = [missing, ambiguous, doubled].map(|list| list.join(" ")).join("|");
        format!("{}|{}|{lists}", pairs(by_content), pairs(by_message_id))
    }

    #[test]
    fn content_counts_before_the_message_id() {
        let check = |found: &[(&str, &str)], here: &[(&str, &str)], expected: &str| {
            assert_eq!(shown(&play(found, here)), expected);
        };
        check(&[("1", "a/x"), ("2", "b/x")], &[("M2", "b/x"), ("M1", "a/x")], "M1=1 M2=2||||");
        // Changed on the way: by Message-ID, with or without brackets.
        check(&[("1", "a/<x>"), ("2", "/y")], &[("M1", "c/x"), ("M2", "d/<y>")], "|M1=1 M2=2|||");
        // Copies of one message are paired off, what is left over is missing.
        check(&[("1", "a/"), ("2", "a/"), ("3", "a/")], &[("M1", "a/"), ("M2", "a/")], "M1=1 M2=2||3||");
        check(&[("1", "a/x"), ("2", "b/x")], &[("M1", "c/x")], "|||1 2|");
        check(&[("1", "a/x")], &[("M1", "b/x"), ("M2", "c/x")], "|||1|");
        // The other one of the same Message-ID is matched already.
        check(&[("1", "a/x"), ("2", "b/x")], &[("M1", "a/x"), ("M2", "c/x")], "M1=1|M2=2|||");
        check(
            &[("1", "a/"), ("1", "b/"), ("2", "c/")],
            &[("M1", "a/"), ("M2", "")].map(|(i, m)| (i, if m.is_empty() { "/" } else { m })),
            "||2||1",
        );
    }

    proptest! {
        #[test]
        fn nobody_is_matched_twice_and_nobody_is_forgotten(
            found in prop::collection::vec((0u8..9, 0u8..4, 0u8..4), 0..12),
            here in prop::collection::vec((0u8..4, 0u8..4), 0..12),
        ) {
            let text = |n: u8| if n == 0 { String::new() } else { n.to_string() };
            let found: Vec<Found> = found.iter().map(|(uidl, content, id)| Found {
                uidl: uidl.to_string(),
                mark: Mark { content: text(*content), message_id: text(*id) },
            }).collect();
            let here: Vec<Here> = here.iter().enumerate().map(|(n, (content, id))| Here {
                id: format!("M{n}"),
                mark: Mark { content: text(*content), message_id: text(*id) },
            }).collect();
            let matches = match_up(&found, &here);
            let pairs: Vec<&(String, String)> = matches.by_content.iter().chain(&matches.by_message_id).collect();
            let ids: BTreeSet<&str> = pairs.iter().map(|pair| pair.0.as_str()).collect();
            prop_assert_eq!(ids.len(), pairs.len());
            let told = pairs.iter().map(|pair| &pair.1).chain(&matches.missing).chain(&matches.ambiguous).chain(&matches.doubled);
            let told: Vec<&String> = told.collect();
            let distinct: BTreeSet<&String> = found.iter().map(|found| &found.uidl).collect();
            prop_assert_eq!(told.len(), distinct.len());
            prop_assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), distinct);
        }
    }
}
