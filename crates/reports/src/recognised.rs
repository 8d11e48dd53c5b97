//! Which mail is a report, by its header alone: every mail is asked.

use message::header;

/// Whether a message says that it is a report on a domain's mail, on TLS or on a complaint.
#[must_use]
pub fn is_report(content: &[u8]) -> bool {
    let head = content.get(..header::end(content)).unwrap_or_default();
    let value = |name: &str| {
        header::find(head, name)
            .map(|field| String::from_utf8_lossy(&field.unfolded()).to_ascii_lowercase())
            .unwrap_or_default()
    };
    // RFC 7489 §7.2.1.1, RFC 8460 §5.3: "Report Domain: ".
    let subject = value("subject");
    let media_type = value("content-type");
    subject.trim_start().starts_with("report domain:")
        || ["tlsrpt", "feedback-report"].iter().any(|kind| media_type.contains(kind))
        || media_type.contains("zip") && media_type.matches('!').count() >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_known_by_their_header() {
        for header in [
            "Subject: Report domain: example.org Submitter: google.com Report-ID: 1\r\n",
            "Subject:\r\n Report Domain: example.org\r\n",
            "Content-Type: multipart/report; report-type=tlsrpt; boundary=x\r\n",
            "Content-Type: multipart/report;\r\n\treport-type=\"feedback-report\"\r\n",
            "Content-Type: application/zip; name=\"google.com!example.org!1!2.zip\"\r\n",
        ] {
            assert!(is_report(format!("{header}\r\nx").as_bytes()), "{header}");
        }
        for header in ["", "Subject: Re: Report Domain: x\r\n", "Content-Type: application/zip; name=a.zip\r\n"] {
            assert!(!is_report(format!("{header}\r\nSubject: Report Domain: x\r\n").as_bytes()), "{header}");
        }
    }
}
