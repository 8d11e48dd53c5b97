//! Where owners of domains want their reports, as they publish it. Pure.

use crate::dmarc::TEXT_BYTES_MAX;
use message::percent;
use sender_auth::organisational;
use std::fmt;
use std::net::IpAddr;

/// A domain may name more; so many get a report (RFC 7489 §7.2.1 asks for two at least).
const DESTINATIONS_MAX: usize = 3;

/// Where a report goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The address.
    pub address: String,
    /// A longer report is not wanted, in octets as it is sent.
    pub bytes_max: Option<u64>,
}

/// Where a report is handed over HTTPS (RFC 8460 §3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    host: String,
    path: String,
}

impl Place {
    /// The name of its host, in lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What is asked of the host: begins with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.host, self.path)
    }
}

/// The places of a `rua`, at most three. Hosts with a name and on the usual port only: whoever publishes the record may mean anybody.
#[must_use]
pub fn places(rua: &str) -> Vec<Place> {
    rua.split(',').filter_map(|uri| place(uri.trim())).take(DESTINATIONS_MAX).collect()
}

fn place(uri: &str) -> Option<Place> {
    let (scheme, rest) = uri.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let host = authority.strip_suffix(":443").unwrap_or(authority).to_ascii_lowercase();
    let is_name = host.len() <= 253
        && host.contains('.')
        && host
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-'))
        && host.parse::<IpAddr>().is_err();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    // A fragment is none of the host's business, and is not sent (RFC 9110 §7.1).
    let path = path.split('#').next().unwrap_or_default().to_owned();
    let is_path = path.len() <= TEXT_BYTES_MAX && path.bytes().all(|octet| octet.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("https") && is_name && is_path).then_some(Place { host, path })
}

/// The addresses of a `rua`, at most three.
#[must_use]
pub fn destinations(rua: &str) -> Vec<Destination> {
    rua.split(',').filter_map(|uri| destination(uri.trim())).take(DESTINATIONS_MAX).collect()
}

fn destination(uri: &str) -> Option<Destination> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("mailto") {
        return None;
    }
    let rest = rest.split('?').next().unwrap_or_default();
    let (address, bytes_max) = match rest.rsplit_once('!') {
        Some((address, size)) => (address, Some(octets(size)?)),
        None => (rest, None),
    };
    let address = percent_decoded(address)?;
    let is_short = address.len() <= TEXT_BYTES_MAX;
    (is_short && address.contains('@')).then_some(Destination { address, bytes_max })
}

