//! Accounts of Dovecot's passwd-file as the list that `pillarbox account import` takes.
//!
//! A line is `user:{SCHEME}hash:uid:gid:name:home:shell:fields`, what stands behind the hash as far as somebody wrote it. Line n of the
//! file is line n + 1 of the list, which begins with the names of its columns.

/// Lines of the list before the first one of the file.
pub(super) const LINES_BEFORE: u64 = 1;
/// What a hash is not, but the password itself; in capitals or not.
const PLAIN: [&str; 3] = ["{PLAIN}", "{CLEAR}", "{CLEARTEXT}"];
/// Fields of a passdb with which Dovecot lets somebody in from some places only.
const SOME_PLACES: [&str; 3] = ["allow_nets", "allow_real_nets", "local_name"];
/// Those with which it lets nobody in.
const NOBODY: [&str; 2] = ["nologin", "noauthenticate"];
/// Those of whoever has their mail on another server.
const ELSEWHERE: [&str; 5] = ["proxy", "proxy_maybe", "proxy_always", "host", "hostip"];

/// What a file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// The list.
    pub(super) list: String,
    /// Lines that are not in the list: the number, the address, and why.
    pub(super) refused: Vec<(u64, String, String)>,
}

/// `domain`: that of users without one.
pub(super) fn as_list(text: &str, domain: Option<&str>) -> Said {
    let mut said = Said { list: "address,name,password,hash,quota\n".to_owned(), refused: Vec::new() };
    for (line, number) in text.lines().zip(1..) {
        if !line.trim().is_empty() && !line.starts_with('#') {
            match row(line, domain) {
                Ok(row) => said.list.push_str(&row),
                Err((address, why)) => said.refused.push((number, address, why)),
            }
        }
        said.list.push('\n');
    }
    said
}

/// A line of the list, or whose it is and why there is none: what keeps somebody out there is nothing that an account here has, and the
/// old password must not let them in.
fn row(line: &str, domain: Option<&str>) -> Result<String, (String, String)> {
    let fields: Vec<&str> = line.trim_end().splitn(8, ':').collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    let address = with_domain(field(0), domain);
    if let Some(why) = field(7).split_whitespace().find_map(kept_out) {
        return Err((address, why));
    }
    let plain = PLAIN.iter().find_map(|scheme| without(field(1), scheme));
    let hash = if plain.is_some() { "" } else { field(1) };
    let quota = field(7).split_whitespace().find_map(quota).map(|bytes| bytes.to_string()).unwrap_or_default();
    let columns = [&address, field(4), plain.unwrap_or_default(), hash, &quota];
    Ok(columns.map(|column| format!("\"{}\"", column.replace('"', "\"\""))).join(","))
}

/// Why who has this field is not let in, or not from everywhere.
fn kept_out(field: &str) -> Option<String> {
    let name = field.split('=').next().unwrap_or_default();
    let is_one = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    let why = if is_one(&NOBODY) {
        "lets nobody in"
    } else if is_one(&SOME_PLACES) {
        "lets them in from some places only, which an account here cannot have; who may come from everywhere stands in a list without \
         --passwd-file"
    } else if is_one(&ELSEWHERE) {
        "says that their mail is on another server"
    } else {
        return None;
    };
    Some(format!("{name} {why}"))
}

/// What stands behind a scheme.
fn without<'a>(hash: &'a str, scheme: &str) -> Option<&'a str> {
    let (begin, rest) = hash.split_at_checked(scheme.len())?;
    begin.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// A name with a domain; `domain` where it has none.
pub(super) fn with_domain(name: &str, domain: Option<&str>) -> String {
    match domain {
        Some(domain) if !name.contains('@') => format!("{name}@{domain}"),
        _ => name.to_owned(),
    }
}

