//! From TOML text to [`Config`], collecting every problem with its place.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::Range;
use std::path::{Path, PathBuf};

use scan::{NoServer, Place, Server};
use session::{Network, NoNetwork};
use smtp_proto::{Domain, Mailbox};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Config;
use super::options::{OPTIONS, is_hostname};
use super::together::contradictions;

/// Addresses of one service; more are a mistake.
const ADDRESSES_MAX: usize = 64;
/// Longer lists of domains are a mistake.
const DOMAINS_MAX: usize = 1000;
/// A message is shown to each of them before it is answered.
const MILTERS_MAX: usize = 8;
/// Faster than this the distance between two messages is less than a millisecond.
const MESSAGES_PER_MINUTE_MAX: u64 = 60_000;
/// A wrong key this far from a right one is still taken for a slip.
const SLIP_EDITS_MAX: usize = 3;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1; 0 where the whole file is meant.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// With the key in it, and what to do.
    pub text: String,
}

/// A value as an option sees it.
pub(super) struct Value<'a> {
    value: &'a DeValue<'a>,
    base: &'a Path,
}

/// Reads `text`; relative paths begin at `base`.
pub(super) fn parse(text: &str, base: &Path) -> Result<Config, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // One mistake (a quote that is not closed) often brings others with it: the first is the one to tell.
        let mut problems: Vec<Problem> = errors
            .iter()
            .map(|error| problem(text, error.span(), format!("{}; this is no TOML", error.message())))
            .collect();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems.truncate(1);
        return Err(problems);
    }
    let mut reader = Reader { text, base, config: Config::default(), seen: Vec::new(), problems: Vec::new() };
    reader.read_table("", table.get_ref());
    reader.finish()
}

/// The name of a server among others is at most so long.
const NODE_CHARS_MAX: usize = 40;

struct Reader<'a> {
    text: &'a str,
    base: &'a Path,
    config: Config,
    /// Keys and tables that are in the file, with their places.
    seen: Vec<(String, Range<usize>)>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn read_table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            self.seen.push((key.clone(), name.span()));
            self.read_key(&key, name.span(), value);
        }
    }

    fn read_key(&mut self, key: &str, span: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let inner = format!("{key}.");
        if let Some(option) = OPTIONS.iter().find(|option| option.key == key) {
            let value_span = value.span();
            let value = Value { value: value.get_ref(), base: self.base };
            if let Err(wrong) = (option.set)(&mut self.config, &value) {
                self.problems.push(problem(self.text, Some(value_span), format!("`{key}` {wrong}")));
            }
        } else if OPTIONS.iter().any(|option| option.key.starts_with(&inner)) {
            match value.get_ref() {
                DeValue::Table(table) => self.read_table(&inner, table),
                other => {
                    let text = format!("`{key}` must be a table (`[{key}]` on a line of its own), not {}", kind(other));
                    self.problems.push(problem(self.text, Some(span), text));
                }
            }
        } else {
            let advice = suggestion(key).map_or_else(
                || "`pillarbox check-config --print-docs` lists all options".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            );
            self.problems.push(problem(self.text, Some(span), format!("`{key}` is no option; {advice}")));
        }
    }

    fn finish(mut self) -> Result<Config, Vec<Problem>> {
        if self.problems.is_empty() {
            for (key, wrong) in contradictions(&self.config) {
                let place = self.seen.iter().find(|(seen, _)| seen == key).map(|(_, span)| span.clone());
                self.problems.push(problem(self.text, place, format!("`{key}` {wrong}")));
            }
        }
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        if self.problems.is_empty() { Ok(self.config) } else { Err(self.problems) }
    }
}

