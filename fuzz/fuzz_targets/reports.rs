//! Reports of others: documents packed and bare, mails that bring them, records that ask for them. What is read can be written and read
//! again, and has limits.
#![no_main]

use arbitrary::Arbitrary;
use reports::check;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Document(&'a [u8]),
    /// Its header says that it is a report.
    Mail(&'a [u8]),
    Parts(Vec<(Kind, &'a [u8])>),
    Record(&'a [u8]),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Feedback,
    Message,
    Delivery,
    Xml,
    Json,
    Text,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Feedback => "message/feedback-report",
            Self::Message => "message/rfc822",
            Self::Delivery => "message/delivery-status",
            Self::Xml => "application/xml",
            Self::Json => "application/tlsrpt+json",
            Self::Text => "text/plain",
        }
    }
}

fn multipart(parts: &[(Kind, &[u8])]) -> Vec<u8> {
    let mut mail = b"From: a@example.com\r\nContent-Type: multipart/report; boundary=b\r\n\r\n".to_vec();
    for (kind, body) in parts {
        mail.extend_from_slice(format!("--b\r\nContent-Type: {}\r\n\r\n", kind.name()).as_bytes());
        mail.extend_from_slice(body);
        mail.extend_from_slice(b"\r\n");
    }
    mail.extend_from_slice(b"--b--\r\n");
    mail
}

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let held = match input {
        Input::Document(octets) => check::document(octets),
        Input::Mail(octets) => check::mail(octets),
        Input::Parts(parts) => check::mail(&multipart(&parts)),
        Input::Record(octets) => check::record(octets),
    };
    if let Err(broken) = held {
        panic!("{broken}");
    }
});