/// RFC 7489 §6.4: `1*DIGIT [ "k" / "m" / "g" / "t" ]`.
fn octets(size: &str) -> Option<u64> {
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match size.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// RFC 6068 §2: `%21` for a `!` in an address.
fn percent_decoded(text: &str) -> Option<String> {
    String::from_utf8(percent::decode(text.as_bytes())?).ok().filter(|text| !text.contains(char::is_control))
}

/// RFC 7489 §7.1: who gets reports about another's domain must have said that it wants them. The name at which it says so;
/// `None`: the address is below the same domain, which need not be asked.
#[must_use]
pub fn consent_of(domain: &str, destination: &Destination) -> Option<String> {
    let host = destination.address.rsplit_once('@').map_or("", |(_, host)| host).to_lowercase();
    let is_own = organisational(&host) == organisational(domain);
    (!is_own).then(|| format!("{domain}._report._dmarc.{host}"))
}

/// Whether the texts at that name say yes.
#[must_use]
pub fn consents(texts: &[Vec<u8>]) -> bool {
    texts.iter().any(|text| tags(text).next() == Some(("v".to_owned(), "DMARC1".to_owned())))
}

/// What the one record at `_smtp._tls` wants (RFC 8460 §3); several count for nothing.
#[must_use]
pub fn wanted_of_tls(texts: &[Vec<u8>]) -> Option<String> {
    let is_record = |text: &&Vec<u8>| tags(text).next() == Some(("v".to_owned(), "TLSRPTv1".to_owned()));
    let mut records = texts.iter().filter(is_record);
    match (records.next(), records.next()) {
        (Some(record), None) => tags(record).find_map(|(name, value)| (name == "rua").then_some(value)),
        (Some(_), Some(_)) | (None, _) => None,
    }
}

fn tags(text: &[u8]) -> impl Iterator<Item = (String, String)> {
    let text = String::from_utf8_lossy(text).into_owned();
    let tags = text.split(';').filter_map(|tag| tag.split_once('='));
    let tags: Vec<_> = tags.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect();
    tags.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_their_limits() {
        let check = |rua: &str, expected: &[(&str, Option<u64>)]| {
            let found = destinations(rua);
            let found: Vec<_> = found.iter().map(|one| (one.address.as_str(), one.bytes_max)).collect();
            assert_eq!(found, expected, "{rua}");
        };
        check("mailto:a@b.example", &[("a@b.example", None)]);
        check(
            " MAILTO:a@b.example!10m , mailto:c@d.example!5",
            &[("a@b.example", Some(10 << 20)), ("c@d.example", Some(5))],
        );
        check("https://b.example/report,mailto:a%21b@c.example?subject=x", &[("a!b@c.example", None)]);
        for nothing in
            ["", "mailto:", "mailto:a", "a@b.example", "mailto:a@b!x", "mailto:a%@b", "mailto:a%0d%0ab@c.example"]
        {
            check(nothing, &[]);
        }
        check(&"mailto:a@b.example,".repeat(9), &[("a@b.example", None); 3]);
        check("mailto:a@b!99999999999999999999", &[]);
    }

    #[test]
    fn places_over_https_have_a_name_and_the_usual_port() {
        let check = |rua: &str, expected: &[&str]| {
            assert_eq!(places(rua).iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{rua}");
        };
        check("https://r.example/v1/tls?x=1%2C#y", &["https://r.example/v1/tls?x=1%2C"]);
        check(
            "HTTPS://R.example:443, mailto:a@b.example ,https://q.example?z",
            &["https://r.example/", "https://q.example/?z"],
        );
        for nothing in [
            "http://r.example/",
            "https://",
            "https://r",
            "https://r.example:8443/",
            "https://u@r.example/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://r.example/a b",
            "https://r.example/\r\nX: y",
            "https://-..example/",
            "https:/r.example/",
        ] {
            check(nothing, &[]);
        }
        check(&"https://r.example/x,".repeat(9), &["https://r.example/x"; 3]);
        check(&format!("https://r.example/{}", "x".repeat(TEXT_BYTES_MAX)), &[]);
    }

    #[test]
    fn who_gets_reports_about_another_domain_is_asked() {
        let to = |address: &str| Destination { address: address.to_owned(), bytes_max: None };
        assert_eq!(consent_of("mail.example.org", &to("a@Example.ORG")), None);
        let asked = Some("example.org._report._dmarc.reports.example.net".to_owned());
        assert_eq!(consent_of("example.org", &to("a@reports.example.net")), asked);
        assert_eq!(consent_of("a.co.uk", &to("x@b.co.uk")).as_deref(), Some("a.co.uk._report._dmarc.b.co.uk"));
        // A public suffix is nobody's own, above or below.
        assert_eq!(consent_of("co.uk", &to("x@b.co.uk")).as_deref(), Some("co.uk._report._dmarc.b.co.uk"));
        assert_eq!(consent_of("b.co.uk", &to("x@co.uk")).as_deref(), Some("b.co.uk._report._dmarc.co.uk"));
        assert!(
            consents(&[b"spf".to_vec(), b"v=DMARC1".to_vec()]) && consents(&[b"v=DMARC1; rua=mailto:x@y".to_vec()])
        );
        assert!(!consents(&[]) && !consents(&[b"rua=x; v=DMARC1".to_vec(), b"v=dmarc1".to_vec()]));
    }

    #[test]
    fn where_reports_on_tls_go() {
        let wanted =
            |texts: &[&str]| wanted_of_tls(&texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(wanted(&["x", "v=TLSRPTv1; rua=mailto:a@b.example"]).as_deref(), Some("mailto:a@b.example"));
        assert_eq!(wanted(&["v=TLSRPTv1; rua=a", "v=TLSRPTv1; rua=b"]), None);
        assert_eq!(wanted(&["v=TLSRPTv1"]), None);
    }
}
