//! The characters of atoms (RFC 9051 §9).

/// RFC 9051 §9: ATOM-CHAR, and octets above 127 for clients that send UTF-8 unquoted.
pub(crate) fn is_atom_char(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// RFC 9051 §9: ASTRING-CHAR = ATOM-CHAR / resp-specials.
pub(crate) fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}
