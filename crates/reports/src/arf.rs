//! Complaints about mail (RFC 5965): somebody said "this is spam", and their host tells whose mail it was. May be forged like any
//! mail: it is told as what somebody says.

use message::header;
use message::section::decoded;
use message::{Envelope, Structure};
use serde::{Deserialize, Serialize};

/// Texts of others are kept up to this length.
pub(crate) const TEXT_BYTES_MAX: usize = 255;

/// A complaint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complaint {
    /// When it came, in milliseconds since 1970.
    pub at: i64,
    /// Who told it: the domain of its author.
    pub by: String,
    /// Whether that is known to be so.
    pub is_checked: bool,
    /// `abuse`, `fraud`, `not-spam`, …
    pub kind: String,
    /// Where the message came from, as the reporter saw it; may be empty, as what follows.
    pub source: String,
    /// The reverse path of the message.
    pub mail_from: String,
    /// Who wrote the message, as its From says.
    pub author: String,
    /// Whom it was to.
    pub recipient: String,
    /// The subject.
    pub subject: String,
    /// Its Message-ID.
    pub message_id: String,
    /// Of a report on a message that did not prove its sender (RFC 6591 §3.1, `Auth-Failure`): `dmarc`, `spf`, `signature`, …
    #[serde(default)]
    pub failure: String,
}

/// Reads it; `None` for a message that is none.
pub(crate) fn read(content: &[u8], structure: &Structure) -> Option<Complaint> {
    let parts = || structure.root.walk();
    let feedback = parts().find(|part| part.is("message", "feedback-report"))?;
    let fields = decoded(feedback, content).ok()?;
    let field = |name: &str| header::find(&fields, name).map(|field| text(&field.unfolded())).unwrap_or_default();
    let kind = field("feedback-type").to_lowercase();
    // What follows the report is the message, or its header.
    let original = parts().skip_while(|part| !part.is("message", "feedback-report")).skip(1);
    let is_original = |part: &&message::Part| {
        part.is("message", "rfc822") || part.is("text", "rfc822-headers") || part.is("message", "rfc822-headers")
    };
    let original = original.filter(is_original).find_map(|part| decoded(part, content).ok()).unwrap_or_default();
    let envelope = Envelope::parse(original.get(..header::end(&original)).unwrap_or_default());
    let author = envelope.from.first().and_then(message::Address::addr_spec).unwrap_or_default();
    let of = |value: Option<&[u8]>| value.map(|value| text(message::encoded_word::decode(value).as_bytes()));
    (!kind.is_empty()).then(|| Complaint {
        kind,
        source: field("source-ip"),
        failure: field("auth-failure").to_lowercase(),
        mail_from: bare(&field("original-mail-from")),
        author: text(&author),
        recipient: bare(&field("original-rcpt-to")),
        subject: of(envelope.subject.as_deref()).unwrap_or_default(),
        message_id: of(envelope.message_id.as_deref()).unwrap_or_default(),
        ..Complaint::default()
    })
}

fn bare(address: &str) -> String {
    address.trim().trim_start_matches('<').trim_end_matches('>').to_owned()
}

/// One line, and not long.
fn text(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let text = text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default().trim();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_says_whose_mail_it_is_about() {
        let mail = b"From: <abuse@isp.example>\r\nSubject: FW: x\r\nMIME-Version: 1.0\r\n\
            Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\r\nThis is a complaint.\r\n\
            --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: X/1\r\nVersion: 1\r\n\
            Source-IP: 192.0.2.1\r\nOriginal-Mail-From: <alice@example.org>\r\nOriginal-Rcpt-To: <u@isp.example>\r\n\r\n--b\r\n\
            Content-Type: message/rfc822\r\n\r\nFrom: Alice <alice@example.org>\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\n\
            Message-ID: <1@example.org>\r\n\r\ntext\r\n--b--\r\n";
        let found = read(mail, &Structure::parse(mail)).unwrap();
        let Complaint { kind, source, mail_from, author, recipient, subject, message_id, .. } = found;
        assert_eq!([kind, source, mail_from], ["abuse", "192.0.2.1", "alice@example.org"]);
        assert_eq!([author, recipient], ["alice@example.org", "u@isp.example"]);
        assert_eq!([subject, message_id], ["Café", "<1@example.org>"]);
        let other = b"Subject: x\r\n\r\nFeedback-Type: abuse\r\n";
        assert_eq!(read(other, &Structure::parse(other)), None);
        let failure =
            String::from_utf8_lossy(mail).replace("Type: abuse\r\n", "Type: auth-failure\r\nAuth-Failure: DMARC\r\n");
        let found = read(failure.as_bytes(), &Structure::parse(failure.as_bytes())).unwrap();
        assert_eq!((found.kind.as_str(), found.failure.as_str()), ("auth-failure", "dmarc"));
    }
}
