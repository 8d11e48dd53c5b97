//! Reports come packed (gzip, ZIP), and are unpacked within a limit.

use crate::NotRead;
use flate2::Compression;
use flate2::read::{DeflateDecoder, GzDecoder};
use flate2::write::GzEncoder;
use std::io::{Read, Write};

/// So many octets a report has unpacked; the largest that are sent have a few MiB.
pub(crate) const UNPACKED_BYTES_MAX: u64 = 16 * 1024 * 1024;

const GZIP: &[u8] = b"\x1f\x8b";
const ZIP: &[u8] = b"PK\x03\x04";
/// Where the name of a file begins in a ZIP archive (APPNOTE §4.3.7).
const ZIP_HEAD_BYTES: usize = 30;
const ZIP_STORED: u16 = 0;
const ZIP_DEFLATED: u16 = 8;

/// What was packed; what is not packed stays as it is. Of a ZIP archive the first file, the only one in a report.
pub(crate) fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, NotRead> {
    if bytes.starts_with(GZIP) {
        return bounded(GzDecoder::new(bytes));
    }
    if !bytes.starts_with(ZIP) {
        return bounded(bytes);
    }
    let number = |at: usize| {
        let octets = bytes.get(at..at + 2).and_then(|octets| octets.try_into().ok());
        octets.map(u16::from_le_bytes).ok_or(NotRead::Malformed)
    };
    let (flags, method) = (number(6)?, number(8)?);
    let size = u64::from(number(18)?) | u64::from(number(20)?) << 16;
    let start = ZIP_HEAD_BYTES + usize::from(number(26)?) + usize::from(number(28)?);
    let file = bytes.get(start..).ok_or(NotRead::Malformed)?;
    match method {
        // It is encrypted.
        _ if flags & 1 != 0 => Err(NotRead::Malformed),
        ZIP_STORED => bounded(file.take(size)),
        ZIP_DEFLATED => bounded(DeflateDecoder::new(file)),
        _ => Err(NotRead::Malformed),
    }
}

fn bounded(packed: impl Read) -> Result<Vec<u8>, NotRead> {
    let mut unpacked = Vec::new();
    packed.take(UNPACKED_BYTES_MAX + 1).read_to_end(&mut unpacked).map_err(|_| NotRead::Malformed)?;
    if unpacked.len() as u64 > UNPACKED_BYTES_MAX { Err(NotRead::TooLarge) } else { Ok(unpacked) }
}

/// As gzip (RFC 1952), the same octets each time.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    // A vector takes all that is written to it.
    packed.write_all(bytes).and_then(|()| packed.finish()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::DeflateEncoder;

    fn zip(method: u16, flags: u16, file: &[u8]) -> Vec<u8> {
        let mut archive = b"PK\x03\x04\x14\0".to_vec();
        archive.extend_from_slice(&flags.to_le_bytes());
        archive.extend_from_slice(&method.to_le_bytes());
        archive.extend_from_slice(&[0; 8]);
        archive.extend_from_slice(&u32::try_from(file.len()).unwrap().to_le_bytes());
        archive.extend_from_slice(&[0; 4]);
        archive.extend_from_slice(b"\x05\0\x02\0a.xmlxx");
        archive.extend_from_slice(file);
        archive.extend_from_slice(b"PK\x01\x02 and so on");
        archive
    }

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::best());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let text = b"<feedback></feedback>";
        for packed in [text.to_vec(), gzip(text), zip(0, 0, text), zip(8, 8, &deflated(text))] {
            assert_eq!(unpacked(&packed).as_deref(), Ok(&text[..]));
        }
    }

    #[test]
    fn a_bomb_is_unpacked_up_to_the_limit() {
        let limit = usize::try_from(UNPACKED_BYTES_MAX).unwrap();
        let (at, past) = (vec![b' '; limit], vec![b' '; limit + 1]);
        assert_eq!(unpacked(&gzip(&at)).map(|text| text.len()), Ok(limit));
        for bomb in [gzip(&past), zip(8, 0, &deflated(&past))] {
            assert!(bomb.len() < 100_000);
            assert_eq!(unpacked(&bomb), Err(NotRead::TooLarge));
        }
    }

    #[test]
    fn what_is_cut_off_or_encrypted_is_refused() {
        let whole = zip(8, 0, &deflated(b"text"));
        for end in 4..ZIP_HEAD_BYTES + 8 {
            assert_eq!(unpacked(&whole[..end]), Err(NotRead::Malformed), "{end}");
        }
        assert_eq!(unpacked(&zip(8, 1, &deflated(b"text"))), Err(NotRead::Malformed));
        assert_eq!(unpacked(&zip(99, 0, b"text")), Err(NotRead::Malformed));
        assert_eq!(unpacked(&gzip(b"text")[..12]), Err(NotRead::Malformed));
    }
}