/// Octets of `userdb_quota_rule=*:storage=5G` (Dovecot up to 2.3) or `userdb_quota_storage_size=5G` (from 2.4); 0 is no bound.
fn quota(field: &str) -> Option<u64> {
    let (name, value) = field.split_once('=')?;
    let (size, unit) = match name.strip_prefix("userdb_").unwrap_or(name) {
        "quota_rule" => {
            let rule = value.strip_prefix("*:")?;
            let limit = |name| rule.split(':').find_map(|limit| limit.strip_prefix(name));
            // Without a unit `storage` is in KiB.
            limit("storage=").map(|size| (size, 1 << 10)).or_else(|| Some((limit("bytes=")?, 1)))?
        }
        "quota_storage_size" => (value, 1),
        _ => return None,
    };
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match size.chars().nth(digits.len()).map(|letter| letter.to_ascii_lowercase()) {
        None => unit,
        Some('b') => 1,
        Some('k') => 1 << 10,
        Some('m') => 1 << 20,
        Some('g') => 1 << 30,
        Some('t') => 1 << 40,
        Some(_) => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_where_they_are() {
        let text = "# users\n\nalice:{SSHA}a+b/c=:1000:1000:Alice, \"A\":/home/alice::userdb_quota_rule=*:storage=5G nopassword\n\
                    bob@example.net:{PLAIN}a:b\ncarol:$6$x$y\ndave:{PLAIN}secret::::::userdb_quota_storage_size=10M\n";
        let expected = "address,name,password,hash,quota\n\n\n\
                        \"alice@example.org\",\"Alice, \"\"A\"\"\",\"\",\"{SSHA}a+b/c=\",\"5368709120\"\n\
                        \"bob@example.net\",\"\",\"a\",\"\",\"\"\n\
                        \"carol@example.org\",\"\",\"\",\"$6$x$y\",\"\"\n\
                        \"dave@example.org\",\"\",\"secret\",\"\",\"10485760\"\n";
        assert_eq!(as_list(text, Some("example.org")), Said { list: expected.to_owned(), refused: Vec::new() });
        assert_eq!(as_list("eve:x", None).list.lines().nth(1), Some("\"eve\",\"\",\"\",\"x\",\"\""));
        for scheme in ["{plain}", "{Clear}", "{cleartext}"] {
            let list = as_list(&format!("eve:{scheme}Sesame"), None).list;
            assert_eq!(list.lines().nth(1), Some("\"eve\",\"\",\"Sesame\",\"\",\"\""));
        }
    }

    #[test]
    fn whom_dovecot_keeps_out_is_not_let_in() {
        let check = |field: &str, expected: Option<&str>| {
            let text = format!(
                "alice:{{SSHA}}x\nbob:{{SSHA}}x::::::userdb_quota_rule=*:storage=5G {field}\ncarol:{{SSHA}}x\n"
            );
            let Said { list, refused } = as_list(&text, Some("example.org"));
            let lines: Vec<&str> = list.lines().collect();
            assert!(lines[1].contains("alice") && lines[3].contains("carol"), "{list}");
            assert_eq!(lines[2].is_empty(), expected.is_some(), "{field}");
            assert_eq!(refused.len(), usize::from(expected.is_some()), "{field}");
            for (line, address, why) in refused {
                assert_eq!((line, address.as_str()), (2, "bob@example.org"));
                assert!(expected.is_some_and(|begin| why.starts_with(begin)), "{field}: {why}");
            }
        };
        check("nologin", Some("nologin lets nobody in"));
        check("nologin=y", Some("nologin lets nobody in"));
        check("noauthenticate=y", Some("noauthenticate lets nobody in"));
        check("allow_nets=192.0.2.0/24,2001:db8::/32", Some("allow_nets lets them in from some places only"));
        check("allow_real_nets=192.0.2.1", Some("allow_real_nets lets them in from some places"));
        check("local_name=a.example.org", Some("local_name lets them in from some places"));
        check("proxy=y host=192.0.2.1", Some("proxy says that their mail is on another server"));
        check("host=192.0.2.1", Some("host says"));
        check("userdb_mail=maildir:~/nologin nopassword", None);
    }

    #[test]
    fn quotas_are_in_octets() {
        let check = |field: &str, bytes: Option<u64>| assert_eq!(quota(field), bytes, "{field}");
        check("userdb_quota_rule=*:storage=100", Some(100 << 10));
        check("quota_rule=*:messages=5:bytes=100M", Some(100 << 20));
        check("userdb_quota_storage_size=1T", Some(1 << 40));
        check("userdb_quota_rule=Trash:storage=+100M", None);
        check("userdb_quota_rule=*:storage=0", None);
        check("userdb_quota_rule=*:storage=1X", None);
        check("userdb_mail=mdbox:~/mdbox", None);
    }
}
