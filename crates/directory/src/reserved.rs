//! Names by which others know who runs a domain: whoever reads their mail can have certificates made out to the domain, or
//! speaks for it. They are the administrators': nobody chooses one for oneself, with an invitation or a request.
//!
//! An administrator may give any of them away, by name: as an account, an alias, or an invitation for that address.

use crate::address::{fold, split_detail};

/// Without what does not tell names apart here: case, a detail, dots, hyphens and underscores.
const RESERVED: [&str; 32] = [
    // CA/Browser Forum Baseline Requirements 3.2.2.4.4: certificates are made out to who reads mail there.
    "admin",
    "administrator",
    "hostmaster",
    "postmaster",
    "webmaster",
    // What authorities took before, and some programs still do.
    "is",
    "it",
    "mis",
    "root",
    "ssladmin",
    "ssladministrator",
    "sslwebmaster",
    "sysadmin",
    // RFC 2142 §4, §5: who answers for a network and its services. Of §3 ("info", "sales") nothing depends.
    "abuse",
    "ftp",
    "news",
    "noc",
    "security",
    "usenet",
    "uucp",
    "www",
    // Whom mail of the system comes from, and reports about the domain go to.
    "daemon",
    "dmarc",
    "dmarcreports",
    "maildaemon",
    "mailerdaemon",
    "mtasts",
    "noreply",
    "pillarbox",
    "system",
    "tlsreports",
    "tlsrpt",
];

/// Whether a name is the administrators'.
pub(crate) fn is_reserved(local_part: &str) -> bool {
    let name = split_detail(local_part).map_or(local_part, |(name, _)| name);
    let name: String = fold(name).chars().filter(|c| !matches!(c, '.' | '-' | '_')).collect();
    RESERVED.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_reserved_however_it_is_written() {
        for name in
            ["postmaster", "PostMaster", "post.master", "hostmaster+x", "ssl-admin", "MAILER-DAEMON", "no_reply"]
        {
            assert!(is_reserved(name), "{name}");
        }
        for name in
            ["alice", "administration", "admin2", "info", "sales", "+postmaster", "postmaster.alice", "rootes", ""]
        {
            assert!(!is_reserved(name), "{name}");
        }
    }
}
