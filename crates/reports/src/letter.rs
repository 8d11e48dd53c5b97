//! Reports as mail: what a person reads, and the packed document.

use crate::counted::{Counts, Due, Matter, Reporter};
use crate::dmarc;
use crate::packed::gzip;
use crate::rua::Destination;
use crate::tls;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use message::date::format_rfc5322;
use store::{Error, Handover, Timestamp};

/// RFC 2045 §6.8.
const LINE_BYTES: usize = 76;

/// A report, packed, for any number of addresses.
pub struct Document<'a> {
    due: &'a Due,
    reporter: &'a Reporter,
    packed: Vec<u8>,
}

/// A mail that brings it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Whom it goes to.
    pub to: String,
    /// Whose domain it is about,
    pub domain: String,
    /// and what: `dmarc` or `tls`.
    pub about: &'static str,
    /// Header and body with CRLF line ends.
    pub content: Vec<u8>,
    /// What it is known by when it is sent again.
    pub handover: Handover,
}

impl<'a> Document<'a> {
    /// What `counts` has to tell; `None`: nothing.
    ///
    /// # Errors
    /// Faults.
    pub fn new(counts: &Counts, due: &'a Due, reporter: &'a Reporter) -> Result<Option<Self>, Error> {
        let document = match due.matter {
            Matter::Mail { .. } => counts.aggregate(due, reporter)?.map(|report| dmarc::xml(&report)),
            Matter::Sessions => counts.tls_report(due, reporter)?.map(|report| tls::json(&report)),
        };
        Ok(document.map(|document| Self { due, reporter, packed: gzip(&document) }))
    }

    /// As it is handed over HTTPS (RFC 8460 §5.4).
    #[must_use]
    pub fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// The mail; `None`: it is longer than the address wants it.
    #[must_use]
    pub fn to(&self, destination: &Destination, now: Timestamp) -> Option<Letter> {
        let content = self.content(&destination.address, now);
        let is_too_long = destination.bytes_max.is_some_and(|most| content.len() as u64 > most);
        // Neither the time nor the content tell it from what was sent before.
        let parts = [b"report".as_slice(), self.kind().as_bytes(), destination.address.as_bytes(), &self.id()];
        let handover = Handover::new(&parts, self.due.since(), 0);
        let (to, domain, about) = (destination.address.clone(), self.due.domain().to_owned(), self.kind());
        (!is_too_long).then_some(Letter { to, domain, about, content, handover })
    }

    fn id(&self) -> Vec<u8> {
        self.due.id(self.reporter).into_bytes()
    }

    fn kind(&self) -> &'static str {
        match self.due.matter {
            Matter::Mail { .. } => "dmarc",
            Matter::Sessions => "tls",
        }
    }

    fn content(&self, to: &str, now: Timestamp) -> Vec<u8> {
        let (domain, id, Reporter { hostname, email }) = (self.due.domain(), self.due.id(self.reporter), self.reporter);
        let boundary = format!("=_{}", self.kind());
        let date = format_rfc5322(now.0.div_euclid(1000));
        // RFC 7489 §7.2.1.1, RFC 8460 §5.3.
        let mut head = format!(
            "Date: {date}\r\nFrom: <{email}>\r\nTo: <{to}>\r\nSubject: Report Domain: {domain}\r\n\
             \tSubmitter: {hostname}\r\n\tReport-ID: <{id}>\r\nMessage-ID: <{}.{id}@{hostname}>\r\nAuto-Submitted: auto-generated\r\n",
            self.kind()
        );
        let multipart = match &self.due.matter {
            Matter::Mail { .. } => "multipart/mixed",
            Matter::Sessions => {
                // RFC 8689 §5: a report on TLS that fails must get through where it does. RFC 8460 §5.3: who it is about.
                head += "TLS-Required: No\r\n";
                head += &format!("TLS-Report-Domain: {domain}\r\nTLS-Report-Submitter: {hostname}\r\n");
                "multipart/report; report-type=\"tlsrpt\""
            }
        };
        let (media_type, file, text) = self.words();
        let lines: Vec<String> = STANDARD.encode(&self.packed).as_bytes().chunks(LINE_BYTES).map(ascii).collect();
        let content = format!(
            "{head}MIME-Version: 1.0\r\nContent-Type: {multipart};\r\n\tboundary=\"{boundary}\"\r\n\r\n\
             --{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{text}\r\n\
             --{boundary}\r\nContent-Type: {media_type};\r\n\tname=\"{file}\"\r\nContent-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment;\r\n\tfilename=\"{file}\"\r\n\r\n{}\r\n--{boundary}--\r\n",
            lines.join("\r\n")
        );
        content.into_bytes()
    }

    /// The media type and the name of the file, and what a person reads.
    fn words(&self) -> (&'static str, String, String) {
        let (domain, hostname, (begin, end)) = (self.due.domain(), &self.reporter.hostname, self.due.between());
        let date = crate::Day::of(Timestamp(begin.saturating_mul(1000))).date();
        match self.due.matter {
            Matter::Mail { .. } => (
                "application/gzip",
                format!("{hostname}!{domain}!{begin}!{end}.xml.gz"),
                format!(
                    "This is a report (DMARC) of {hostname} on mail that named {domain} in From and came\r\non {date} (UTC). \
                     It is sent because {domain} asks for it (rua).\r\n"
                ),
            ),
            Matter::Sessions => (
                "application/tlsrpt+gzip",
                format!("{hostname}!{domain}!{begin}!{end}.json.gz"),
                format!(
                    "This is a report of {hostname} on TLS with the hosts that take mail for {domain}\r\non {date} (UTC). \
                     It is sent because {domain} asks for it (_smtp._tls).\r\n"
                ),
            ),
        }
    }
}

fn ascii(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}
