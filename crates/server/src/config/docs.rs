//! `docs/config.md`, made from the table of options.

use std::fmt::Write;

use super::OPTIONS;

const INTRODUCTION: &str = "# Configuration

<!-- Made by `pillarbox check-config --print-docs`; edit crates/server/src/config/options.rs instead. -->

`pillarbox serve --config FILE` reads one TOML file. Every option has a default, so an empty file is a valid one.
`pillarbox check-config FILE` says what is wrong with a file, with line and key. Relative paths begin at the directory
of the file. Accounts, aliases and domains are not configured here: see `pillarbox account --help`.

```toml
hostname = \"mail.example.org\"
data_dir = \"/var/lib/pillarbox\"

[tls]
certificate = \"/etc/letsencrypt/live/mail.example.org/fullchain.pem\"
key = \"/etc/letsencrypt/live/mail.example.org/privkey.pem\"

[smarthost]
host = \"smtp.example.net\"
user = \"example\"
password_file = \"smarthost-password\"
```
";

/// The documentation of all options as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut section = None;
    for option in OPTIONS {
        let (table, name) = option.key.split_once('.').unwrap_or(("", option.key));
        if section != Some(table) {
            section = Some(table);
            let title = if table.is_empty() { "At the top".to_owned() } else { format!("`[{table}]`") };
            // Writing to a String cannot fail.
            let _infallible =
                write!(text, "\n## {title}\n\n| option | takes | default | what it does |\n|---|---|---|---|\n");
        }
        let default = option.default.map_or_else(|| "none".to_owned(), |default| format!("`{default}`"));
        let _infallible = writeln!(text, "| `{name}` | {} | {default} | {} |", option.kind, option.text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Smarthost, parse};
    use std::path::Path;

    #[test]
    fn the_documentation_in_the_repository_is_up_to_date() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config.md");
        let found = std::fs::read_to_string(file).unwrap_or_default();
        assert!(found == markdown(), "run: pillarbox check-config --print-docs > docs/config.md");
    }

    #[test]
    fn the_example_is_a_valid_file() {
        let example = INTRODUCTION.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        parse::parse(example, Path::new("/etc")).unwrap();
    }

    #[test]
    fn every_default_is_what_happens_without_the_option() {
        let mut config = Config { smarthost: Some(Smarthost::default()), ..Config::default() };
        let before = config.clone();
        for option in OPTIONS {
            let Some(default) = option.default else { continue };
            let text = format!("{} = {default}\nsmarthost.host = 'a'", option.key);
            config = parse::parse(&text, Path::new("")).unwrap();
            let smarthost = config.smarthost.take().map(|found| Smarthost { host: String::new(), ..found });
            assert_eq!(Config { smarthost, ..config.clone() }, before, "{}", option.key);
        }
    }

    #[test]
    fn options_are_few_and_sorted_into_tables() {
        // RFC 9738 has two limits, of which an operator may choose one; where NATS is has two, one with a secret.
        assert!(OPTIONS.len() <= 110);
        let tables: Vec<&str> =
            OPTIONS.iter().map(|option| option.key.split_once('.').map_or("", |key| key.0)).collect();
        let mut seen = tables.clone();
        seen.dedup();
        let mut unique = seen.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(seen.len(), unique.len(), "a table is torn apart: {seen:?}");
    }
}
