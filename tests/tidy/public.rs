//! What is public: which items a crate offers, and which of them nobody outside of it needs.
//!
//! Needed is what another crate names, and what the public part of something needed shows: the types in a signature, in the
//! public fields of a struct, in the variants of an enum. What the text says is enough: an item is its name, wherever it
//! stands, and rustfmt's form says where it ends.

use std::collections::{BTreeMap, BTreeSet};

/// Something that is `pub`.
#[derive(Debug)]
pub struct Item {
    /// `fn`, `struct`, `const` …
    pub kind: &'static str,
    pub name: String,
    /// What of it others see, as words.
    shows: BTreeSet<String>,
}

const KINDS: [&str; 8] = ["fn", "struct", "enum", "trait", "type", "const", "static", "mod"];

/// The words of a text, without its comments.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')).filter(|word| !word.is_empty())
}

/// The public items of a file.
pub fn items(code: &str) -> Vec<Item> {
    let lines: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| item(line.trim_start().strip_prefix("pub ")?, &lines[at..]))
        .collect()
}

/// The item whose first line, after `pub`, is `head`; `lines` begin with it.
fn item(head: &str, lines: &[&str]) -> Option<Item> {
    let first: Vec<&str> = words(head).take(4).collect();
    // `const fn`, `async fn` are functions.
    let place = first.iter().position(|word| *word == "fn").unwrap_or(0);
    let kind = KINDS.into_iter().find(|kind| first.get(place) == Some(kind))?;
    let name = (*first.get(place + 1)?).to_owned();
    let indent = " ".repeat(lines[0].len() - lines[0].trim_start().len());
    let is_one_line = lines[0].ends_with([';', '}']);
    let closes = |line: &&str| match kind {
        "struct" | "enum" | "trait" => **line == format!("{indent}}}") || **line == format!("{indent});"),
        _ => line.starts_with(&indent) && line.ends_with(['{', ';']),
    };
    let end = if is_one_line { 0 } else { lines.iter().position(closes).unwrap_or(0) };
    let shown = lines[..=end].iter().enumerate().filter(|(at, line)| match kind {
        // Private fields are nobody's business.
        "struct" => *at == 0 || line.trim_start().starts_with("pub "),
        "mod" => false,
        _ => true,
    });
    let shows = shown.flat_map(|(_, line)| words(line)).map(str::to_owned).collect();
    Some(Item { kind, name, shows })
}

/// The names that documentation links to: [`LIMIT`], [`Type::LIMIT`].
pub fn linked(text: &str) -> impl Iterator<Item = &str> {
    let docs = text.lines().map(str::trim_start).filter(|line| line.starts_with("///") || line.starts_with("//!"));
    let links = docs.flat_map(|line| line.split("[`").skip(1)).filter_map(|rest| Some(rest.split_once("`]")?.0));
    links.filter_map(|link| link.rsplit("::").next())
}

/// What the types of implementations of traits are: `type Err = UnknownName;`.
pub fn associated(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter(|line| line.starts_with("    type ") && line.contains(" = ")).flat_map(words)
}

/// What macros call where they are used: `$crate::said`.
pub fn in_macros(code: &str) -> impl Iterator<Item = &str> {
    code.split("$crate::").skip(1).filter_map(|rest| words(rest).next())
}

/// The items of one crate that nobody outside needs: `named` are the words of all other crates. A limit that its own
/// documentation (`linked`) promises is needed by whoever reads that.
pub fn unneeded<'a>(items: &'a [Item], named: &BTreeSet<String>, linked: &BTreeSet<String>) -> Vec<&'a Item> {
    let mut needed: BTreeSet<&str> =
        items.iter().map(|item| item.name.as_str()).filter(|name| named.contains(*name)).collect();
    let by_name = items.iter().fold(BTreeMap::<&str, Vec<&Item>>::new(), |mut all, item| {
        all.entry(&item.name).or_default().push(item);
        all
    });
    let mut open: Vec<&str> = needed.iter().copied().collect();
    while let Some(name) = open.pop() {
        let shown = by_name[name].iter().flat_map(|item| &item.shows);
        open.extend(
            shown
                .filter_map(|word| by_name.get_key_value(word.as_str()))
                .map(|(name, _)| *name)
                .filter(|name| needed.insert(*name)),
        );
    }
    let is_promised = |item: &Item| item.kind == "const" && linked.contains(&item.name);
    items.iter().filter(|item| !is_promised(item) && !needed.contains(item.name.as_str())).collect()
}

#[test]
fn what_a_needed_item_shows_is_needed_and_what_nobody_names_is_not() {
    let code = "pub struct Shown(pub u64);\npub struct Used {\n    pub shown: Shown,\n    hidden: Hidden,\n}\npub struct Hidden;\n\
                pub enum Kind {\n    Of(Inside),\n}\npub struct Inside;\nimpl Used {\n    pub const fn make(\n        \
                kind: &Kind,\n    ) -> Self {\n    }\n    pub(crate) fn own() {}\n}\n/// At most [`Used::LIMIT`].\npub const LIMIT: usize = 3;\n\
                pub const OTHER: usize = 4;\npub mod idle {\n";
    let items = items(code);
    let named = ["Used", "make"].map(str::to_owned).into();
    let linked = linked(code).map(str::to_owned).collect();
    let left: Vec<&str> = unneeded(&items, &named, &linked).iter().map(|item| item.name.as_str()).collect();
    assert_eq!(left, ["Hidden", "OTHER", "idle"]);
}
