//! The form of a report on a message (RFC 3464, RFC 6522): for a person first, then for programs, then the message or its
//! header. Pure.

use message::date::format_rfc5322;
use message::{header, line_ends};
use queue::Matter;
use smtp_proto::{Hold, OriginalRecipient};
use std::borrow::Cow;
use std::fmt::Write;
use store::Timestamp;

/// So much of the original header is sent back.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// A longer message does not come back whole, whoever asks for it.
const WHOLE_BYTES_MAX: usize = 256 * 1024;
/// RFC 2045 §2.7: a line of 7bit and 8bit has no more, without its CRLF.
const LINE_BYTES_MAX: usize = 998;

/// A report.
pub(super) struct Status<'a> {
    /// This server's host name.
    pub(super) server: &'a str,
    /// Whom it is to, without angle brackets.
    pub(super) to: &'a str,
    pub(super) subject: &'a str,
    /// Of its Message-ID, the part before the `@`.
    pub(super) id: String,
    /// What a person reads.
    pub(super) text: String,
    /// What the sender calls the envelope.
    pub(super) envelope_id: Option<&'a str>,
    /// When the message came.
    pub(super) arrived_at: Timestamp,
    /// How long its sender wanted it held.
    pub(super) hold: Option<Hold>,
    pub(super) recipients: Vec<Fate<'a>>,
    /// The message.
    pub(super) original: &'a [u8],
    /// Whether all of it is wanted back, if it is not too long.
    pub(super) whole: bool,
    pub(super) now: Timestamp,
}

/// What became of the message for a recipient (RFC 3464 §2.3).
pub(super) struct Fate<'a> {
    pub(super) original: Option<&'a OriginalRecipient>,
    pub(super) address: &'a str,
    pub(super) action: Action,
    /// RFC 3463: `5.1.1`.
    pub(super) status: String,
    /// Who spoke, if another server did.
    pub(super) remote: Option<&'a str>,
    /// A reply, as it was said, and when.
    pub(super) reply: Option<(String, Timestamp)>,
    /// Until when it is tried.
    pub(super) retry_until: Option<Timestamp>,
}

/// RFC 3464 §2.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Into a mailbox here.
    Delivered,
    /// Of a message that is, or was, in the queue.
    Queued(Matter),
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Queued(matter) => matter.name(),
        }
    }
}

impl Status<'_> {
    /// Header and body with CRLF line ends.
    pub(super) fn compose(&self) -> Vec<u8> {
        let (returned, is_whole) = self.returned();
        let header_is_ascii = returned.get(..header::end(&returned)).unwrap_or_default().is_ascii();
        let utf8 = !header_is_ascii || self.recipients.iter().any(|fate| !fate.is_ascii());
        let status = self.fields(utf8);
        let parts = [self.text.as_bytes(), status.as_bytes(), &returned];
        let boundary = self.boundary(&parts);
        // RFC 6533: what is not ASCII has media types of its own.
        let (status_type, returned_type) = match (utf8, is_whole) {
            (false, false) => ("message/delivery-status", "text/rfc822-headers"),
            (false, true) => ("message/delivery-status", "message/rfc822"),
            (true, false) => ("message/global-delivery-status", "message/global-headers"),
            (true, true) => ("message/global-delivery-status", "message/global"),
        };
        let mut head = self.head(&returned);
        let _ = write!(
            head,
            "Content-Type: multipart/report; report-type={};\r\n\tboundary=\"{boundary}\"\r\n\
             Content-Transfer-Encoding: {}\r\n\r\nThis is a report in parts (RFC 3464).\r\n",
            status_type.trim_start_matches("message/"),
            // RFC 2045 §6.4: that of a multipart is that of its parts.
            encoding(&parts),
        );
        let mut content = head.into_bytes();
        for (media_type, octets) in ["text/plain; charset=utf-8", status_type, returned_type].into_iter().zip(parts) {
            let encoding = encoding(&[octets]);
            let fields = format!(
                "\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
            );
            content.extend_from_slice(fields.as_bytes());
            content.extend_from_slice(octets);
        }
        content.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        content
    }

    fn head(&self, returned: &[u8]) -> String {
        let Self { server, to, subject, id, .. } = self;
        let date = format_rfc5322(self.now.unix_seconds());
        let mut head = format!(
            "From: Mail delivery <MAILER-DAEMON@{server}>\r\nTo: <{to}>\r\nSubject: {}\r\n\
             Date: {date}\r\nMessage-ID: <{id}@{server}>\r\n{}",
            letter::subject(subject),
            letter::language_field(),
        );
        if let Some(id) = original_field(returned, "message-id").filter(|id| !id.contains(char::is_whitespace)) {
            let _ = write!(head, "In-Reply-To: {id}\r\nReferences: {id}\r\n");
        }
        // RFC 3834 §5: so that nothing answers it.
        head.push_str("Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
        head
    }

    /// RFC 3464 §2.
    fn fields(&self, utf8: bool) -> String {
        let arrival = format_rfc5322(self.arrived_at.unix_seconds());
        let mut fields = String::new();
        if let Some(id) = self.envelope_id {
            let _ = write!(fields, "Original-Envelope-Id: {id}\r\n");
        }
        let _ = write!(fields, "Reporting-MTA: dns; {}\r\nArrival-Date: {arrival}\r\n", self.server);
        if let Some(hold) = self.hold {
            // RFC 4865 §5.1.2.
            let _ = write!(fields, "Future-Release-Request: {hold}\r\n");
        }
        for fate in &self.recipients {
            fate.write(&mut fields);
        }
        // RFC 3464 §2.1: 7bit. RFC 6533 §3 lets the other type have more.
        if utf8 { fields } else { fields.replace(|character: char| !character.is_ascii(), "?") }
    }

    /// What comes back of the message, with CRLF line ends, and whether it is all of it.
    fn returned(&self) -> (Cow<'_, [u8]>, bool) {
        let header = original_header(self.original);
        let is_sound = encoding(&[self.original]) != "binary" && str::from_utf8(&header).is_ok();
        if self.whole && self.original.len() <= WHOLE_BYTES_MAX && is_sound {
            return (line_ends::canonical(self.original), true);
        }
        // What is no UTF-8 would make the whole part invalid.
        (Cow::Owned(String::from_utf8_lossy(&header).into_owned().into_bytes()), false)
    }

    /// A line that is in none of the parts.
    fn boundary(&self, parts: &[&[u8]]) -> String {
        let mut boundary = format!("=_{}_{}", self.id, self.now.0);
        let is_in =
            |boundary: &str, part: &[u8]| part.windows(boundary.len()).any(|piece| piece == boundary.as_bytes());
        while parts.iter().any(|part| is_in(&boundary, part)) {
            boundary.push('_');
        }
        boundary
    }
}

