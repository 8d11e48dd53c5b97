//! The seal of somebody who passes mail on (ARC, RFC 8617): what was found out about the message when it came, signed, so that
//! whoever gets it next can believe that instead of what they can still find out themselves.

use crate::key::{Algorithm, KeyError, PrivateKey};
use mail_auth::arc::{ArcSealer, Set};
use mail_auth::common::crypto::DkimKey;
use mail_auth::common::headers::{Header, HeaderWriter};
use mail_auth::dkim::Done;
use mail_auth::{ArcOutput, AuthenticatedMessage, AuthenticationResults, DkimResult};

/// The fields that are signed, where a message has them. RFC 8617 §4.1.2: DKIM-Signature should be among them, and
/// Authentication-Results must not.
const FIELDS: [&str; 13] = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "DKIM-Signature",
];

/// Seals with one key of a domain.
pub(crate) struct Sealer(ArcSealer<DkimKey, Done>);

impl Sealer {
    /// `None` for Ed25519: a chain has one seal of each host, and only RSA is read by everybody.
    pub(crate) fn new(domain: &str, selector: &str, key: &PrivateKey) -> Result<Option<Self>, KeyError> {
        match key.algorithm() {
            Algorithm::Ed25519 => Ok(None),
            Algorithm::Rsa2048 => {
                let sealer = ArcSealer::from_key(key.signing()?).domain(domain).selector(selector);
                Ok(Some(Self(sealer.headers(FIELDS))))
            }
        }
    }

    /// The three fields of a set. `results`: what stands in Authentication-Results, the name of the host first, on one line
    /// with single spaces. The chain that the message has, if any, must hold.
    pub(crate) fn seal(&self, message: &[u8], results: &str) -> Result<Vec<u8>, KeyError> {
        // With `true`, what the verifier leaves out (`l=`) is left out here.
        let parsed = AuthenticatedMessage::parse_with_opts(message, None, true)
            .ok_or_else(|| KeyError::new("the message has no header"))?;
        // The crate writes the name of the host as it is, and all of ours stands there.
        let results = AuthenticationResults::new(results);
        let set = self.0.seal(&parsed, &results, &chain(&parsed)).map_err(KeyError::new)?;
        Ok(folded(&set.to_header()).into_bytes())
    }
}

/// The sets that are there.
fn chain<'x>(message: &'x AuthenticatedMessage<'x>) -> ArcOutput<'x> {
    let sets = message.as_headers.iter().zip(&message.ams_headers).zip(&message.aar_headers);
    sets.fold(ArcOutput::default(), |chain, ((seal, signature), results)| {
        let set = Set {
            signature: Header::new(signature.name, signature.value, &signature.header),
            seal: Header::new(seal.name, seal.value, &seal.header),
            results: Header::new(results.name, results.value, &results.header),
        };
        chain.with_set(set).with_result(DkimResult::Pass)
    })
}

/// Breaks the line of results, which the relaxed form of the signature does not notice (RFC 6376 §3.4.2).
fn folded(set: &str) -> String {
    let is_results = |line: &str| line.starts_with("ARC-Authentication-Results:");
    set.split_inclusive('\n')
        .map(|line| if is_results(line) { line.replace("; ", ";\r\n\t") } else { line.to_owned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::testing::{chain_holds, verify};
    use crate::{Algorithm, PrivateKey, Signer};

    const MESSAGE: &str =
        "From: Alice <alice@example.org>\r\nTo: bob@example.com\r\nSubject: Hello\r\n\r\nHello, Bob.\r\n";
    const RESULTS: &str = "mail.example.com; spf=pass smtp.mailfrom=example.org; dmarc=pass header.from=example.org";

    struct Host {
        signer: Signer,
        record: (String, String),
    }

    fn host(domain: &str) -> Host {
        let key = PrivateKey::generate(Algorithm::Rsa2048).unwrap();
        let record = (format!("s._domainkey.{domain}"), key.record().unwrap());
        Host { signer: Signer::new(domain, "s", &key).unwrap(), record }
    }

    fn on_top(fields: Vec<u8>, message: &str) -> String {
        format!("Received: from a by b\r\n{}{message}", String::from_utf8(fields).unwrap())
    }

    #[test]
    fn a_chain_of_hosts_holds_until_somebody_changes_what_was_sealed() {
        let (author, hops) = (host("example.org"), ["example.com", "example.net"].map(host));
        let signed = on_top(author.signer.sign(MESSAGE.as_bytes(), false).unwrap(), MESSAGE);
        let sealed = hops.iter().fold(signed, |message, hop| {
            let set = hop.signer.seal(message.as_bytes(), RESULTS).unwrap().unwrap();
            on_top(set, &message)
        });
        let records = [author.record.clone(), hops[0].record.clone(), hops[1].record.clone()];
        assert_eq!(chain_holds(sealed.as_bytes(), &records), Some(true), "{sealed}");
        assert_eq!(verify(sealed.as_bytes(), &records).len(), 1);
        assert!(verify(sealed.as_bytes(), &records)[0].2, "the author's signature was broken: {sealed}");
        assert!(sealed.contains("ARC-Authentication-Results: i=2;\r\n\tmail.example.com;\r\n\tspf=pass"), "{sealed}");
        assert!(sealed.lines().all(|line| line.len() <= 200), "{sealed}");
        for (from, to) in [
            ("Hello, Bob", "Hello, Eve"),
            ("Subject: Hello", "Subject: Help"),
            ("i=1;\r\n\tmail.example.com", "i=1;\r\n\tmail.example.edu"),
            ("header.from=example.org", "header.from=example.edu"),
        ] {
            let changed = sealed.replacen(from, to, 1);
            assert_ne!(changed, sealed, "{from}");
            assert_eq!(chain_holds(changed.as_bytes(), &records), Some(false), "{from} {to}");
        }
        assert_eq!(chain_holds(MESSAGE.as_bytes(), &records), None);
    }

    #[test]
    fn a_key_that_not_everybody_reads_seals_nothing() {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let signer = Signer::new("example.org", "s", &key).unwrap();
        assert!(signer.seal(MESSAGE.as_bytes(), RESULTS).is_none());
    }
}