impl Value<'_> {
    pub(super) fn text(&self) -> Result<&str, String> {
        match self.value {
            DeValue::String(text) if !text.is_empty() && !text.contains(char::is_control) => Ok(text),
            DeValue::String(_) => Err("must not be empty or contain control characters".to_owned()),
            other => Err(format!("must be text in quotes, not {}", kind(other))),
        }
    }

    pub(super) fn path(&self) -> Result<PathBuf, String> {
        Ok(self.base.join(self.text()?))
    }

    pub(super) fn hostname(&self) -> Result<String, String> {
        let name = self.text()?.to_ascii_lowercase();
        let numeric = name.parse::<IpAddr>().is_ok();
        if is_hostname(&name) && !numeric {
            Ok(name)
        } else {
            Err(format!("must be a host name such as \"mail.example.org\", not \"{name}\""))
        }
    }

    /// The name of a server among others.
    pub(super) fn node(&self) -> Result<String, String> {
        let name = self.text()?;
        let is_one = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
        match (1..=NODE_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_one) {
            true => Ok(name.to_owned()),
            false => Err(format!(
                "must be a name of 1 to {NODE_CHARS_MAX} lower-case letters, digits and hyphens, not \"{name}\""
            )),
        }
    }

    /// A host name or an address.
    pub(super) fn host(&self) -> Result<String, String> {
        let name = self.text()?;
        if name.parse::<IpAddr>().is_ok() { Ok(name.to_owned()) } else { self.hostname() }
    }

    pub(super) fn boolean(&self) -> Result<bool, String> {
        match self.value {
            DeValue::Boolean(value) => Ok(*value),
            other => Err(format!("must be true or false, not {}", kind(other))),
        }
    }

    pub(super) fn number<T: TryFrom<u64>>(&self, min: u64, max: u64) -> Result<T, String> {
        let wrong = |what: &str| format!("must be a whole number from {min} to {max}, not {what}");
        let DeValue::Integer(number) = self.value else { return Err(wrong(kind(self.value))) };
        u64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| (min..=max).contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| wrong(number.as_str()))
    }

    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, String> {
        let text = self.text()?;
        choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            format!("must be one of {}, not \"{text}\"", names.join(", "))
        })
    }

    pub(super) fn domains(&self) -> Result<Vec<String>, String> {
        self.domain_list().map_err(|wrong| wrong.replacen("must be", "must be true, false or", 1))
    }

    pub(super) fn domain_list(&self) -> Result<Vec<String>, String> {
        let wrong = || "must be a list of domains such as [\"example.org\"]".to_owned();
        let DeValue::Array(items) = self.value else { return Err(wrong()) };
        if items.len() > DOMAINS_MAX {
            return Err(format!("must have at most {DOMAINS_MAX} domains"));
        }
        let domain = |item: &DeValue<'_>| match item {
            DeValue::String(name) if directory::is_domain(name) => Ok(name.to_string()),
            _ => Err(wrong()),
        };
        items.iter().map(|item| domain(item.get_ref())).collect()
    }

    /// Addresses and domains, in lower case.
    pub(super) fn senders(&self) -> Result<Vec<String>, String> {
        let wrong =
            || "must be a list of addresses and domains such as [\"example.org\", \"ada@example.net\"]".to_owned();
        let DeValue::Array(items) = self.value else { return Err(wrong()) };
        if items.len() > DOMAINS_MAX {
            return Err(format!("must have at most {DOMAINS_MAX} addresses and domains"));
        }
        let sender = |item: &DeValue<'_>| match item {
            DeValue::String(name) if directory::is_domain(name) => Ok(name.to_lowercase()),
            DeValue::String(name) => match name.parse::<Mailbox>() {
                Ok(mailbox) if matches!(mailbox.domain(), Domain::Name(_)) => {
                    // As the queue looks it up: a local part that need not be quoted is not.
                    Ok(format!("{}@{}", mailbox.local_part(), mailbox.domain()).to_lowercase())
                }
                Ok(_) | Err(_) => Err(wrong()),
            },
            _ => Err(wrong()),
        };
        items.iter().map(|item| sender(item.get_ref())).collect()
    }

    /// So many a minute.
    pub(super) fn rate(&self) -> Result<NonZeroU16, String> {
        let rate = self.number(1, MESSAGES_PER_MINUTE_MAX)?;
        NonZeroU16::new(rate).ok_or_else(|| "must not be 0".to_owned())
    }

    /// Domains, and so many a minute for each.
    pub(super) fn rates(&self) -> Result<Vec<(String, NonZeroU16)>, String> {
        let wrong = || "must be a table of domains and numbers such as { \"example.org\" = 30 }".to_owned();
        let DeValue::Table(table) = self.value else { return Err(wrong()) };
        if table.len() > DOMAINS_MAX {
            return Err(format!("must have at most {DOMAINS_MAX} domains"));
        }
        let rate = |(domain, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let domain: &str = AsRef::<str>::as_ref(domain.get_ref());
            if !directory::is_domain(domain) {
                return Err(wrong());
            }
            let rate =
                Value { value: value.get_ref(), base: self.base }.rate().map_err(|why| format!("of {domain} {why}"))?;
            Ok((domain.to_owned(), rate))
        };
        table.iter().map(rate).collect()
    }

    pub(super) fn networks(&self) -> Result<Vec<Network>, String> {
        let wrong = || "must be a list of addresses and networks such as [\"10.0.0.5\", \"192.0.2.0/24\"]".to_owned();
        let DeValue::Array(items) = self.value else { return Err(wrong()) };
        if items.len() > ADDRESSES_MAX {
            return Err(format!("must have at most {ADDRESSES_MAX} networks"));
        }
        let network = |item: &DeValue<'_>| match item {
            DeValue::String(text) => text.parse().map_err(|NoNetwork| wrong()),
            _ => Err(wrong()),
        };
        items.iter().map(|item| network(item.get_ref())).collect()
    }

    pub(super) fn rspamd(&self) -> Result<Server, String> {
        let text = self.text()?;
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() => Ok(Server::Unix(self.base.join(path))),
            _ => text.parse().map_err(|NoServer| {
                format!(
                    "must be where Rspamd listens, such as \"http://127.0.0.1:11333\" or \"unix:/run/rspamd/worker.sock\", not \"{text}\""
                )
            }),
        }
    }

    pub(super) fn milters(&self) -> Result<Vec<Place>, String> {
        let wrong =
            || "must be a list of sockets such as [\"inet:127.0.0.1:8891\", \"unix:/run/milter.ctl\"]".to_owned();
        let DeValue::Array(items) = self.value else { return Err(wrong()) };
        if items.len() > MILTERS_MAX {
            return Err(format!("must have at most {MILTERS_MAX} milters"));
        }
        let place = |item: &DeValue<'_>| {
            let DeValue::String(text) = item else { return Err(wrong()) };
            match text.split_once(':') {
                Some(("inet", address)) => address.parse().map(Place::Inet).map_err(|_| wrong()),
                Some(("unix", path)) if !path.is_empty() => Ok(Place::Unix(self.base.join(path))),
                _ => Err(wrong()),
            }
        };
        items.iter().map(|item| place(item.get_ref())).collect()
    }

    pub(super) fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        let DeValue::Array(items) = self.value else {
            return Err(format!("must be a list of addresses such as [\"127.0.0.1:1143\"], not {}", kind(self.value)));
        };
        if items.len() > ADDRESSES_MAX {
            return Err(format!("must have at most {ADDRESSES_MAX} addresses"));
        }
        items.iter().map(|item| address(item.get_ref())).collect()
    }
}

