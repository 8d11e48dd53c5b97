//! The byte forms of keys and values: big-endian integers in keys (so that they sort), LEB128 varints in values of accounts.
//! Rows of tables have fixed widths instead: big-endian integers, and texts behind a length of four octets.
//!
//! Reading is total: bytes that do not fit give [`Corrupt`], never a panic and never a default.

/// Stored bytes are not what was written: damage, or a format that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// 64 bits, seven in an octet.
const NUMBER_BYTES_MAX: usize = 10;

/// Appends values to a buffer.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// A row of a table, which begins with the version of its format.
    #[must_use]
    pub fn of_format(format: u8) -> Self {
        Self(vec![format])
    }

    /// Octets as they are; whoever reads knows how many. Integers are given as `to_be_bytes`.
    pub fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self
    }

    /// A text of less than 4 GiB behind its length in four octets.
    pub fn wide_text(&mut self, value: &str) -> &mut Self {
        self.raw(&(value.len() as u32).to_be_bytes()).raw(value.as_bytes())
    }

    /// One octet.
    pub fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn number(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    pub(crate) fn signed(&mut self, value: i64) -> &mut Self {
        // Zigzag: small magnitudes of either sign stay short.
        self.number(((value << 1) ^ (value >> 63)) as u64)
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            None => self.byte(0),
            Some(value) => {
                self.byte(1);
                write(self, value);
                self
            }
        }
    }
}

/// Takes values off the front of a slice.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// What follows the version of a format in a row of a table.
    ///
    /// # Errors
    /// It is of another format.
    pub fn of_format(value: &'a [u8], format: u8) -> Result<Self, Corrupt> {
        value.strip_prefix(&[format]).map(Self).ok_or(Corrupt)
    }

    /// What [`Writer::raw`] wrote.
    ///
    /// # Errors
    /// There is less.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Corrupt)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// What [`Writer::wide_text`] wrote.
    ///
    /// # Errors
    /// There is less, or it is no text.
    pub fn wide_text(&mut self) -> Result<String, Corrupt> {
        let length = usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| Corrupt)?;
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| Corrupt)
    }

    /// One octet.
    ///
    /// # Errors
    /// Nothing is left.
    pub fn byte(&mut self) -> Result<u8, Corrupt> {
        let (&first, rest) = self.0.split_first().ok_or(Corrupt)?;
        self.0 = rest;
        Ok(first)
    }

    #[inline]
    pub(crate) fn number(&mut self) -> Result<u64, Corrupt> {
        // Nearly all are short: an index of a hundred thousand messages has six hundred thousand of them.
        match *self.0 {
            [one @ 0..0x80, ref rest @ ..] => {
                self.0 = rest;
                Ok(one.into())
            }
            [one, two @ 0..0x80, ref rest @ ..] => {
                self.0 = rest;
                Ok(u64::from(one & 0x7f) | u64::from(two) << 7)
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<u64, Corrupt> {
        let mut value = 0u64;
        for (at, byte) in self.0.iter().take(NUMBER_BYTES_MAX).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if at + 1 == NUMBER_BYTES_MAX && bits > 1 {
                return Err(Corrupt);
            }
            value |= bits << (7 * at);
            if *byte < 0x80 {
                self.0 = self.0.get(at + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(Corrupt)
    }

    pub(crate) fn small(&mut self) -> Result<u32, Corrupt> {
        u32::try_from(self.number()?).map_err(|_| Corrupt)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Corrupt> {
        let value = self.number()?;
        Ok(((value >> 1) as i64) ^ -((value & 1) as i64))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Corrupt> {
        let length = usize::try_from(self.number()?).map_err(|_| Corrupt)?;
        self.take(length)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Corrupt> {
        let (value, rest) = self.0.split_at_checked(length).ok_or(Corrupt)?;
        self.0 = rest;
        Ok(value)
    }

    pub(crate) fn text(&mut self) -> Result<String, Corrupt> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Corrupt)
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Corrupt>,
    ) -> Result<Option<T>, Corrupt> {
        match self.byte()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            2.. => Err(Corrupt),
        }
    }

    pub(crate) fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T, Corrupt>) -> Result<Vec<T>, Corrupt> {
        let count = usize::try_from(self.number()?).map_err(|_| Corrupt)?;
        // Every item takes at least a byte: a damaged count cannot make us reserve memory that the bytes do not cover.
        if count > self.0.len() {
            return Err(Corrupt);
        }
        (0..count).map(|_| read(self)).collect()
    }

    /// All was read; what follows would be of a version that this one does not know.
    ///
    /// # Errors
    /// Something is left.
    pub fn end(&self) -> Result<(), Corrupt> {
        if self.0.is_empty() { Ok(()) } else { Err(Corrupt) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(n: u64, s: i64, b: Vec<u8>, t: String) {
            let mut w = Writer::default();
            w.raw(&n.to_be_bytes()).wide_text(&t);
            w.number(n).signed(s).bytes(&b).text(&t).option(Some(n), |w, n| { w.number(n); }).option(None::<u8>, |_, _| {});
            let mut r = Reader(&w.0);
            prop_assert_eq!(r.array(), Ok(n.to_be_bytes()));
            prop_assert_eq!(r.wide_text(), Ok(t.clone()));
            prop_assert_eq!(r.number(), Ok(n));
            prop_assert_eq!(r.signed(), Ok(s));
            prop_assert_eq!(r.bytes(), Ok(&b[..]));
            prop_assert_eq!(r.text(), Ok(t));
            prop_assert_eq!(r.option(Reader::number), Ok(Some(n)));
            prop_assert_eq!(r.option(Reader::number), Ok(None));
            prop_assert_eq!(r.end(), Ok(()));
        }

        #[test]
        fn any_bytes_are_read_without_panic(b: Vec<u8>) {
            let _ = Reader(&b).number();
            let _ = Reader(&b).bytes();
            let _ = Reader(&b).wide_text();
            let _ = Reader(&b).list(Reader::signed);
            let _ = Reader(&b).option(Reader::text);
        }
    }
}
