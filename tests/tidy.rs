//! Reads the repository and holds what a machine can hold: floors, sizes, RFC rows, licences, words.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/limits.rs"]
mod limits;
#[path = "tidy/public.rs"]
mod public;

/// A crate may use only crates on lower floors; the same floor never imports itself (ARCHITECTURE.md).
const FLOORS: &[(&str, u32)] = &[
    ("session", 0),
    ("line-proto", 0),
    ("message", 0),
    ("metrics", 0),
    ("uidl-import", 0),
    ("sasl", 0),
    ("wording", 0),
    ("smtp-proto", 1),
    ("pop3-proto", 1),
    ("imap-proto", 1),
    ("junk", 1),
    ("store", 1),
    ("dns", 1),
    ("dkim", 1),
    ("sender-auth", 1),
    ("acme", 2),
    ("traces", 2),
    ("backup", 2),
    ("standby", 2),
    ("scan", 1),
    ("directory", 2),
    ("hints", 2),
    ("import", 2),
    ("store-postgres", 2),
    ("store-sqlite", 2),
    ("store-objects", 2),
    ("search-index", 2),
    ("queue", 2),
    ("auth", 3),
    ("letter", 3),
    ("search", 3),
    ("reports", 3),
    ("posts", 3),
    ("console", 4),
    ("login", 4),
    ("mailflow", 4),
    ("smtpd", 5),
    ("pop3d", 5),
    ("imapd", 5),
    ("web", 5),
    ("server", 6),
    ("pillarbox", 7),
];

/// Lines of a source file without its tests.
const FILE_LINES_MAX: usize = 600;
/// Lines of a function, from its first line to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Tests that may sleep, with the reason. This list may only shrink.
const SLEEPING_TESTS: &[(&str, &str)] =
    &[("tests/crash.rs", "the moment of a SIGKILL is drawn at random and must not be that of an event")];
/// Functions that are longer, with the reason. This list may only shrink.
const LONG_FUNCTIONS: &[(&str, &str)] = &[];

/// Files of one crate of which each leads to each other: one subject at most.
const CIRCLE_FILES_MAX: usize = 3;
/// Crates with a larger circle, and the files of their largest. This list may only shrink.
const LARGE_CIRCLES: &[(&str, usize)] = &[];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(below: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(below)];
    while let Some(directory) = open.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    let all = ["src", "crates", "tests", "fuzz"].iter().flat_map(|below| files(below, "rs"));
    all.map(|path| (path.strip_prefix(root()).unwrap().display().to_string(), fs::read_to_string(path).unwrap()))
        .collect()
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.contains("/benches/") || path.ends_with("tests.rs")
}

fn manifests() -> BTreeMap<String, toml::Table> {
    let paths = files("crates", "toml").into_iter().filter(|path| path.ends_with("Cargo.toml"));
    let parsed = paths.chain([root().join("Cargo.toml")]).map(|path| {
        let manifest: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
        (manifest["package"]["name"].as_str().unwrap().to_owned(), manifest)
    });
    parsed.collect()
}

fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn crates_use_only_lower_floors() {
    let floors: BTreeMap<&str, u32> = FLOORS.iter().copied().collect();
    let manifests = manifests();
    let mut problems = Vec::new();
    for (name, manifest) in &manifests {
        let Some(floor) = floors.get(name.as_str()) else {
            problems.push(format!("crate {name} has no floor in tests/tidy.rs"));
            continue;
        };
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        for used in dependencies.keys() {
            if floors.get(used.as_str()).is_some_and(|used| used >= floor) {
                problems.push(format!("{name} (floor {floor}) uses {used}, which is not on a lower floor"));
            }
        }
    }
    for (name, _) in FLOORS {
        if !manifests.contains_key(*name) {
            problems.push(format!("tests/tidy.rs gives a floor to {name}, which does not exist"));
        }
    }
    none(problems);
}

#[test]
fn pure_crates_know_no_clock_no_files_and_no_sockets() {
    let pure = [
        "session",
        "line-proto",
        "message",
        "sasl",
        "smtp-proto",
        "pop3-proto",
        "imap-proto",
        "uidl-import",
        "wording",
        "store",
    ];
    let forbidden = ["SystemTime::now", "Instant::now", "std::fs", "std::net::Tcp", "thread::sleep", "tokio"];
    let mut problems = Vec::new();
    for (path, text) in sources() {
        if is_test(&path) || !pure.iter().any(|name| path.starts_with(&format!("crates/{name}/src"))) {
            continue;
        }
        for word in forbidden.iter().filter(|word| without_tests(&text).contains(**word)) {
            problems.push(format!("{path} uses {word}: pure crates get bytes and the time passed in"));
        }
    }
    none(problems);
}

