//! The fields of what is stored: numbers big-endian, texts with their length before them.

/// Takes fields off a value; `None` when it is not what was written.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// A value that begins with the version of its format.
    pub(crate) fn open(value: &'a [u8], format: u8) -> Option<Self> {
        value.strip_prefix(&[format]).map(Self)
    }

    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        let length = usize::try_from(u32::from_be_bytes(self.take()?)).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Adds what [`Fields::text`] takes off. Each text is far below 4 GiB.
pub(crate) fn put_text(value: &mut Vec<u8>, text: &str) {
    value.extend_from_slice(&(text.len() as u32).to_be_bytes());
    value.extend_from_slice(text.as_bytes());
}
