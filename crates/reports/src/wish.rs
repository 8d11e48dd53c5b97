//! Who wants to be told when somebody calls their mail junk (the field CFBL-Address, RFC 9477), whether they may want it, and what
//! they are told (RFC 5965).
//!
//! Told is the name of the message and the mark that its sender gave it, which the RFC demands, and nothing else: neither who
//! complains nor anything of what was written.

use crate::counted::Reporter;
use message::date::format_rfc5322;
use message::{Envelope, header};
use sender_auth::results::{self, Held};
use smtp_proto::Mailbox;
use std::collections::BTreeSet;
use store::Timestamp;

/// The field, in lower case as signatures may name it.
const ADDRESS: &str = "cfbl-address";
/// The mark of a sender, by which they find the message and its recipient.
const MARK: &str = "cfbl-feedback-id";
/// So many are told of a message.
const TO_MAX: usize = 3;
/// What is told of a field is no longer; RFC 5322 §2.1.1: nor is a line.
const VALUE_BYTES_MAX: usize = 900;

/// That a message asks for complaints about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Where they go to.
    pub to: Vec<String>,
    /// The domain of its author, who vouched for that.
    pub domain: String,
    message_id: String,
    mark: Option<String>,
}

impl Wish {
    /// What a message wants whose header this is, if its signatures held when it came, as the field of `hostname`, this server,
    /// says; whoever put the message here must have written that.
    ///
    /// RFC 9477 §3.1: the domain of the author has signed it together with the field, and so has the domain that is to be told, unless it
    /// is the same or below it. The mark is signed, too.
    #[must_use]
    pub fn of(header: &[u8], hostname: &str) -> Option<Self> {
        let fields = |name: &str| header::find_all(header, name).count();
        let mark = match fields(MARK) {
            0 => None,
            1 => Some(value(header, MARK)?),
            _ => return None,
        };
        let signers = signers(header, &results::held(header, hostname), &|name| fields(name));
        let envelope = Envelope::parse(header);
        let [author] = &envelope.from[..] else { return None };
        let author = String::from_utf8(author.addr_spec()?).ok()?;
        let domain = domain_of(&author).filter(|domain| fields("from") == 1 && signers.contains(domain))?;
        let is_below =
            |other: &str| other.strip_suffix(&domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let may_be_told =
            |address: &String| domain_of(address).is_some_and(|other| is_below(&other) || signers.contains(&other));
        let mut to: Vec<String> = header::find_all(header, ADDRESS).filter_map(|field| address(&field)).collect();
        let mut known = BTreeSet::new();
        to.retain(|address| may_be_told(address) && known.insert(address.to_ascii_lowercase()));
        to.truncate(TO_MAX);
        let message_id = value(header, "message-id")?;
        (!to.is_empty()).then_some(Self { to, domain, message_id, mark })
    }

    /// The report, for one of those who want it. `name`: of the report, which no other has.
    #[must_use]
    pub fn report(&self, to: &str, Reporter { hostname, email }: &Reporter, (name, now): (&str, Timestamp)) -> Vec<u8> {
        let (domain, date) = (&self.domain, format_rfc5322(now.0.div_euclid(1000)));
        let mark = self.mark.as_ref().map(|mark| format!("CFBL-Feedback-ID: {mark}\r\n")).unwrap_or_default();
        format!(
            "Date: {date}\r\nFrom: <{email}>\r\nTo: <{to}>\r\nSubject: Complaint about a message of {domain}\r\n\
             Message-ID: <complaint.{name}@{hostname}>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=feedback-report;\r\n\tboundary=\"=_complaint\"\r\n\r\n\
             --=_complaint\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
             Somebody who has their mail at {hostname} has called a message\r\nof {domain} junk. This is told because the message asks \
             for it\r\n(CFBL-Address, RFC 9477). Its name and its mark are below.\r\n\r\n\
             --=_complaint\r\nContent-Type: message/feedback-report\r\n\r\n\
             Feedback-Type: abuse\r\nUser-Agent: Pillarbox/{}\r\nVersion: 1\r\nReported-Domain: {domain}\r\n\r\n\
             --=_complaint\r\nContent-Type: text/rfc822-headers\r\n\r\n\
             Message-ID: {}\r\n{mark}\r\n--=_complaint--\r\n",
            env!("CARGO_PKG_VERSION"),
            self.message_id,
        )
        .into_bytes()
    }
}

/// The domains of signatures that held and that sign what is to be told, each as often as it stands there (RFC 6376 §5.4.2).
///
/// What held is known by its domain and how it begins; where two fields fit, one of them a forger's, neither proves anything.
fn signers(header: &[u8], held: &[Held], count: &dyn Fn(&str) -> usize) -> BTreeSet<String> {
    let is_signed = |signed: &str, name: &str| {
        let signed = signed.split(':').filter(|known| known.trim().eq_ignore_ascii_case(name)).count();
        signed >= count(name)
    };
    let fields: Vec<Signature> = header::find_all(header, "DKIM-Signature").map(Signature::of).collect();
    let signer = |held: &Held| {
        let mut fitting = fields.iter().filter(|field| field.is(held));
        let (Some(field), None) = (fitting.next(), fitting.next()) else { return None };
        let covers = is_signed(&field.signed, ADDRESS) && is_signed(&field.signed, MARK);
        covers.then(|| held.domain.to_ascii_lowercase())
    };
    held.iter().filter_map(signer).collect()
}

/// What a signature says of itself.
#[derive(Default)]
struct Signature {
    domains: Vec<String>,
    starts: Vec<String>,
    signed: String,
}

impl Signature {
    fn of(field: header::Field<'_>) -> Self {
        let value = String::from_utf8_lossy(&field.unfolded()).into_owned();
        let mut signature = Self::default();
        for (name, value) in value.split(';').filter_map(|tag| tag.split_once('=')) {
            let value: String = value.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            match name.trim() {
                "d" => signature.domains.push(value),
                "b" => signature.starts.push(value),
                "h" => signature.signed = value,
                _ => {}
            }
        }
        signature
    }