/// The part of a file before its unit tests: they stand last, in a module with a body. (`mod tests;` is another file, and
/// says nothing about the lines that follow it.)
fn without_tests(text: &str) -> &str {
    let inline = text.match_indices("#[cfg(test)]\n").find(|(at, attribute)| {
        let next = text[at + attribute.len()..].lines().next().unwrap_or_default();
        next.contains("mod ") && next.ends_with('{')
    });
    inline.map_or(text, |(at, _)| &text[..at])
}

#[test]
fn files_and_functions_stay_small() {
    let mut problems = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| !is_test(path)) {
        let code = without_tests(&text);
        let lines = code.lines().count();
        if lines > FILE_LINES_MAX {
            problems
                .push(format!("{path} has {lines} lines without tests, at most {FILE_LINES_MAX}: split it by subject"));
        }
        for (name, lines) in functions(code) {
            let allowed = LONG_FUNCTIONS.iter().any(|(known, _)| *known == format!("{path} {name}"));
            if lines > FUNCTION_LINES_MAX && !allowed {
                problems.push(format!("{path}: fn {name} has {lines} lines, at most {FUNCTION_LINES_MAX}"));
            }
        }
    }
    none(problems);
}

#[test]
fn files_of_a_crate_stand_in_no_large_circle() {
    let mut problems = Vec::new();
    for (name, _) in FLOORS.iter().filter(|(name, _)| *name != "pillarbox") {
        let below = format!("crates/{name}/src/");
        let own = sources().into_iter().filter(|(path, _)| !is_test(path) && !path.ends_with("/testing.rs"));
        let own = own.filter_map(|(path, text)| {
            let code = without_tests(&text).lines().filter(|line| !line.trim_start().starts_with("//"));
            Some((path.strip_prefix(&below)?.to_owned(), code.collect::<Vec<_>>().join("\n")))
        });
        let found = circles::circles(&own.collect::<Vec<_>>());
        let largest = found.iter().map(Vec::len).max().unwrap_or_default();
        let known = LARGE_CIRCLES.iter().find(|(known, _)| known == name).map(|(_, files)| *files);
        if largest > known.unwrap_or(CIRCLE_FILES_MAX) {
            let circle = found.iter().find(|circle| circle.len() == largest).unwrap();
            problems.push(format!("crates/{name}: {largest} files stand in one circle: {}", circle.join(", ")));
        }
    }
    none(problems);
}

#[test]
fn what_documents_say_of_files_is_true() {
    let mut problems = Vec::new();
    for document in ["ARCHITECTURE.md", "docs/flow.md", "docs/where-next.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
        let paths = quoted.into_iter().filter(|word| {
            word.contains('/') && !word.contains([' ', '*']) && (word.ends_with('/') || word.contains('.'))
        });
        for path in paths {
            if !root().join(path).exists() && !root().join("crates").join(path).exists() {
                problems.push(format!("{document} names {path}, which is not there"));
            }
        }
    }
    none(problems);
}

/// A promise without its test is a wish.
#[test]
fn each_promise_names_a_test_that_is_there() {
    let text = fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let mut problems = Vec::new();
    let mut named = 0;
    for row in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise")) {
        let held_by = row.split(" | ").nth(1).unwrap_or_default();
        let before = named;
        for part in held_by.split("; ") {
            let mut quoted = part.split('`').skip(1).step_by(2);
            let file = quoted.next().unwrap_or_default();
            let code = fs::read_to_string(root().join(file)).unwrap_or_default();
            for test in quoted {
                named += 1;
                if !code.contains(&format!("#[test]\nfn {test}()")) {
                    problems.push(format!("{file} has no test {test}, which docs/reliability.md names"));
                }
            }
        }
        if named == before {
            problems.push(format!("docs/reliability.md names no test in this row: {row}"));
        }
    }
    assert!(named > 20, "docs/reliability.md names only {named} tests");
    none(problems);
}

