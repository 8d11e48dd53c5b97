//! The signature.

use crate::key::{KeyError, PrivateKey};
use crate::seal::Sealer;
use mail_auth::common::crypto::DkimKey;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{DkimSigner, Done};

/// The fields that are signed. Each stands here twice: one more than a message has is signed as absent, so that none can be
/// added (RFC 6376 §5.4.2, §8.15). Not among them is what others on the way may add or change: Received, Sender, List-*; but what
/// a list of ours sends has List-* from the start.
const FIELDS: [&str; 12] = [
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
];

/// What is signed besides of what a list sends. RFC 8058 §4: a signature covers both, or no program offers the button.
const LIST_FIELDS: [&str; 3] = ["List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"];

/// Signs, and seals what is passed on, with one key of a domain.
pub struct Signer {
    signer: DkimSigner<DkimKey, Done>,
    /// The same for what a list sends.
    list_signer: DkimSigner<DkimKey, Done>,
    sealer: Option<Sealer>,
}

impl Signer {
    /// `domain` in A-labels; `selector`: where below it the key is published.
    ///
    /// # Errors
    /// The key is none of its algorithm.
    pub fn new(domain: &str, selector: &str, key: &PrivateKey) -> Result<Self, KeyError> {
        // RFC 6376 §3.4: relaxed forms are those that survive relays; `l=` is never used (§8.2).
        let signer = |more: &[&'static str]| {
            let signer = DkimSigner::from_key(key.signing()?).domain(domain).selector(selector);
            Ok::<_, KeyError>(signer.headers(FIELDS.iter().chain(&FIELDS).chain(more).copied()))
        };
        let (list_signer, signer) = (signer(&LIST_FIELDS)?, signer(&[])?);
        Ok(Self { signer, list_signer, sealer: Sealer::new(domain, selector, key)? })
    }

    /// The `DKIM-Signature` field of a message with CRLF line ends; to be put on top of it, with its own CRLF. `is_of_list`: a list
    /// of ours sends it.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn sign(&self, message: &[u8], is_of_list: bool) -> Result<Vec<u8>, KeyError> {
        let signer = if is_of_list { &self.list_signer } else { &self.signer };
        let signature = signer.sign(message).map_err(KeyError::new)?;
        Ok(signature.to_header().into_bytes())
    }

    /// The ARC set (RFC 8617 §4.1) of a message with CRLF line ends that is passed on as it is; three fields to be put on top of
    /// it, each with its CRLF. `results`: what stands in Authentication-Results, the name of the host first, on one line with
    /// single spaces. The chain that the message has already must hold. `None`: this key seals nothing.
    #[must_use]
    pub fn seal(&self, message: &[u8], results: &str) -> Option<Result<Vec<u8>, KeyError>> {
        self.sealer.as_ref().map(|sealer| sealer.seal(message, results))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;
    use crate::testing::verify;

    const MESSAGE: &str =
        "From: Alice <alice@example.org>\r\nTo: bob@example.com\r\nSubject: Hello\r\n\r\nHello, Bob.\r\n";

    fn signed(message: &str) -> (String, Vec<(String, String)>) {
        let mut all = message.to_owned();
        let mut records = Vec::new();
        for algorithm in Algorithm::ALL {
            let key = PrivateKey::generate(algorithm).unwrap();
            let key = PrivateKey::from_pkcs8(algorithm, key.pkcs8().to_vec());
            let signer = Signer::new("example.org", algorithm.name(), &key).unwrap();
            all.insert_str(0, &String::from_utf8(signer.sign(message.as_bytes(), false).unwrap()).unwrap());
            records.push((format!("{}._domainkey.example.org", algorithm.name()), key.record().unwrap()));
        }
        (all, records)
    }

    fn good(message: &str, records: &[(String, String)]) -> Vec<bool> {
        verify(message.as_bytes(), records)
            .into_iter()
            .map(|(domain, _, good)| good && domain == "example.org")
            .collect()
    }

    #[test]
    fn both_signatures_hold_until_somebody_changes_what_is_signed() {
        let (message, records) = signed(MESSAGE);
        assert_eq!(good(&message, &records), [true; 2], "{message}");
        // What relays do.
        let relayed = format!("Received: from a by b\r\n{}", message.replace("Subject: Hello", "subject:  Hello"));
        assert_eq!(good(&relayed, &records), [true; 2]);
        let changes = [
            ("Hello, Bob", "Hello, Eve"),
            ("Subject: Hello", "Subject: Help"),
            ("Subject: Hello", "Subject: Hello\r\nSubject: Help"),
            ("Subject: Hello", "Subject: Hello\r\nReply-To: eve@example.net"),
            ("To: bob", "From: eve@example.net\r\nTo: bob"),
            ("Hello, Bob.\r\n", "Hello, Bob.\r\nAnd Eve.\r\n"),
        ];
        for (from, to) in changes {
            let changed = message.replace(from, to);
            assert_ne!(changed, message);
            assert_eq!(good(&changed, &records), [false; 2], "{from} {to}");
        }
        assert_eq!(good(&message, &[]), [false; 2], "nothing is published");
    }

    #[test]
    fn a_signature_has_no_line_that_a_server_would_refuse() {
        let long = format!("From: {}@example.org\r\nTo: {}\r\n\r\n", "a".repeat(64), "b@example.com,\r\n ".repeat(100));
        for message in [MESSAGE, long.as_str(), "From: a@example.org\r\n\r\n", "From: ö@example.org\r\n\r\nö"] {
            let (signed, records) = signed(message);
            assert_eq!(good(&signed, &records), [true; 2], "{signed}");
            assert!(signed.lines().all(|line| line.len() <= 998));
        }
    }
}