impl Fate<'_> {
    fn is_ascii(&self) -> bool {
        self.address.is_ascii() && self.original.is_none_or(|original| original.address().is_ascii())
    }

    fn write(&self, fields: &mut String) {
        fields.push_str("\r\n");
        if let Some(original) = self.original {
            let _ = write!(fields, "Original-Recipient: {}; {}\r\n", original.kind(), original.address());
        }
        let kind = if self.address.is_ascii() { "rfc822" } else { "utf-8" };
        let _ = write!(fields, "Final-Recipient: {kind}; {}\r\nAction: {}\r\n", self.address, self.action.name());
        let _ = write!(fields, "Status: {}\r\n", self.status);
        if let Some(remote) = self.remote {
            let _ = write!(fields, "Remote-MTA: dns; {remote}\r\n");
        }
        if let Some((reply, at)) = &self.reply {
            let last = format_rfc5322(at.unix_seconds());
            let _ = write!(fields, "Diagnostic-Code: smtp; {reply}\r\nLast-Attempt-Date: {last}\r\n");
        }
        if let Some(until) = self.retry_until {
            let _ = write!(fields, "Will-Retry-Until: {}\r\n", format_rfc5322(until.unix_seconds()));
        }
    }
}

/// RFC 2045 §2.7 to §2.9: what these octets are, without being encoded.
fn encoding(parts: &[&[u8]]) -> &'static str {
    let mut lines = parts.iter().flat_map(|part| part.split(|octet| *octet == b'\n'));
    if lines.any(|line| line.strip_suffix(b"\r").unwrap_or(line).len() > LINE_BYTES_MAX) {
        "binary"
    } else if parts.iter().all(|part| part.is_ascii()) {
        "7bit"
    } else {
        "8bit"
    }
}

/// With CRLF line ends, without the empty line that ends it.
pub(super) fn original_header(original: &[u8]) -> Vec<u8> {
    let length = header::fields(original).last().map_or(0, |field| field.span.end);
    line_ends::canonical(original.get(..length.min(HEADER_BYTES_MAX)).unwrap_or_default()).into_owned()
}

/// A field on one line; `None` if it is not there, empty, or no UTF-8.
pub(super) fn original_field(header: &[u8], name: &str) -> Option<String> {
    let value = header::find(header, name)?.unfolded().into_owned();
    let text: String = String::from_utf8(value).ok()?.chars().filter(|c| !c.is_control()).collect();
    Some(text).filter(|text| !text.is_empty())
}
