//! What was found out about who a message comes from, in words: from the fields that this server put on top of it.

use message::header;
use sender_auth::results::{self, Method};
use wording::tr;

/// What stands on top of a message in our name. Below the first trace field others wrote.
pub(crate) fn examined(header: &[u8]) -> Vec<String> {
    let ours = header::known_fields(header).take_while(|field| !field.is("Received"));
    let mut said = Vec::new();
    for field in ours {
        let value = String::from_utf8_lossy(&field.unfolded()).into_owned();
        if field.is("Authentication-Results") {
            said.extend(results::read(&value).iter().filter_map(method));
        } else if field.is("X-Pillarbox-Junk") {
            said.push(junk(&value));
        }
    }
    said
}

fn method(method: &Method) -> Option<String> {
    let (result, of) = (method.result.as_str(), |name: &str| method.property(name));
    let told = match method.name.as_str() {
        "iprev" => iprev(result, of("policy.iprev"), &method.comment),
        "dnswl" => tr!("the list {list} knows that address as good", list = of("dns.zone")),
        "spf" if of("smtp.mailfrom").is_empty() => return None,
        "spf" => spf(result, of("smtp.mailfrom")),
        "dkim" => dkim(result, of("header.d"), of("reason")),
        "arc" if result == "pass" => {
            tr!("it was passed on, and whoever did so says what it was like ({details})", details = method.comment)
        }
        "arc" => {
            tr!("it was passed on, and the chain of those who did so is broken ({details})", details = method.comment)
        }
        "dmarc" => dmarc(method),
        _ => return None,
    };
    Some(told)
}

fn iprev(result: &str, address: &str, name: &str) -> String {
    match result {
        "pass" => tr!("came from {name} ({address})", name = name, address = address),
        "temperror" => tr!("came from {address}; the DNS did not say which name that has", address = address),
        _ => tr!("came from {address}, which has no name that leads back to it", address = address),
    }
}

fn spf(result: &str, domain: &str) -> String {
    match result {
        "pass" => tr!("that is a server that {domain} allows to send for it (SPF)", domain = domain),
        "fail" => tr!("that is a server that {domain} forbids to send for it (SPF)", domain = domain),
        "softfail" => tr!("that is no server that {domain} sends from, it thinks (SPF)", domain = domain),
        "temperror" => tr!("the DNS did not say which servers {domain} sends from (SPF)", domain = domain),
        "permerror" => tr!("what {domain} says about its servers cannot be understood (SPF)", domain = domain),
        _ => tr!("{domain} does not say which servers it sends from (SPF)", domain = domain),
    }
}

fn dkim(result: &str, domain: &str, reason: &str) -> String {
    match (result, domain, reason) {
        ("pass", domain, _) => tr!("signed by {domain} (DKIM)", domain = domain),
        ("none", _, _) => tr!("signed by nobody (DKIM)").to_owned(),
        ("temperror", domain, _) => {
            tr!("the DNS did not give the key of {domain}, which seems to have signed it (DKIM)", domain = domain)
        }
        (_, "", "") => tr!("a signature of it cannot be read (DKIM)").to_owned(),
        (_, "", reason) => tr!("a signature of it cannot be read (DKIM: {reason})", reason = reason),
        (_, domain, "") => tr!("the signature of {domain} does not hold (DKIM)", domain = domain),
        (_, domain, reason) => {
            tr!("the signature of {domain} does not hold (DKIM: {reason})", domain = domain, reason = reason)
        }
    }
}

fn dmarc(method: &Method) -> String {
    let (domain, policy) = (method.property("header.from"), method.property("policy.dmarc"));
    let told = match (method.result.as_str(), policy) {
        ("pass", _) => tr!("{domain}, which stands in From, vouches for it (DMARC)", domain = domain),
        ("fail", "reject") => tr!(
            "{domain}, which stands in From, does not vouch for it, and asks that such mail be refused (DMARC)",
            domain = domain
        ),
        ("fail", "quarantine") => tr!(
            "{domain}, which stands in From, does not vouch for it, and asks that such mail be taken for suspicious (DMARC)",
            domain = domain
        ),
        ("fail", _) => {
            tr!("{domain}, which stands in From, does not vouch for it, and asks for nothing (DMARC)", domain = domain)
        }
        ("temperror", _) => {
            tr!("the DNS did not say whether {domain}, which stands in From, vouches for it (DMARC)", domain = domain)
        }
        ("permerror", _) => tr!("From names no domain that could vouch for it, or too many (DMARC)").to_owned(),
        _ if domain.is_empty() => tr!("nobody says what mail of this sender must be like (DMARC)").to_owned(),
        _ => {
            tr!("{domain}, which stands in From, does not say what its mail must be like (DMARC)", domain = domain)
        }
    };
    match method.property("reason") {
        "" => told,
        reason => format!("{told}; {reason}"),
    }
}

fn junk(value: &str) -> String {
    let (answer, rest) = value.split_once(';').unwrap_or((value, ""));
    let why = rest.trim();
    match answer.trim() {
        "yes" => tr!("the junk filter took it for junk: {why}", why = why),
        _ => tr!("the junk filter took it for no junk: {why}", why = why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_out_is_told_in_words() {
        let header = b"Return-Path: <a@example.com>\r\n\
            Authentication-Results: mail.example.org;\r\n\
            \tiprev=pass policy.iprev=192.0.2.1 (mail.example.com);\r\n\
            \tspf=pass smtp.mailfrom=example.com;\r\n\
            \tspf=none smtp.helo=mail.example.com;\r\n\
            \tdkim=pass header.d=example.com header.s=s header.b=\"ab/c\";\r\n\
            \tdkim=fail reason=\"the body was changed\" header.d=list.example;\r\n\
            \tdmarc=fail reason=\"into Junk: x\" header.from=other.example policy.dmarc=quarantine\r\n\
            X-Pillarbox-Junk: yes; score=0.9\r\n\
            Received: from a by b\r\n\
            Authentication-Results: mail.example.org; dmarc=pass header.from=forged.example\r\n\r\n";
        assert_eq!(
            examined(header),
            [
                "came from mail.example.com (192.0.2.1)",
                "that is a server that example.com allows to send for it (SPF)",
                "signed by example.com (DKIM)",
                "the signature of list.example does not hold (DKIM: the body was changed)",
                "other.example, which stands in From, does not vouch for it, and asks that such mail be taken for suspicious \
                 (DMARC); into Junk: x",
                "the junk filter took it for junk: score=0.9",
            ]
        );
        assert_eq!(examined(b"Subject: x\r\n\r\n"), Vec::<String>::new());
    }
}
