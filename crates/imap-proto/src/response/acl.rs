//! ACL, LISTRIGHTS and MYRIGHTS (RFC 4314 §3.6 to §3.8).

use super::Encoder;
use crate::mailbox::MailboxName;

impl Encoder<'_> {
    /// `* ACL mailbox identifier rights …`
    pub fn acl<'a>(&mut self, mailbox: &MailboxName, entries: impl IntoIterator<Item = (&'a str, &'a str)>) {
        self.raw("* ACL ");
        self.mailbox(mailbox);
        for (identifier, rights) in entries {
            self.word(identifier);
            self.word(rights);
        }
        self.raw("\r\n");
    }

    /// `* LISTRIGHTS mailbox identifier required optional …`: rights that are tied together are one word.
    pub fn list_rights(&mut self, mailbox: &MailboxName, identifier: &str, (required, optional): (&str, &[&str])) {
        self.raw("* LISTRIGHTS ");
        self.mailbox(mailbox);
        self.word(identifier);
        self.word(required);
        optional.iter().for_each(|rights| self.word(rights));
        self.raw("\r\n");
    }

    /// `* MYRIGHTS mailbox rights`
    pub fn my_rights(&mut self, mailbox: &MailboxName, rights: &str) {
        self.raw("* MYRIGHTS ");
        self.mailbox(mailbox);
        self.word(rights);
        self.raw("\r\n");
    }

    fn word(&mut self, text: &str) {
        self.raw(" ");
        self.string(text.as_bytes());
    }
}