fn address(value: &DeValue<'_>) -> Result<SocketAddr, String> {
    let wrong = |what: &str| {
        Err(format!("must list addresses with ports such as \"127.0.0.1:1143\" or \"[::]:143\", not {what}"))
    };
    match value {
        DeValue::String(text) => text.parse().or_else(|_| wrong(&format!("\"{text}\""))),
        other => wrong(kind(other)),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn problem(text: &str, span: Option<Range<usize>>, what: String) -> Problem {
    let Some(before) = span.and_then(|span| text.get(..span.start)) else {
        return Problem { line: 0, column: 0, text: what };
    };
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    Problem { line: before.matches('\n').count() + 1, column, text: what }
}

/// The option or table that was probably meant.
fn suggestion(key: &str) -> Option<&'static str> {
    let tables = OPTIONS.iter().filter_map(|option| option.key.split_once('.').map(|(table, _)| table));
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    // The right name in the wrong table comes before a slip.
    let moved = OPTIONS.iter().map(|option| option.key).find(|known| last(known) == last(key));
    moved.or_else(|| {
        OPTIONS
            .iter()
            .map(|option| option.key)
            .chain(tables)
            .map(|known| (edits(key, known), known))
            .filter(|(edits, known)| *edits <= SLIP_EDITS_MAX.min(known.len() / 2))
            .min_by_key(|(edits, _)| *edits)
            .map(|(_, known)| known)
    })
}

/// How many letters to change, add or leave out (Levenshtein).
fn edits(from: &str, to: &str) -> usize {
    // Keys of ours are short; a longer one is no slip of them.
    if from.len() > 64 {
        return usize::MAX;
    }
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for letter in from.chars() {
        let mut previous = row.clone();
        if let Some(first) = row.first_mut() {
            *first += 1;
        }
        for (column, wanted) in to.iter().enumerate() {
            let replaced = previous.get(column).map_or(0, |cost| cost + usize::from(*wanted != letter));
            let removed = previous.get(column + 1).map_or(0, |cost| cost + 1);
            let added = row.get(column).map_or(0, |cost| cost + 1);
            if let Some(cell) = row.get_mut(column + 1) {
                *cell = replaced.min(removed).min(added);
            }
        }
        previous.clear();
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Service;

    fn read(text: &str) -> Result<Config, String> {
        parse(text, Path::new("/etc")).map_err(|problems| {
            let lines = problems.iter().map(|found| format!("{}:{}: {}", found.line, found.column, found.text));
            lines.collect::<Vec<_>>().join("\n")
        })
    }

    #[test]
    fn problems_say_where_and_what() {
        fn check(text: &str, expected: &str) {
            assert_eq!(read(text).unwrap_err(), expected, "{text}");
        }
        check("hostnam = 'a'", "1:1: `hostnam` is no option; did you mean `hostname`?");
        check("\n[listen]\nimpa = []", "3:1: `listen.impa` is no option; did you mean `listen.imap`?");
        check("[lisen]\n", "1:2: `lisen` is no option; did you mean `listen`?");
        check("imap = []", "1:1: `imap` is no option; did you mean `listen.imap`?");
        check("colour = 1", "1:1: `colour` is no option; `pillarbox check-config --print-docs` lists all options");
        check("listen = 1", "1:1: `listen` must be a table (`[listen]` on a line of its own), not a whole number");
        check("[hostname]", "1:1: `hostname` must be text in quotes, not a table");
        check("retention_days = -1", "1:18: `retention_days` must be a whole number from 0 to 36500, not -1");
        check("retention_days = '1'", "1:18: `retention_days` must be a whole number from 0 to 36500, not text");
        check(
            "listen.imap = ['localhost:1']",
            "1:15: `listen.imap` must list addresses with ports such as \"127.0.0.1:1143\" or \"[::]:143\", not \
             \"localhost:1\"",
        );
        check(
            "[log]\nlevel = 'loud'",
            "2:9: `log.level` must be one of \"error\", \"warn\", \"info\", \"debug\", \"trace\", not \"loud\"",
        );
        check(
            "[sender]\ntrusted_relays = ['10.0.0.0/33']",
            "2:18: `sender.trusted_relays` must be a list of addresses and networks such as [\"10.0.0.5\", \"192.0.2.0/24\"]",
        );
        check("hostname = 'a b'", "1:12: `hostname` must be a host name such as \"mail.example.org\", not \"a b\"");
        check("data_dir = ''", "1:12: `data_dir` must not be empty or contain control characters");
        check("[tls]\nkey = 'k'", "2:1: `tls.key` needs `tls.certificate` beside it");
        check("[smarthost]\nport = 25", "1:2: `smarthost` needs `smarthost.host`");
        check("[store]\nengine = 'postgres'", "2:1: `store.engine` needs `store.url_file` beside it");
        check("[store]\nurl_file = 'f'", "2:1: `store.url_file` needs `store.engine = \"postgres\"` beside it");
        let long = |count| format!("cluster.node = '{}'", "a".repeat(count));
        let refused = format!(
            "1:16: `cluster.node` must be a name of 1 to 40 lower-case letters, digits and hyphens, not \"{}\"",
            "a".repeat(41)
        );
        check(&long(41), &refused);
        check(
            &long(40),
            "1:9: `cluster.node` needs `store.engine = \"postgres\"` and `store.bucket_url_file` beside it",
        );
        check(
            "cluster.node = 'a'\ntls.acme = 'letsencrypt'\nstore = { engine = 'postgres', url_file = 'f', bucket_url_file = 'b' }\nhostname = 'a.example'",
            "1:9: `cluster.node` cannot stand beside `tls.acme`: the authority would ask another server; use `tls.certificate`",
        );
        let node = "cluster.node = 'a'\nstore = { engine = 'postgres', url_file = 'f', bucket_url_file = 'b' }";
        check(
            "cluster.hints = 'nats://a:4222'",
            "1:9: `cluster.hints` needs `cluster.node` beside it: a server that is alone has nobody to tell",
        );
        check(
            "cluster.hints_url_file = 'f'",
            "1:9: `cluster.hints_url_file` needs `cluster.node` beside it: a server that is alone has nobody to tell",
        );
        check(
            &format!("{node}\ncluster.hints = 'nats://a:4222'\ncluster.hints_url_file = 'f'"),
            "4:9: `cluster.hints_url_file` cannot stand beside `cluster.hints`, which says it too: leave out one of them",
        );
        check(
            &format!("{node}\ncluster.hints = 'nats://secret@a'"),
            "3:17: `cluster.hints` has a password or a token in it; write it into a file and name that in `cluster.hints_url_file`",
        );
        check(
            &format!("{node}\ncluster.hints = 'a:4222'"),
            "3:17: `cluster.hints` must be where NATS is, such as \"nats://nats.example.org:4222\" or \"tls://nats.example.org:4222\": it begins with neither nats:// nor tls://",
        );
        check("[smarthost]\nhost = 'a'\nuser = 'u'", "3:1: `smarthost.user` needs `smarthost.password_file` beside it");
        check(
            "[limits]\nmessages_per_command_max = 1000\nmessages_saved_per_command_max = 1000",
            "3:1: `limits.messages_saved_per_command_max` cannot stand beside `limits.messages_per_command_max`, which says it \
             too: leave out one of them",
        );
        check(
            "limits.messages_per_command_max = 999",
            "1:35: `limits.messages_per_command_max` must be a whole number from 1000 to 4294967295, not 999",
        );
        check(
            "limits.connections_max = 100",
            "0:0: `limits.connections_per_address_max` must be less than `limits.connections_max`, or one address \
             could lock all others out",
        );
    }

    #[test]
    fn requests_for_accounts_are_allowed_for_all_domains_some_or_none() {
        let check = |value: &str, allowed: bool, domains: &[&str]| {
            let config = read(&format!("account_requests = {value}")).unwrap();
            assert_eq!((config.account_requests, &config.account_request_domains[..]), (allowed, &owned(domains)[..]));
        };
        check("true", true, &[]);
        check("false", false, &[]);
        check("[]", false, &[]);
        check("['example.org', 'bücher.example']", true, &["example.org", "bücher.example"]);
        for wrong in ["1", "'example.org'", "['a b']", "[1]"] {
            let error = read(&format!("account_requests = {wrong}")).unwrap_err();
            assert!(error.contains("true, false or a list of domains"), "{error}");
        }
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_same_port_twice_is_no_valid_file() {
        fn check(text: &str, expected: &str) {
            assert_eq!(read(&format!("[listen]\n{text}")).err().unwrap_or_default(), expected, "{text}");
        }
        let advice = "already (of what the file leaves out, the default counts); give each a port of its own";
        let imaps = |address: &str| format!("3:1: `listen.imaps` has {address}, but listen.imap has");
        let twice = |one: &str, other: &str| format!("imap = ['{one}']\nimaps = ['{other}']");
        for (one, other) in [
            ("127.0.0.1:1143", "127.0.0.1:1143"),
            ("0.0.0.0:1143", "127.0.0.1:1143"),
            ("[::]:1143", "127.0.0.1:1143"),
            ("[::1]:1143", "[::]:1143"),
        ] {
            check(&twice(one, other), &format!("{} {one} {advice}", imaps(other)));
        }
        for (one, other) in [
            ("127.0.0.1:1143", "127.0.0.1:1144"),
            ("127.0.0.1:1143", "127.0.0.2:1143"),
            ("0.0.0.0:1143", "[::1]:1143"),
            ("127.0.0.1:0", "127.0.0.1:0"),
        ] {
            check(&twice(one, other), "");
        }
        let smtp = format!("0:0: `listen.submission` has [::]:587, but listen.smtp has 127.0.0.1:587 {advice}");
        check("smtp = ['127.0.0.1:587']", &smtp);
    }

    #[test]
    fn certificates_that_come_by_themselves_need_a_name_and_a_port() {
        fn check(text: &str, expected: &str) {
            let found = read(&format!("hostname = 'mail.example.org'\n{text}")).err().unwrap_or_default();
            assert!(found.contains(expected) && expected.is_empty() == found.is_empty(), "{text}: {found}");
        }
        check("tls.acme = 'letsencrypt'\ntls.acme_contact = 'you@example.org'", "");
        check("tls.acme = 'https://authority.example/dir'\nlisten.https = []\nlisten.redirect = ['[::]:80']", "");
        check("tls.acme = 'zerossl'", "\"letsencrypt-staging\" or a URL with https://");
        check("tls.acme_contact = 'you@example.org'", "`tls.acme` is missing");
        check(
            "tls.acme = 'letsencrypt'\ntls.certificate = 'a'\ntls.key = 'b'",
            "cannot stand beside `tls.certificate`",
        );
        check("tls.acme = 'letsencrypt'\nlisten.https = []", "proves names on port 443 or 80");
        check("tls.acme = 'letsencrypt'\ntls.acme_eab_id = 'x'", "needs `tls.acme_eab_key_file` beside it");
        assert!(
            read("hostname = 'mail'\ntls.acme = 'letsencrypt'").unwrap_err().contains("needs a `hostname` in the DNS")
        );
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let error = read("zzz = 1\n[listen]\nimap = 1\n[log]\nlevel = 1\n").unwrap_err();
        let lines: Vec<&str> = error.lines().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(lines, ["1", "3", "5"]);
    }

    #[test]
    fn text_that_is_no_toml_has_its_place() {
        let error = read("hostname = \"a\nx").unwrap_err();
        assert!(error.starts_with("1:") && error.ends_with("this is no TOML"), "{error}");
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(read("").unwrap(), Config::default());
    }

    #[test]
    fn options_arrive() {
        let config = read(
            "hostname = 'Mail.Example.org'\n[listen]\nimap = ['127.0.0.1:1143', '[::1]:1143']\nsmtp = []\n\
             [limits]\nmessage_bytes_max = 100_000\n[smarthost]\nhost = '192.0.2.9'\nsecurity = 'tls'\n",
        )
        .unwrap();
        assert_eq!(config.hostname, "mail.example.org");
        assert_eq!(config.listen[&Service::Imap].len(), 2);
        assert!(config.listen[&Service::Smtp].is_empty());
        assert_eq!(config.message_bytes_max, 100_000);
        assert_eq!(config.smarthost.map(|smarthost| smarthost.port()), Some(465));
    }

    #[test]
    fn edits_are_counted() {
        fn check(from: &str, to: &str, expected: usize) {
            assert_eq!(edits(from, to), expected, "{from} {to}");
        }
        check("imap", "imap", 0);
        check("impa", "imap", 2);
        check("", "imap", 4);
        check("kitten", "sitting", 3);
    }
}