/// What `tests/mistakes/run.py` plants stands where it says.
#[test]
fn each_mistake_can_be_planted() {
    let text = fs::read_to_string(root().join("tests/mistakes/mistakes.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let mistakes = table["mistake"].as_array().unwrap();
    let mut problems = Vec::new();
    for mistake in mistakes {
        let of = |key: &str| mistake[key].as_str().unwrap();
        let code = fs::read_to_string(root().join(of("file"))).unwrap_or_default();
        let places = code.matches(of("from")).count();
        if places != 1 || of("from") == of("to") {
            problems.push(format!("{:?} can be planted in {} places of {}", of("name"), places, of("file")));
        }
    }
    assert!(mistakes.len() >= 15, "only {} mistakes", mistakes.len());
    none(problems);
}

/// What takes octets from outside is fuzzed, and what came of it is written down.
#[test]
fn each_fuzz_target_is_built_and_in_the_table() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let (table, manifest) = (read("fuzz/README.md"), read("fuzz/Cargo.toml"));
    let mut problems = Vec::new();
    for path in files("fuzz/fuzz_targets", "rs") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !table.lines().any(|line| line.starts_with(&format!("| `{name}` |"))) {
            problems.push(format!("fuzz/README.md has no row that begins with `{name}`"));
        }
        if !manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")) {
            problems.push(format!("fuzz/Cargo.toml does not build fuzz_targets/{name}.rs"));
        }
    }
    none(problems);
}

/// What is public is promised: `unreachable_pub` says what no other crate can name, this test what none does.
#[test]
fn what_is_public_is_needed_by_another_crate() {
    let sources = sources();
    // The tests of a crate in `tests/` are crates of their own.
    let crate_of = |path: &str| path.split("src/").next().unwrap_or_default().to_owned();
    let mut words: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut items: BTreeMap<String, Vec<public::Item>> = BTreeMap::new();
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut linked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut problems = Vec::new();
    for (path, text) in &sources {
        words.entry(crate_of(path)).or_default().extend(public::words(text).map(str::to_owned));
        if path.ends_with("src/lib.rs") && !text.contains("#![warn(unreachable_pub)]") {
            problems.push(format!("{path} lacks #![warn(unreachable_pub)]"));
        }
        if path.starts_with("crates/") && !is_test(path) {
            let code = without_tests(text);
            items.entry(crate_of(path)).or_default().extend(public::items(code));
            linked.entry(crate_of(path)).or_default().extend(public::linked(code).map(str::to_owned));
            shown.entry(crate_of(path)).or_default().extend(public::associated(code).map(str::to_owned));
            shown.entry(crate_of(path)).or_default().extend(public::in_macros(code).map(str::to_owned));
        }
    }
    for (own, items) in &items {
        let others = words.iter().filter(|(other, _)| *other != own);
        let mut named: BTreeSet<String> = others.flat_map(|(_, words)| words.iter().cloned()).collect();
        named.extend(shown.remove(own).unwrap_or_default());
        for public::Item { kind, name, .. } in public::unneeded(items, &named, &linked[own]) {
            problems.push(format!("{own}: {kind} {name} is public, and no other crate needs it: pub(crate) is enough"));
        }
    }
    none(problems);
}

#[test]
fn no_two_kinds_of_an_accounts_records_share_a_letter() {
    let code = fs::read_to_string(root().join("crates/store/src/key.rs")).unwrap();
    let (head, body) = code.split_once("\nuse ").unwrap();
    let mut letters: BTreeMap<char, Vec<&str>> = BTreeMap::new();
    for function in without_tests(body).split("\npub(crate) fn ").skip(1) {
        let (name, rest) = function.split_once('(').unwrap();
        // Bounds of a scan begin with the letter of what they scan.
        if let Some(at) = rest.find(" key(b'") {
            letters.entry(rest[at + 7..].chars().next().unwrap()).or_default().push(name);
        }
    }
    let mut problems: Vec<String> = Vec::new();
    for (letter, names) in &letters {
        if names.len() > 1 {
            problems.push(format!("keys of {} all begin with {letter}", names.join(" and ")));
        }
        if !head.contains(&format!("| `{letter}` |")) {
            problems.push(format!("the table of crates/store/src/key.rs has no row for {letter}"));
        }
    }
    assert!(letters.len() > 15, "the form of key.rs has changed: {letters:?}");
    none(problems);
}

/// Names and lengths of functions: a line with `fn` at some indentation up to the `}` at the same one (rustfmt's form).
fn functions(code: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words: Vec<&str> = line.split_whitespace().take_while(|word| *word != "//").collect();
        let Some(place) = words.iter().position(|word| *word == "fn") else { continue };
        if place > 3 || line.ends_with('}') || line.ends_with(';') {
            continue;
        }
        let close = format!("{}}}", " ".repeat(indent));
        let length = lines[at..].iter().position(|line| *line == close).map_or(0, |end| end + 1);
        let name = words.get(place + 1).unwrap_or(&"").split(['(', '<']).next().unwrap_or_default();
        found.push((name.to_owned(), length));
    }
    found
}

