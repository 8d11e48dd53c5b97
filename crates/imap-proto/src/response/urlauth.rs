//! GENURLAUTH and URLFETCH responses (RFC 4467 §8).

use super::Encoder;

impl Encoder<'_> {
    /// `* GENURLAUTH url…`
    pub fn gen_url_auth(&mut self, urls: &[String]) {
        self.raw("* GENURLAUTH");
        for url in urls {
            self.raw(" ");
            self.string(url.as_bytes());
        }
        self.raw("\r\n");
    }

    /// `* URLFETCH url`, then `NIL`, or the announcement of so many octets. Those and [`Self::end_url_fetch`] follow then.
    pub fn url_fetch(&mut self, url: &str, octets: Option<u64>) {
        self.raw("* URLFETCH ");
        self.string(url.as_bytes());
        match octets {
            Some(octets) => self.format(format_args!(" {{{octets}}}\r\n")),
            None => self.raw(" NIL\r\n"),
        }
    }

    /// After the octets.
    pub fn end_url_fetch(&mut self) {
        self.raw("\r\n");
    }
}
