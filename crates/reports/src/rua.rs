//! Where owners of domains want their reports, as they publish it. Pure.

use crate::dmarc::TEXT_BYTES_MAX;
use sender_auth::organisational;

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

/// The addresses of a `rua`, at most three; other ways (`https:`) are not known.
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
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            octets.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        octets.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(octets).ok().filter(|text| !text.contains(char::is_control))
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
    fn who_gets_reports_about_another_domain_is_asked() {
        let to = |address: &str| Destination { address: address.to_owned(), bytes_max: None };
        assert_eq!(consent_of("mail.example.org", &to("a@Example.ORG")), None);
        let asked = Some("example.org._report._dmarc.reports.example.net".to_owned());
        assert_eq!(consent_of("example.org", &to("a@reports.example.net")), asked);
        assert_eq!(consent_of("a.co.uk", &to("x@b.co.uk")).as_deref(), Some("a.co.uk._report._dmarc.b.co.uk"));
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