#[test]
fn no_test_is_switched_off_and_none_sleeps() {
    let mut problems = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| path != "tests/tidy.rs") {
        for word in ["#[ignore", "todo!(", "unimplemented!("] {
            if text.contains(word) {
                problems.push(format!("{path} contains {word}"));
            }
        }
        let tests = if is_test(&path) { &text[..] } else { &text[without_tests(&text).len()..] };
        let may_sleep = path.contains("/benches/") || SLEEPING_TESTS.iter().any(|(known, _)| *known == path);
        if tests.contains("sleep(") && !may_sleep {
            problems.push(format!("{path} sleeps in a test: wait for an event"));
        }
    }
    none(problems);
}

#[test]
fn cited_rfcs_and_the_rows_of_docs_rfc_toml_agree() {
    let table: toml::Table = fs::read_to_string(root().join("docs/rfc.toml")).unwrap().parse().unwrap();
    let mut cited: BTreeMap<u32, bool> = BTreeMap::new();
    for row in table["rfc"].as_array().unwrap() {
        let number = u32::try_from(row["number"].as_integer().unwrap()).unwrap();
        let text = |key: &str| row[key].as_str().is_some_and(|text| !text.is_empty());
        assert!(text("title") && text("state"), "RFC {number}");
        assert!(cited.insert(number, false).is_none(), "RFC {number} has two rows");
    }
    let mut problems = BTreeSet::new();
    let transcripts =
        files("tests", "txt").into_iter().map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap()));
    for (path, text) in sources().into_iter().chain(transcripts) {
        for (at, _) in text.match_indices("RFC ") {
            let digits: String = text[at + 4..].chars().take_while(char::is_ascii_digit).collect();
            let Ok(number) = digits.parse() else { continue };
            match cited.get_mut(&number) {
                Some(cited) => *cited = true,
                None => drop(problems.insert(format!("{path} cites RFC {number}, which has no row in docs/rfc.toml"))),
            }
        }
    }
    for (number, _) in cited.iter().filter(|(_, cited)| !**cited) {
        problems.insert(format!("docs/rfc.toml has a row for RFC {number}, which nothing cites"));
    }
    none(problems.into_iter().collect());
}

#[test]
fn licences_of_all_dependencies_allow_apache_2_or_mit() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let rustc = std::process::Command::new("rustc").arg("-vV").output().unwrap();
    let facts = String::from_utf8(rustc.stdout).unwrap();
    let host = facts.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments = ["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", host];
    let output = std::process::Command::new(cargo).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let allowed = [
        "Apache-2.0",
        "MIT",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "Unicode-3.0",
        "Zlib",
        "0BSD",
        "CC0-1.0",
        "Unlicense",
        "MIT-0",
        "OpenSSL",
        "CDLA-Permissive-2.0",
        "BSL-1.0",
        "Apache-2.0 WITH LLVM-exception",
    ];
    let fits = |expression: &str| {
        // SPDX: every part joined by AND must offer one that is allowed. (Parentheses hold only ORs in practice.)
        let parts = expression.replace(['(', ')'], "").replace('/', " OR ");
        parts.split(" AND ").all(|part| part.split(" OR ").any(|one| allowed.contains(&one.trim())))
    };
    let mut problems = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let licence = package["license"].as_str().unwrap_or("none given");
        if !fits(licence) {
            problems.push(format!("{} {}: licence {licence}", package["name"], package["version"]));
        }
    }
    none(problems);
}

#[test]
fn every_crate_and_decision_is_named_in_the_documents() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut problems: Vec<String> = Vec::new();
    for (name, _) in FLOORS.iter().filter(|(name, _)| !architecture.contains(&format!("`{name}`"))) {
        problems.push(format!("ARCHITECTURE.md does not name `{name}`"));
    }
    for path in files("docs/decisions", "md") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let dated = text.lines().take(5).any(|line| line.starts_with("Date: 20"));
        if !(dated && name.len() > 5 && name[..4].chars().all(|c| c.is_ascii_digit())) {
            problems
                .push(format!("docs/decisions/{name} must be called NNNN-*.md and say `Date: YYYY-MM-DD` at its top"));
        }
    }
    none(problems);
}
