//! The envelope of mail that is passed on: SRS, the Sender Rewriting Scheme. Whoever gets it asks the domain in the reverse path
//! whether this host may send for it (SPF), so the reverse path gets a domain of ours; a bounce comes back to that address, and
//! from it goes on to whoever sent the message. No RFC: the scheme is that of libsrs2, which others read too.
//!
//! ```text
//! ada@example.com                        through example.org   SRS0=HHHHHH=TT=example.com=ada@example.org
//! SRS0=HHHHHH=TT=example.com=ada@b.net   through example.org   SRS1=HHHHHH=b.net==HHHHHH=TT=example.com=ada@example.org
//! ```
//! `H` is a keyed hash, so that nobody but us makes such an address, `TT` the day. Pure: the hash is given.
//!
//! Invariant: an address that this server did not make, or made long ago, leads nowhere.

use smtp_proto::{Domain, LOCAL_PART_OCTETS_MAX, Mailbox};
use store::Timestamp;

/// Of a hash so many characters are kept, of 32 each.
const HASH_CHARS: usize = 6;
/// A bounce comes within so many days, or not at all: senders try for five (RFC 5321 §4.5.4.1), and the next ones as long.
const DAYS_MAX: i64 = 14;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// Days are counted modulo this number: two characters.
const DAYS: i64 = 32 * 32;
/// RFC 4648 §6, in upper case: it is read in any case, as some servers change it.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Makes a keyed hash of parts.
pub(crate) type Hash<'a> = &'a dyn Fn(&[&[u8]]) -> [u8; 32];

/// What an address in a domain of ours is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rewritten {
    /// Not one of this scheme.
    Not,
    /// One that this server did not make, or too long ago.
    Forged,
    /// Of whoever sent the message to us.
    Of(Mailbox),
}

/// The reverse path under which a message of `sender` is passed on through `domain`, which is ours. `None`: it would be too long.
pub(crate) fn rewrite(sender: &Mailbox, domain: &str, hash: Hash<'_>, now: Timestamp) -> Option<Mailbox> {
    let from = sender.domain().to_string();
    let local_part = match tagged(sender.local_part()) {
        Some((Tag::Srs0, rest)) => first_hop(&from, rest, hash),
        Some((Tag::Srs1, rest)) => {
            let (_, rest) = rest.split_once('=')?;
            let (first, rest) = rest.split_once("==")?;
            first_hop(first, rest, hash)
        }
        None => {
            let (day, local_part) = (day(now), sender.local_part());
            let proof = proof(&[b"0", day.as_bytes(), from.as_bytes(), local_part.as_bytes()], hash);
            format!("SRS0={proof}={day}={from}={local_part}")
        }
    };
    let is_short = local_part.len() <= LOCAL_PART_OCTETS_MAX;
    Mailbox::new(local_part, domain.parse::<Domain>().ok()?).ok().filter(|_| is_short)
}

/// Who is meant by a local part of ours.
pub(crate) fn read(local_part: &str, hash: Hash<'_>, now: Timestamp) -> Rewritten {
    let Some((tag, rest)) = tagged(local_part) else { return Rewritten::Not };
    let sender = match tag {
        Tag::Srs0 => read_sender(rest, hash, now),
        Tag::Srs1 => read_first_hop(rest, hash),
    };
    sender.map_or(Rewritten::Forged, Rewritten::Of)
}

#[derive(Clone, Copy)]
enum Tag {
    Srs0,
    Srs1,
}

/// What stands after `SRS0=`; the separator may be one of three.
fn tagged(local_part: &str) -> Option<(Tag, &str)> {
    let (tag, rest) = local_part.split_at_checked(4)?;
    let rest = rest.strip_prefix(['=', '+', '-'])?;
    match tag {
        _ if tag.eq_ignore_ascii_case("SRS0") => Some((Tag::Srs0, rest)),
        _ if tag.eq_ignore_ascii_case("SRS1") => Some((Tag::Srs1, rest)),
        _ => None,
    }
}

fn read_sender(rest: &str, hash: Hash<'_>, now: Timestamp) -> Option<Mailbox> {
    let mut parts = rest.splitn(4, '=');
    let [given, day, domain, local_part] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let day = day.to_ascii_uppercase();
    let domain: Domain = domain.parse().ok()?;
    let parts = [b"0", day.as_bytes(), domain.to_string().as_bytes(), local_part.as_bytes()].map(<[u8]>::to_vec);
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let is_ours = proof(&parts, hash).eq_ignore_ascii_case(given) && !local_part.is_empty();
    let age = (now.0.div_euclid(DAY_MILLIS).rem_euclid(DAYS) - number(&day)?).rem_euclid(DAYS);
    if !is_ours || age > DAYS_MAX {
        return None;
    }
    Mailbox::new(local_part, domain).ok()
}

/// The address at whoever passed it on first; that one looks at the rest.
fn first_hop(domain: &str, rest: &str, hash: Hash<'_>) -> String {
    let domain = domain.to_ascii_lowercase();
    let proof = proof(&[b"1", domain.as_bytes(), rest.as_bytes()], hash);
    format!("SRS1={proof}={domain}=={rest}")
}

