//! LANGUAGE (RFC 5255 §3.3) and COMPARATOR (§4.8) responses.

use super::Encoder;

impl Encoder<'_> {
    /// `* LANGUAGE (tag …)`: one, which is spoken from now on, or all that there are.
    pub fn languages(&mut self, tags: &[&str]) {
        self.raw("* LANGUAGE (");
        for (at, tag) in tags.iter().enumerate() {
            self.raw(if at == 0 { "" } else { " " });
            self.string(tag.as_bytes());
        }
        self.raw(")\r\n");
    }

    /// `* COMPARATOR name`: what texts are compared by.
    pub fn comparator(&mut self, name: &str) {
        self.raw("* COMPARATOR ");
        self.string(name.as_bytes());
        self.raw("\r\n");
    }
}
