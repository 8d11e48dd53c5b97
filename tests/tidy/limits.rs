//! The table of limits (docs/limits.md) is made from the constants of the code, so that it says what is so.
//!
//! A limit is a constant whose name has the word `MAX`; its first sentence of documentation says what it bounds. Limits that whoever
//! runs a server may change are options (docs/config.md).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

const TABLE: &str = "docs/limits.md";
const OPENING: &str = "# Limits

Everything that a stranger or a user can make grow has a limit. This table is made from the code; `PILLARBOX_WRITE_LIMITS=1 cargo test
--test tidy limits` writes it anew, and the tests fail where it is not what the code says. Limits that you may change are options
([config.md](config.md)).
";

/// One constant: its name, its value as it is written, what it bounds.
struct Limit {
    name: String,
    value: String,
    bounds: String,
}

#[test]
fn the_table_of_limits_is_what_the_code_says() {
    let mut crates: BTreeMap<String, Vec<Limit>> = BTreeMap::new();
    let mut problems = Vec::new();
    for (path, source) in super::sources() {
        let Some(name) = path.strip_prefix("crates/").and_then(|path| path.split('/').next()) else { continue };
        if super::is_test(&path) || path.contains("testing") {
            continue;
        }
        let code = source.split("#[cfg(test)]\nmod tests").next().unwrap();
        let found = limits(code);
        problems.extend(found.iter().filter(|limit| limit.bounds.is_empty()).map(|limit| {
            format!("{path}: {} bounds something: say what in a line of documentation above it", limit.name)
        }));
        crates.entry(name.to_owned()).or_default().extend(found);
    }
    super::none(problems);
    let table = table(&crates);
    let path = super::root().join(TABLE);
    if std::env::var_os("PILLARBOX_WRITE_LIMITS").is_some() {
        fs::write(&path, &table).unwrap();
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    let differs = table.lines().find(|line| !written.lines().any(|other| other == *line));
    assert!(
        written == table,
        "{TABLE} is not what the code says; PILLARBOX_WRITE_LIMITS=1 writes it anew. First: {differs:?}"
    );
}

fn limits(code: &str) -> Vec<Limit> {
    let mut found = Vec::new();
    let mut documentation: Vec<&str> = Vec::new();
    let mut lines = code.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix("///") {
            documentation.push(text.trim());
        } else if let Some((name, value)) = constant(line) {
            let rest = lines.by_ref();
            found.push(Limit { name: name.to_owned(), value: whole(value, rest), bounds: sentence(&documentation) });
            documentation.clear();
        } else if !line.starts_with("#[") {
            documentation.clear();
        }
    }
    found
}

/// The name and the beginning of the value of a constant with `MAX` in its name, unless it is an option or a table.
fn constant(line: &str) -> Option<(&str, &str)> {
    let declared = line.split_once("const ").filter(|(before, _)| before.is_empty() || before.starts_with("pub"))?.1;
    let (name, rest) = declared.split_once(": ")?;
    let (kind, value) = rest.split_once('=')?;
    let is_number = kind.trim().starts_with(['u', 'i', 'f', 'D']);
    (is_number && name.split('_').any(|word| word == "MAX")).then(|| (name, value.trim()))
}

fn whole<'a>(begin: &'a str, rest: &mut impl Iterator<Item = &'a str>) -> String {
    let mut value = begin.to_owned();
    while !value.contains(';') {
        let Some(more) = rest.next() else { break };
        let space = if value.is_empty() { "" } else { " " };
        value = value + space + more;
    }
    let value = value.split(';').next().unwrap_or_default().trim();
    // Tests make some smaller, to meet them sooner.
    let not_in_tests = value.strip_prefix("if cfg!(test)").and_then(|rest| rest.split_once("else {"));
    not_in_tests.map_or(value, |(_, value)| value.trim_end_matches('}').trim()).to_owned()
}

fn sentence(documentation: &[&str]) -> String {
    let text = documentation.join(" ");
    let end = text.find(". ").map_or(text.len(), |at| at + 1);
    text[..end].replace('|', "\\|")
}

fn table(crates: &BTreeMap<String, Vec<Limit>>) -> String {
    let mut out = OPENING.to_owned();
    for (name, limits) in crates.iter().filter(|(_, limits)| !limits.is_empty()) {
        write!(out, "\n## {name}\n\n| limit | value | what it bounds |\n|---|---|---|\n").unwrap();
        for limit in limits {
            let value = limit.value.replace('|', "\\|");
            writeln!(out, "| `{}` | `{value}` | {} |", limit.name, limit.bounds).unwrap();
        }
    }
    out
}
