//! Envelopes and structures of messages, as imap-proto's encoder wants to see them.
//!
//! Nothing is copied: a view is a reference to what `message` wrote down when the message came.

use imap_proto::response::{Address, AddressField, BodyKind, BodyView, EnvelopeView};
use message::view::{self, Content};

/// An envelope on its way out.
#[derive(Clone, Copy)]
pub(crate) struct Envelope<'v>(pub(crate) &'v view::Envelope<'v>);

/// A part, and the tree below, on its way out.
#[derive(Clone, Copy)]
pub(crate) struct Body<'v>(pub(crate) &'v view::Part<'v>);

impl EnvelopeView for Envelope<'_> {
    fn date(&self) -> Option<&[u8]> {
        self.0.date
    }

    fn subject(&self) -> Option<&[u8]> {
        self.0.subject
    }

    fn in_reply_to(&self) -> Option<&[u8]> {
        self.0.in_reply_to
    }

    fn message_id(&self) -> Option<&[u8]> {
        self.0.message_id
    }

    fn addresses(&self, field: AddressField) -> impl Iterator<Item = Address<'_>> {
        let list = match field {
            AddressField::From => self.0.from,
            AddressField::Sender => self.0.sender,
            AddressField::ReplyTo => self.0.reply_to,
            AddressField::To => self.0.to,
            AddressField::Cc => self.0.cc,
            AddressField::Bcc => self.0.bcc,
        };
        list.iter().map(|address| Address {
            name: address.name,
            adl: address.adl,
            mailbox: address.mailbox,
            host: address.host,
        })
    }
}

impl<'v> BodyView for Body<'v> {
    type Envelope = Envelope<'v>;

    fn kind(&self) -> BodyKind {
        match self.0.content {
            Content::Multipart(_) => BodyKind::Multipart,
            Content::Message(_) => BodyKind::Message,
            Content::Leaf if self.0.media_type == "text" => BodyKind::Text,
            Content::Leaf => BodyKind::Basic,
        }
    }

    fn media_type(&self) -> (&[u8], &[u8]) {
        (self.0.media_type.as_bytes(), self.0.subtype.as_bytes())
    }

    fn parameters(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        pairs(self.0.parameters)
    }

    fn id(&self) -> Option<&[u8]> {
        self.0.id
    }

    fn description(&self) -> Option<&[u8]> {
        self.0.description
    }

    fn encoding(&self) -> &[u8] {
        self.0.encoding.as_bytes()
    }

    fn octets(&self) -> u64 {
        self.0.body.len() as u64
    }

    fn lines(&self) -> u64 {
        self.0.lines as u64
    }

    fn md5(&self) -> Option<&[u8]> {
        self.0.md5
    }

    fn disposition(&self) -> Option<&[u8]> {
        self.0.disposition.map(|(kind, _)| kind.as_bytes())
    }

    fn disposition_parameters(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        pairs(self.0.disposition.map(|(_, parameters)| parameters).unwrap_or_default())
    }

    fn languages(&self) -> impl Iterator<Item = &[u8]> {
        self.0.languages.iter()
    }

    fn location(&self) -> Option<&[u8]> {
        self.0.location
    }

    fn children(&self) -> impl Iterator<Item = Self> {
        let parts = match &self.0.content {
            Content::Multipart(parts) => parts.as_slice(),
            Content::Leaf | Content::Message(_) => &[],
        };
        parts.iter().map(Body)
    }

    fn message(&self) -> Option<(Envelope<'v>, Self)> {
        match &self.0.content {
            Content::Message(message) => Some((Envelope(&message.0), Body(&message.1))),
            Content::Leaf | Content::Multipart(_) => None,
        }
    }
}

fn pairs(parameters: view::Parameters<'_>) -> impl Iterator<Item = (&[u8], &[u8])> {
    parameters.iter().map(|(name, value)| (name.as_bytes(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use imap_proto::{Dialect, Encoder};
    use message::Summary;

    fn check(message: &str, expected: &str) {
        let bytes = Summary::parse(message.as_bytes()).encode();
        let summary = view::Summary::read(&bytes).unwrap();
        let mut output = Vec::new();
        let mut encoder = Encoder::new(&mut output, Dialect::Rev1);
        let mut writer = encoder.fetch(1);
        writer.envelope(Envelope(&summary.envelope));
        writer.body_structure(Body(&summary.root));
        writer.body(Body(&summary.root));
        writer.finish();
        assert_eq!(String::from_utf8(output).unwrap(), format!("* 1 FETCH ({expected})\r\n"));
    }

    #[test]
    fn a_plain_message() {
        check(
            "Date: today\r\nFrom: Ann <ann@x.org>\r\nTo: Team: b@x.org;\r\nSubject: hi\r\nMessage-ID: <1@x>\r\n\r\nab\r\n",
            "ENVELOPE (\"today\" \"hi\" ((\"Ann\" NIL \"ann\" \"x.org\")) ((\"Ann\" NIL \"ann\" \"x.org\")) \
             ((\"Ann\" NIL \"ann\" \"x.org\")) ((NIL NIL \"Team\" NIL)(NIL NIL \"b\" \"x.org\")(NIL NIL NIL NIL)) \
             NIL NIL NIL \"<1@x>\") \
             BODYSTRUCTURE (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 1 NIL NIL NIL NIL) \
             BODY (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 1)",
        );
    }

    #[test]
    fn parts_in_parts() {
        check(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\nContent-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <c>\r\n\
             Content-Disposition: attachment; filename=a.png\r\nContent-Language: en, fr\r\n\r\nAAAA\r\n\
             --b\r\nContent-Type: message/rfc822\r\nContent-Description: fwd\r\n\r\nSubject: in\r\n\r\nx\r\n--b--\r\n",
            "ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) \
             BODYSTRUCTURE ((\"image\" \"png\" (\"name\" \"a.png\") \"<c>\" NIL \"base64\" 4 NIL \
             (\"attachment\" (\"filename\" \"a.png\")) (\"en\" \"fr\") NIL)\
             (\"message\" \"rfc822\" NIL NIL \"fwd\" \"7bit\" 16 (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) \
             (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL) \
             \"mixed\" (\"boundary\" \"b\") NIL NIL NIL) \
             BODY ((\"image\" \"png\" (\"name\" \"a.png\") \"<c>\" NIL \"base64\" 4)\
             (\"message\" \"rfc822\" NIL NIL \"fwd\" \"7bit\" 16 (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) \
             (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0) 2) \"mixed\")",
        );
    }
}
