//! A segment: some thousand messages and what is in them, in one file.
//!
//! ```text
//! MAGIC, after, last, counts, full so that it is known what is there
//! numbers of the messages          8 octets each, ascending
//! positions of those not looked into  4 octets each
//! heads of the blocks              kind, octets of its tokens, octets of its lists, checksum
//! checksum of all that             32 octets
//! rows                             a bit for each block, and a checksum: of three octets in a row (by their hash) the blocks that have them
//! blocks                           tokens of one kind, sorted, each with an octet 0xff behind it; then their lists
//! far lists                        of what many messages have
//! ```
//! Numbers are little endian. A list begins with a number in octets of seven bits. An odd one is twice the position of the only message,
//! plus one; an even one twice the length of the list that follows it, or says that the list is elsewhere ([`FAR_LIST`],
//! [`FAR_BITS`]): where, how long, and its checksum follow. A list has differences of positions, the first one counting from -1.
//! The head is in memory while the segment is open; of the rest a look-up reads rows, and blocks, and far lists.

use std::io;

/// The last octet is another one as soon as something else is made of the same message: what was made before then counts as
/// not there, and is made anew.
pub(crate) const MAGIC: [u8; 8] = *b"PBSEARC4";
pub(crate) const FIXED_BYTES: usize = 48;
pub(crate) const BLOCK_HEAD_BYTES: usize = 12;
pub(crate) const SUM_BYTES: usize = 4;
/// What stands behind a token: no UTF-8 has it.
pub(crate) const TOKEN_END: u8 = 0xff;
/// So many rows tell which blocks have three octets: a power of two.
pub(crate) const ROWS: usize = 8192;
/// Behind the blocks stands a list ...
pub(crate) const FAR_LIST: u32 = 0;
/// ... or a bit for each message.
pub(crate) const FAR_BITS: u32 = 1;

/// The row of three octets.
pub(crate) fn row(three: &[u8]) -> usize {
    let number = three.iter().fold(0u32, |number, octet| number << 8 | u32::from(*octet));
    (number.wrapping_mul(0x9e37_79b1) >> (u32::BITS - ROWS.trailing_zeros())) as usize
}

pub(crate) fn put_number(octets: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        octets.push(number as u8 | 0x80);
        number >>= 7;
    }
    octets.push(number as u8);
}

/// The number that `octets` begin with, which are behind it then.
pub(crate) fn take_number(octets: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for shift in (0..u32::BITS).step_by(7) {
        let (octet, rest) = octets.split_first()?;
        *octets = rest;
        number |= u32::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Gives the positions of a list.
pub(crate) fn positions(mut list: &[u8], found: &mut impl FnMut(usize)) {
    let mut next = 0usize;
    while let Some(number) = take_number(&mut list) {
        next = next.saturating_add(number as usize);
        found(next);
        next += 1;
    }
}

pub(crate) fn sum(octets: &[u8]) -> u32 {
    let hash = blake3::hash(octets);
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_le_bytes([a, b, c, d])
}

pub(crate) fn length(length: usize) -> io::Result<u32> {
    u32::try_from(length).map_err(|_| io::Error::other("a segment is too large"))
}

pub(crate) fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a segment is damaged")
}
