//! Accounts of Dovecot's passwd-file as the list that `pillarbox account import` takes.
//!
//! A line is `user:{SCHEME}hash:uid:gid:name:home:shell:fields`, what stands behind the hash as far as somebody wrote it. Line n of the
//! file is line n + 1 of the list, which begins with the names of its columns.

/// Lines of the list before the first one of the file.
pub(super) const LINES_BEFORE: u64 = 1;
/// What a hash is not, but the password itself.
const PLAIN: [&str; 3] = ["{PLAIN}", "{CLEAR}", "{CLEARTEXT}"];

/// The list. `domain`: that of users without one.
pub(super) fn as_list(text: &str, domain: Option<&str>) -> String {
    let mut list = "address,name,password,hash,quota\n".to_owned();
    for line in text.lines() {
        if !line.trim().is_empty() && !line.starts_with('#') {
            list.push_str(&row(line, domain));
        }
        list.push('\n');
    }
    list
}

fn row(line: &str, domain: Option<&str>) -> String {
    let fields: Vec<&str> = line.trim_end().splitn(8, ':').collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    let address = with_domain(field(0), domain);
    let plain = PLAIN.iter().find_map(|scheme| field(1).strip_prefix(scheme));
    let hash = if plain.is_some() { "" } else { field(1) };
    let quota = field(7).split_whitespace().find_map(quota).map(|bytes| bytes.to_string()).unwrap_or_default();
    let columns = [&address, field(4), plain.unwrap_or_default(), hash, &quota];
    columns.map(|column| format!("\"{}\"", column.replace('"', "\"\""))).join(",")
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
        assert_eq!(as_list(text, Some("example.org")), expected);
        assert_eq!(as_list("eve:x", None).lines().nth(1), Some("\"eve\",\"\",\"\",\"x\",\"\""));
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
