//! The bytes of a summary: numbers as LEB128, byte strings with their length before them, frequent words as numbers.

use crate::summary::SummaryError;

/// Words that stand in nearly every summary. The order is part of the format: only ever append.
const WORDS: [&str; 56] = [
    "text",
    "plain",
    "html",
    "charset",
    "utf-8",
    "UTF-8",
    "us-ascii",
    "US-ASCII",
    "iso-8859-1",
    "ISO-8859-1",
    "windows-1252",
    "7bit",
    "8bit",
    "quoted-printable",
    "base64",
    "binary",
    "multipart",
    "mixed",
    "alternative",
    "related",
    "signed",
    "report",
    "digest",
    "boundary",
    "format",
    "flowed",
    "delsp",
    "yes",
    "name",
    "filename",
    "attachment",
    "inline",
    "application",
    "octet-stream",
    "pdf",
    "zip",
    "pgp-signature",
    "pkcs7-signature",
    "image",
    "jpeg",
    "png",
    "gif",
    "message",
    "rfc822",
    "delivery-status",
    "type",
    "micalg",
    "protocol",
    "calendar",
    "method",
    "size",
    "creation-date",
    "modification-date",
    "report-type",
    "text/html",
    "multipart/alternative",
];

pub(crate) fn put_number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// A word of the table as its odd number, others as twice their length and their bytes.
pub(crate) fn put_word(out: &mut Vec<u8>, word: &[u8]) {
    match WORDS.iter().position(|known| known.as_bytes() == word) {
        Some(index) => put_number(out, index << 1 | 1),
        None => {
            put_number(out, word.len() << 1);
            out.extend_from_slice(word);
        }
    }
}

/// Reads what the `put_` functions wrote. Never reads beyond the end, never reserves memory for what is not there.
pub(crate) struct Source<'a> {
    rest: &'a [u8],
}

impl<'a> Source<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, SummaryError> {
        let (&byte, rest) = self.rest.split_first().ok_or(SummaryError::Truncated)?;
        self.rest = rest;
        Ok(byte)
    }

    #[inline]
    pub(crate) fn number(&mut self) -> Result<usize, SummaryError> {
        match self.rest.split_first() {
            // Nearly all are small.
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(usize::from(byte))
            }
            Some(_) | None => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<usize, SummaryError> {
        let mut number = 0_usize;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = usize::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(SummaryError::Invalid);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(SummaryError::Invalid)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], SummaryError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(SummaryError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], SummaryError> {
        let len = self.number()?;
        self.take(len)
    }

    pub(crate) fn word(&mut self) -> Result<&'a [u8], SummaryError> {
        let number = self.number()?;
        if number & 1 == 0 { self.take(number >> 1) } else { known(number).map(str::as_bytes) }
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, SummaryError> {
        let number = self.number()?;
        if number & 1 != 0 {
            return known(number);
        }
        std::str::from_utf8(self.take(number >> 1)?).map_err(|_| SummaryError::Invalid)
    }
}

/// The word of an odd number.
fn known(number: usize) -> Result<&'static str, SummaryError> {
    WORDS.get(number >> 1).copied().ok_or(SummaryError::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_come_back() {
        let mut out = Vec::new();
        for number in [0, 127, 128, 300, usize::MAX] {
            put_number(&mut out, number);
        }
        for word in ["text", "multipart/alternative", "x-rare", ""] {
            put_word(&mut out, word.as_bytes());
        }
        let mut source = Source::new(&out);
        for number in [0, 127, 128, 300, usize::MAX] {
            assert_eq!(source.number(), Ok(number));
        }
        for word in ["text", "multipart/alternative", "x-rare", ""] {
            assert_eq!(source.text().unwrap(), word);
        }
        assert!(source.is_empty());
    }

    #[test]
    fn bad_bytes_are_errors() {
        assert_eq!(Source::new(&[0x80]).number(), Err(SummaryError::Truncated));
        assert_eq!(Source::new(&[0xff; 11]).number(), Err(SummaryError::Invalid));
        assert_eq!(Source::new(&[5, 1]).bytes(), Err(SummaryError::Truncated));
        assert_eq!(Source::new(&[0x7f]).word(), Err(SummaryError::Invalid));
    }
}
