//! What a domain says of its hosts (RFC 8461 §3): the record that announces a policy, and the policy. Pure.

/// A policy is believed for no longer (RFC 8461 §3.2).
const MAX_AGE_SECS_MAX: u64 = 31_557_600;
/// So many names of hosts a policy has at most.
pub(crate) const PATTERNS_MAX: usize = 100;
/// A name of the DNS is no longer.
const PATTERN_OCTETS_MAX: usize = 255;
/// RFC 8461 §3.1: `1*32(ALPHA / DIGIT)`.
const ID_OCTETS_MAX: usize = 32;

/// What follows if a host is not as the policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It gets no mail.
    Enforce,
    /// It gets its mail, and the domain's owner is told.
    Testing,
    /// Nothing: there is no policy any more.
    None,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) mode: Mode,
    /// Names of hosts, in lower case; `*.` stands for one label.
    pub(crate) mx: Vec<String>,
    pub(crate) max_age_secs: u64,
}

impl Policy {
    /// RFC 8461 §3.2. `Err`: what is wrong.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "it is no text")?;
        let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
        for line in text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim_matches([' ', '\t']);
            match key.trim_matches([' ', '\t']) {
                // Of those that come twice the first counts.
                "version" => version = version.or(Some(value)),
                "mode" => mode = mode.or(Some(value)),
                "max_age" => max_age = max_age.or(Some(value)),
                "mx" if mx.len() == PATTERNS_MAX => return Err("it names too many hosts"),
                "mx" if value.is_empty() || value.len() > PATTERN_OCTETS_MAX => {
                    return Err("a name of a host is wrong");
                }
                "mx" => mx.push(value.trim_end_matches('.').to_ascii_lowercase()),
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err("its version is not STSv1");
        }
        let mode = match mode {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            Some(_) | None => return Err("its mode is not known"),
        };
        let digits = max_age.filter(|age| !age.is_empty() && age.bytes().all(|octet| octet.is_ascii_digit()));
        let max_age_secs = digits.ok_or("it has no max_age")?.parse().unwrap_or(u64::MAX).min(MAX_AGE_SECS_MAX);
        if mx.is_empty() && mode != Mode::None {
            return Err("it names no host");
        }
        Ok(Self { mode, mx, max_age_secs })
    }

    /// RFC 8461 §4.1: whether a host is one of those that it names.
    pub(crate) fn names(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.mx.iter().any(|pattern| match pattern.strip_prefix("*.") {
            None => *pattern == host,
            Some(rest) => host.split_once('.').is_some_and(|(label, parent)| !label.is_empty() && parent == rest),
        })
    }
}

/// The id of the one record that announces a policy (RFC 8461 §3.1); `None`: there is no such record.
pub(crate) fn announced(records: &[Vec<u8>]) -> Option<String> {
    let texts = records.iter().filter_map(|record| std::str::from_utf8(record).ok());
    let fields = |text: &str| text.split(';').map(|field| field.trim().to_owned()).collect::<Vec<_>>();
    let mut ours = texts.map(fields).filter(|fields| fields.first().is_some_and(|field| field == "v=STSv1"));
    let (only, another) = (ours.next()?, ours.next());
    if another.is_some() {
        return None;
    }
    let id = only.iter().find_map(|field| field.strip_prefix("id="))?;
    let is_id = (1..=ID_OCTETS_MAX).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric());
    is_id.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read() {
        let text = "version: STSv1\r\nmode: enforce\r\nmx: Mail.Example.COM\r\nmx: *.example.net\r\nfoo: bar\r\n\
                    max_age:604800\r\nmax_age: 1\r\nmode: none\r\n";
        let policy = Policy::parse(text.as_bytes()).unwrap();
        assert_eq!((policy.mode, policy.max_age_secs), (Mode::Enforce, 604_800));
        assert_eq!(policy.mx, ["mail.example.com", "*.example.net"]);
        let newlines = Policy::parse(text.replace("\r\n", "\n").as_bytes());
        assert_eq!(newlines, Ok(policy.clone()));
        for (host, is_named) in [
            ("mail.example.com", true),
            ("MAIL.example.com", true),
            ("x.mail.example.com", false),
            ("a.example.net", true),
            ("a.b.example.net", false),
            ("example.net", false),
            (".example.net", false),
        ] {
            assert_eq!(policy.names(host), is_named, "{host}");
        }
        let none = Policy::parse(b"version: STSv1\nmode: none\nmax_age: 99999999999999999999999").unwrap();
        assert_eq!((none.mode, none.max_age_secs), (Mode::None, MAX_AGE_SECS_MAX));
    }

    #[test]
    fn what_is_no_policy_is_told() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Policy::parse(text.as_bytes()), Err(expected.to_owned().leak() as _))
        };
        check("mode: enforce\nmx: a\nmax_age: 1", "its version is not STSv1");
        check("version: STSv1\nmode: on\nmx: a\nmax_age: 1", "its mode is not known");
        check("version: STSv1\nmode: testing\nmx: a\nmax_age: -1", "it has no max_age");
        check("version: STSv1\nmode: testing\nmax_age: 1", "it names no host");
        check("version: STSv1\nmode: testing\nmx:\nmax_age: 1", "a name of a host is wrong");
        let many = |count: usize| format!("version: STSv1\nmode: enforce\nmax_age: 1\n{}", "mx: a\n".repeat(count));
        assert!(Policy::parse(many(PATTERNS_MAX).as_bytes()).is_ok());
        check(&many(PATTERNS_MAX + 1), "it names too many hosts");
    }

    #[test]
    fn one_record_announces_a_policy() {
        let check = |records: &[&str], expected: Option<&str>| {
            let records: Vec<Vec<u8>> = records.iter().map(|record| record.as_bytes().to_vec()).collect();
            assert_eq!(announced(&records).as_deref(), expected, "{records:?}");
        };
        check(&["v=STSv1; id=20160831085700Z;"], Some("20160831085700Z"));
        check(&["v=spf1 -all", "v=STSv1;id=1"], Some("1"));
        check(&[], None);
        check(&["v=STSv1; id=1;", "v=STSv1; id=2;"], None);
        check(&["v=STSv1;"], None);
        check(&["v=STSv1; id=a b;"], None);
        check(&[&format!("v=STSv1; id={}", "1".repeat(32))], Some(&"1".repeat(32)));
        check(&[&format!("v=STSv1; id={}", "1".repeat(33))], None);
        check(&["v=STSv10; id=1;"], None);
    }
}