fn read_first_hop(rest: &str, hash: Hash<'_>) -> Option<Mailbox> {
    let (given, rest) = rest.split_once('=')?;
    let (domain, rest) = rest.split_once("==")?;
    let is_ours = first_hop(domain, rest, hash).get(5..5 + HASH_CHARS)?.eq_ignore_ascii_case(given);
    is_ours.then(|| Mailbox::new(format!("SRS0={rest}"), domain.parse::<Domain>().ok()?).ok()).flatten()
}

/// Of parts in any case: some servers change it on the way.
fn proof(parts: &[&[u8]], hash: Hash<'_>) -> String {
    let folded: Vec<Vec<u8>> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
    let folded: Vec<&[u8]> = folded.iter().map(Vec::as_slice).collect();
    hash(&folded).iter().take(HASH_CHARS).map(|octet| character(*octet)).collect()
}

fn character(octet: u8) -> char {
    char::from(ALPHABET[usize::from(octet % 32)])
}

fn day(now: Timestamp) -> String {
    let day = now.0.div_euclid(DAY_MILLIS).rem_euclid(DAYS);
    [day / 32, day % 32].map(|digit| character(digit as u8)).iter().collect()
}

fn number(day: &str) -> Option<i64> {
    let digit =
        |octet: u8| ALPHABET.iter().position(|known| *known == octet).and_then(|place| i64::try_from(place).ok());
    let [high, low] = day.as_bytes() else { return None };
    Some(digit(*high)? * 32 + digit(*low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        *directory::secret::PurposeKey::new("a test", &[7; 32]).hash(parts).as_bytes()
    }

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn mailbox(text: &str) -> Mailbox {
        text.parse().unwrap()
    }

    fn rewritten(sender: &str, domain: &str) -> Mailbox {
        rewrite(&mailbox(sender), domain, &hash, NOW).unwrap()
    }

    #[test]
    fn a_bounce_finds_its_way_back_through_three_hosts() {
        for sender in ["ada@example.com", "Ada+x@example.com", "a=b@example.com", "\"a b\"@example.com"] {
            let once = rewritten(sender, "one.example");
            assert!(once.local_part().starts_with("SRS0=") && once.to_string().ends_with("@one.example"), "{once}");
            assert_eq!(read(once.local_part(), &hash, NOW), Rewritten::Of(mailbox(sender)));
            let twice = rewritten(&once.to_string(), "two.example");
            assert!(twice.local_part().starts_with("SRS1="), "{twice}");
            assert_eq!(read(twice.local_part(), &hash, NOW), Rewritten::Of(once.clone()));
            // It does not grow with each host.
            let thrice = rewritten(&twice.to_string(), "three.example");
            assert_eq!(thrice.local_part(), twice.local_part());
            assert_eq!(read(thrice.local_part(), &hash, NOW), Rewritten::Of(once));
        }
    }

    #[test]
    fn addresses_that_this_server_did_not_make_lead_nowhere() {
        let ours = rewritten("ada@example.com", "one.example").local_part().to_owned();
        let chain = rewritten(&format!("{ours}@one.example"), "two.example").local_part().to_owned();
        for (from, to) in
            [("=ada", "=eve"), ("example.com", "example.net"), ("SRS0=", "SRS0=A"), ("one.example", "x.example")]
        {
            for made in [&ours, &chain] {
                let changed = made.replacen(from, to, 1);
                if changed != *made {
                    assert_eq!(read(&changed, &hash, NOW), Rewritten::Forged, "{changed}");
                }
            }
        }
        for forged in [
            "SRS0=",
            "SRS0=AAAAAA=AA=example.com=ada",
            "SRS1=AAAAAA=one.example==AAAAAA=AA=x=y",
            "srs0-x",
            "SRS1==",
            "SRS0====",
        ] {
            assert_eq!(read(forged, &hash, NOW), Rewritten::Forged, "{forged}");
        }
        for other in ["ada", "SRS", "SRS0", "SRSA=x", "SRS2=x", "srs0x", "ÄÖÜ=x"] {
            assert_eq!(read(other, &hash, NOW), Rewritten::Not, "{other}");
        }
    }

    #[test]
    fn an_address_is_good_for_two_weeks_and_in_any_case() {
        let ours = rewritten("ada@example.com", "one.example").local_part().to_owned();
        let after = |days: i64| read(&ours, &hash, Timestamp(NOW.0 + days * DAY_MILLIS));
        let good = Rewritten::Of(mailbox("ada@example.com"));
        assert_eq!(
            (after(0), after(DAYS_MAX), after(DAYS_MAX + 1), after(-1)),
            (good.clone(), good.clone(), Rewritten::Forged, Rewritten::Forged)
        );
        assert_eq!(read(&ours.to_lowercase(), &hash, NOW), good);
        assert!(matches!(read(&ours.to_uppercase(), &hash, NOW), Rewritten::Of(_)));
    }

    #[test]
    fn an_address_that_nobody_would_take_is_not_made() {
        let long = |octets: usize| {
            rewrite(&Mailbox::new("a".repeat(octets), "b.example".parse().unwrap()).unwrap(), "o.example", &hash, NOW)
        };
        let most = LOCAL_PART_OCTETS_MAX - "SRS0=HHHHHH=TT=b.example=".len();
        assert!(long(most).is_some() && long(most + 1).is_none());
    }
}
