//! Packets: the length of what follows in four octets, a letter that says what it is, and its data.

use crate::filters::NoAnswer;

/// Before each packet.
pub(super) const LENGTH_BYTES: usize = 4;
/// What a milter says in one packet has at most so many octets: a field of a header, or a reason. (Ours have more: libmilter
/// takes 64 KiB of data in a packet.)
const PACKET_BYTES_MAX: usize = 64 * 1024 + 1;
/// Of the body so much is in a packet (`MILTER_CHUNK_SIZE`).
pub(super) const CHUNK_BYTES: usize = 65_535;

/// A packet.
pub(super) fn packet(letter: u8, data: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(LENGTH_BYTES + 1 + data.len());
    packet.extend_from_slice(&(data.len() as u32 + 1).to_be_bytes());
    packet.push(letter);
    packet.extend_from_slice(data);
    packet
}

/// Text and what ends it. An octet that would end it before goes.
pub(super) fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    text.as_ref().iter().copied().filter(|octet| *octet != 0).chain([0]).collect()
}

/// How many octets follow.
pub(super) fn length(bytes: [u8; LENGTH_BYTES]) -> Result<usize, NoAnswer> {
    match u32::from_be_bytes(bytes) as usize {
        length @ 1..=PACKET_BYTES_MAX => Ok(length),
        length => Err(NoAnswer(format!("it sends a packet of {length} octets"))),
    }
}

/// A number at the beginning of data, and the rest.
pub(super) fn number(data: &[u8]) -> Result<(u32, &[u8]), NoAnswer> {
    let (number, rest) = data.split_first_chunk().ok_or_else(cut_off)?;
    Ok((u32::from_be_bytes(*number), rest))
}

/// Text at the beginning of data, and the rest.
pub(super) fn text(data: &[u8]) -> Result<(&[u8], &[u8]), NoAnswer> {
    let end = data.iter().position(|octet| *octet == 0).ok_or_else(cut_off)?;
    let (text, rest) = data.split_at(end);
    Ok((text, rest.get(1..).unwrap_or_default()))
}

fn cut_off() -> NoAnswer {
    NoAnswer("it sends a packet that is cut off".to_owned())
}
