//! Circles of files inside a crate, from the paths that its files name.
//!
//! An arrow leads from a file to each other file of the crate that it names by `crate::`, `super::`, `self::` or the name of a
//! module below it. A module and what lies below it count as one place: a parent dispatches to its children, and they use
//! what it holds. What the text says is enough; macros and names that come by glob are not followed.

use std::collections::{BTreeMap, BTreeSet};

type Module = Vec<String>;

/// The circles of one crate: groups of files of which each leads to each other. `files` are paths below `src` with their
/// code.
pub fn circles(files: &[(String, String)]) -> Vec<Vec<String>> {
    let modules: BTreeMap<Module, &str> =
        files.iter().map(|(path, code)| (module_of(path), code.as_str())).filter(|(m, _)| !m.is_empty()).collect();
    let arrows: BTreeMap<&Module, BTreeSet<&Module>> =
        modules.iter().map(|(module, code)| (module, arrows_of(module, code, &modules))).collect();
    let reach: BTreeMap<&Module, BTreeSet<&Module>> =
        arrows.keys().map(|module| (*module, reached_from(module, &arrows))).collect();
    let mut found = BTreeSet::new();
    for (module, reached) in reach.iter().filter(|(module, reached)| reached.contains(*module)) {
        let circle = reached.iter().filter(|other| reach[**other].contains(module));
        found.insert(circle.map(|other| other.join("/")).collect::<Vec<_>>());
    }
    found.into_iter().collect()
}

fn module_of(path: &str) -> Module {
    let mut parts: Module = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

fn arrows_of<'a>(module: &Module, code: &str, modules: &'a BTreeMap<Module, &str>) -> BTreeSet<&'a Module> {
    let mut named = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("::") {
        let head = rest[..at].rsplit(|c: char| !is_name(c)).next().unwrap_or_default();
        let begins = !rest[..at - head.len()].ends_with("::") && !head.is_empty();
        let below: Module = module.iter().cloned().chain([head.to_owned()]).collect();
        let own = matches!(head, "crate" | "super" | "self") || modules.contains_key(&below);
        if begins && own {
            rest = paths(Vec::new(), &rest[at - head.len()..], &mut named);
        } else {
            rest = &rest[at + 2..];
        }
    }
    let places = named.iter().filter_map(|path| place(module, path, modules));
    places.filter(|place| !place.starts_with(module) && !module.starts_with(place)).collect()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Reads one path or tree of a `use`, from its beginning; gives what follows.
fn paths<'a>(mut prefix: Module, mut text: &'a str, found: &mut Vec<Module>) -> &'a str {
    loop {
        let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
        if end > 0 {
            prefix.push(text[..end].to_owned());
        }
        text = &text[end..];
        match text.strip_prefix("::") {
            Some(more) if more.starts_with('{') => {
                text = &more[1..];
                loop {
                    text = text.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
                    match text.strip_prefix('}') {
                        Some(after) => return after,
                        None if text.is_empty() => return text,
                        None => {}
                    }
                    let before = text.len();
                    text = paths(prefix.clone(), text, found);
                    if text.len() == before {
                        text = &text[text.chars().next().map_or(0, char::len_utf8)..];
                    }
                }
            }
            Some(more) if more.starts_with(is_name) => text = more,
            _ => {
                found.push(prefix);
                return text;
            }
        }
    }
}

/// The file that a path written in `module` leads into.
fn place<'a>(module: &Module, path: &[String], modules: &'a BTreeMap<Module, &str>) -> Option<&'a Module> {
    let mut from: Module = if path.first()? == "crate" { Vec::new() } else { module.clone() };
    let ups = path.iter().take_while(|part| *part == "super").count();
    from.truncate(from.len().saturating_sub(ups));
    let words = path.iter().skip_while(|part| matches!(part.as_str(), "crate" | "super" | "self"));
    from.extend(words.cloned());
    (1..=from.len()).rev().find_map(|length| modules.get_key_value(&from[..length]).map(|(module, _)| module))
}

fn reached_from<'a>(start: &Module, arrows: &BTreeMap<&'a Module, BTreeSet<&'a Module>>) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Module> = arrows[start].iter().copied().collect();
    while let Some(module) = open.pop() {
        if reached.insert(module) {
            open.extend(arrows[module].iter().copied());
        }
    }
    reached
}

#[test]
fn a_circle_of_three_files_is_found_and_a_parent_with_its_child_is_none() {
    let file = |path: &str, code: &str| (path.to_owned(), code.to_owned());
    let files = [
        file("lib.rs", "mod a; mod b; mod c; mod d;"),
        file("a.rs", "use crate::{b::{self, B}, d::D};"),
        file("b/mod.rs", "fn f() { super::c::g() }"),
        file("c.rs", "use crate::a::A as Other;"),
        file("d/mod.rs", "mod e; fn f() { e::g() }"),
        file("d/e.rs", "use super::D;"),
    ];
    assert_eq!(circles(&files), [["a", "b", "c"]]);
}