    /// Whether it may be this one. A tag that stands there twice counts each time: whoever forges is not to choose which.
    fn is(&self, held: &Held) -> bool {
        self.domains.iter().any(|domain| domain.eq_ignore_ascii_case(&held.domain))
            && self.starts.iter().any(|start| is_start(&held.start, start))
    }
}

/// Whether a signature begins so (`header.b`, RFC 6008 §4).
fn is_start(start: &str, signature: &str) -> bool {
    start.len() >= 8 && signature.starts_with(start)
}

/// `fbl@example.com; report=arf`: whoever wants another form gets this one (RFC 9477 §4).
fn address(field: &header::Field<'_>) -> Option<String> {
    let value = String::from_utf8(field.unfolded().into_owned()).ok()?;
    let address = value.split(';').next().unwrap_or_default().trim();
    address.parse::<Mailbox>().ok().filter(|_| address.is_ascii() && address.len() < 255)?;
    Some(address.to_owned())
}

fn domain_of(address: &str) -> Option<String> {
    address.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase())
}

/// The one value of a field, if it can be told as it is.
fn value(header: &[u8], name: &str) -> Option<String> {
    let value = String::from_utf8(header::find(header, name)?.unfolded().into_owned()).ok()?;
    let value = value.trim();
    let fits = (1..=VALUE_BYTES_MAX).contains(&value.len()) && value.bytes().all(|octet| matches!(octet, b' '..=b'~'));
    fits.then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arf;
    use message::Structure;

    const HOST: &str = "mail.example.org";

    fn header(from: &str, signatures: &[(&str, &str, &str)], fields: &str) -> String {
        let mut header = format!("Authentication-Results: {HOST}; spf=pass smtp.mailfrom=news.example");
        for (number, (result, domain, _)) in signatures.iter().enumerate() {
            header += &format!(";\r\n\tdkim={result} header.d={domain} header.s=s header.b=AbC+/eF{number}");
        }
        header += "; dmarc=pass\r\n";
        for (number, (_, domain, signed)) in signatures.iter().enumerate() {
            header += &format!(
                "DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s=s;\r\n\th={signed}; bh=x;\r\n\tb=AbC+\r\n\t/eF{number}xyz=\r\n"
            );
        }
        format!("{header}From: {from}\r\nSubject: Sale\r\nMessage-ID: <1@news.example>\r\n{fields}\r\n")
    }

    const BOTH: &str = "From:CFBL-Address:cfbl-feedback-id";
    const FIELDS: &str = "CFBL-Address: fbl@news.example; report=arf\r\nCFBL-Feedback-ID: 111:222:me\r\n";

    fn told(from: &str, signatures: &[(&str, &str, &str)], fields: &str) -> Vec<String> {
        Wish::of(header(from, signatures, fields).as_bytes(), HOST).map(|wish| wish.to).unwrap_or_default()
    }

    #[test]
    fn whoever_is_told_has_signed_that_they_want_it() {
        let own = [("pass", "news.example", BOTH)];
        assert_eq!(told("N <n@News.example>", &own, FIELDS), ["fbl@news.example"]);
        for (from, signatures, fields) in [
            // Not signed, not by the author's domain, not what is to be told.
            ("n@news.example", &[][..], FIELDS),
            ("n@news.example", &[("fail", "news.example", BOTH)], FIELDS),
            ("n@other.example", &own, FIELDS),
            ("n@sub.news.example", &own, FIELDS),
            ("n@news.example, m@news.example", &own, FIELDS),
            ("n@news.example", &[("pass", "news.example", "From:CFBL-Feedback-ID")], FIELDS),
            ("n@news.example", &[("pass", "news.example", "From:CFBL-Address")], FIELDS),
            // A field that was added later.
            ("n@news.example", &own, &format!("CFBL-Address: victim@news.example\r\n{FIELDS}")),
            ("n@news.example", &own, &format!("{FIELDS}CFBL-Feedback-ID: 3\r\n")),
            ("n@news.example", &own, "Subject: none\r\n"),
            ("n@news.example", &own, "CFBL-Address: no address\r\n"),
            ("n@news.example", &own, "CFBL-Address: fbl@xnews.example\r\n"),
        ] {
            assert_eq!(told(from, signatures, fields), [""; 0], "{from} {signatures:?} {fields}");
        }
        // Below the author's domain, and of another one, which has to sign as well.
        let below = "CFBL-Address: fbl@mx.news.example; report=xarf\r\n";
        assert_eq!(told("n@news.example", &own, below), ["fbl@mx.news.example"]);
        let other = "CFBL-Address: fbl@sender.example\r\n";
        assert_eq!(told("n@news.example", &own, other), [""; 0]);
        let [first] = own;
        assert_eq!(told("n@news.example", &[first, ("pass", "sender.example", BOTH)], other), ["fbl@sender.example"]);
        // Several, each signed.
        let twice = format!("{BOTH}:CFBL-Address:CFBL-Address:CFBL-Address");
        let many: String = (1..=4).map(|number| format!("CFBL-Address: fbl{number}@news.example\r\n")).collect();
        let signatures = [("pass", "news.example", twice.as_str())];
        assert_eq!(
            told("n@news.example", &signatures, &many),
            [1, 2, 3].map(|number| format!("fbl{number}@news.example"))
        );
    }

    #[test]
    fn results_of_others_prove_nothing() {
        let header = header("n@news.example", &[("pass", "news.example", BOTH)], FIELDS);
        assert!(Wish::of(header.as_bytes(), HOST).is_some());
        assert_eq!(Wish::of(header.as_bytes(), "mail.example.net"), None);
        // Another signature of the same domain, of which nothing is known.
        assert_eq!(Wish::of(header.replace("b=AbC+\r\n", "b=XbC+\r\n").as_bytes(), HOST), None);
    }

    #[test]
    fn a_forged_twin_of_a_signature_that_held_proves_nothing() {
        let own = [("pass", "news.example", "From")];
        for twin in [
            format!("DKIM-Signature: d=news.example; h={BOTH}; b=AbC+/eF0other\r\n"),
            format!("dkim-signature: b=AbC+ /eF0; b=x; d=x; d=News.example; h={BOTH}\r\n"),
        ] {
            assert_eq!(told("n@news.example", &own, &format!("{twin}{FIELDS}")), [""; 0], "{twin}");
            // Nor does what one of them says count, where the true one would do.
            let true_one = [("pass", "news.example", BOTH)];
            assert_eq!(told("n@news.example", &true_one, &format!("{twin}{FIELDS}")), [""; 0], "{twin}");
        }
    }

    #[test]
    fn a_report_has_the_name_and_the_mark_and_nothing_else_of_the_message() {
        let header = header("n@news.example", &[("pass", "news.example", BOTH)], FIELDS);
        let wish = Wish::of(header.as_bytes(), HOST).unwrap();
        let reporter = Reporter { hostname: HOST.to_owned(), email: "postmaster@example.org".to_owned() };
        let report = wish.report("fbl@news.example", &reporter, ("1", Timestamp(0)));
        let text = String::from_utf8(report.clone()).unwrap();
        let (_, original) = text.split_once("text/rfc822-headers\r\n\r\n").unwrap();
        assert_eq!(original, "Message-ID: <1@news.example>\r\nCFBL-Feedback-ID: 111:222:me\r\n\r\n--=_complaint--\r\n");
        assert!(!text.contains("Sale") && !text.contains("n@news.example"), "{text}");
        // As this server reads those of others.
        let read = arf::read(&report, &Structure::parse(&report)).unwrap();
        assert_eq!((read.kind.as_str(), read.message_id.as_str()), ("abuse", "<1@news.example>"));
        assert_eq!((read.author.as_str(), read.recipient.as_str(), read.subject.as_str()), ("", "", ""));
    }

    #[test]
    fn what_cannot_be_told_as_it_is_is_not_told() {
        let own = [("pass", "news.example", BOTH)];
        for (length, expected) in [(VALUE_BYTES_MAX, 1), (VALUE_BYTES_MAX + 1, 0)] {
            let fields = format!("CFBL-Address: fbl@news.example\r\nCFBL-Feedback-ID: {}\r\n", "a".repeat(length));
            assert_eq!(told("n@news.example", &own, &fields).len(), expected);
        }
        assert_eq!(
            told("n@news.example", &own, "CFBL-Address: f@news.example\r\nCFBL-Feedback-ID: \u{e4}\r\n"),
            [""; 0]
        );
        let nameless = header("n@news.example", &own, FIELDS).replace("Message-ID: <1@news.example>\r\n", "");
        assert_eq!(Wish::of(nameless.as_bytes(), HOST), None);
    }
}
