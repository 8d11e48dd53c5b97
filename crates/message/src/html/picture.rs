//! Pictures that a message brings along: of four types, told by their octets, whatever its sender says.

/// The media type of a picture that is shown; `None`: it is none of these.
pub(super) fn media_type(octets: &[u8]) -> Option<&'static str> {
    match octets {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// Whether what begins so is a picture that may be shown.
#[must_use]
pub fn is_picture(beginning: &[u8]) -> bool {
    media_type(beginning).is_some()
}

/// How many points a picture has, as far as its header says: a browser unpacks all of them, however few octets they are.
pub(super) fn points(octets: &[u8]) -> Option<u64> {
    let little = |at: usize, length: usize| {
        let digits = octets.get(at..at + length)?;
        Some(digits.iter().rev().fold(0, |number, octet| number << 8 | u64::from(*octet)))
    };
    let big = |at: usize, length: usize| {
        let digits = octets.get(at..at + length)?;
        Some(digits.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
    };
    let (width, height) = match media_type(octets)? {
        "image/png" => (big(16, 4)?, big(20, 4)?),
        "image/gif" => (little(6, 2)?, little(8, 2)?),
        "image/webp" => match octets.get(12..16)? {
            b"VP8X" => (little(24, 3)? + 1, little(27, 3)? + 1),
            b"VP8L" => ((little(21, 2)? & 0x3fff) + 1, (little(22, 3)? >> 6 & 0x3fff) + 1),
            _ => (little(26, 2)? & 0x3fff, little(28, 2)? & 0x3fff),
        },
        _ => {
            let at = frame_of_jpeg(octets)?;
            (big(at + 7, 2)?, big(at + 5, 2)?)
        }
    };
    Some(width.saturating_mul(height))
}

/// Where the header of a JPEG's frame begins (ITU-T T.81 §B.2.2): its marker.
fn frame_of_jpeg(octets: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        match octets.get(at..at + 4)? {
            [0xff, 0xff, ..] => at += 1,
            // All frames, but not the tables that are numbered among them.
            [0xff, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf, ..] => return Some(at),
            [0xff, 0x01 | 0xd0..=0xd8, ..] => at += 2,
            [0xff, _, high, low] => at += 2 + (usize::from(*high) << 8 | usize::from(*low)),
            _ => return None,
        }
    }
}

/// The octets of a `data:` address in base64 (RFC 2397); `None`: there are more of them than `bytes_max`, or it is another one.
pub(super) fn data(address: &str, bytes_max: usize) -> Option<Vec<u8>> {
    let (head, data) = address.split_once(',')?;
    let is_base64 = head.to_ascii_lowercase().ends_with(";base64");
    (is_base64 && data.len() / 4 * 3 <= bytes_max).then(|| crate::transfer::base64(data.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_told_by_their_octets() {
        let check = |octets: &[u8], expected: Option<&str>| assert_eq!(media_type(octets), expected, "{octets:?}");
        check(b"\x89PNG\r\n\x1a\nx", Some("image/png"));
        check(b"\xff\xd8\xff\xe0", Some("image/jpeg"));
        check(b"GIF89a", Some("image/gif"));
        check(b"GIF87a", Some("image/gif"));
        check(b"RIFF1234WEBPVP8", Some("image/webp"));
        check(b"RIFF1234WAVE", None);
        check(b"<svg xmlns='http://www.w3.org/2000/svg'>", None);
        check(b"BM", None);
        check(b"", None);
    }

    #[test]
    fn how_many_points_a_picture_has_is_read_from_its_header() {
        let check = |octets: &[u8], expected: Option<u64>| assert_eq!(points(octets), expected, "{octets:?}");
        check(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x3e\x80\0\0\x3e\x80", Some(16_000 * 16_000));
        check(b"\x89PNG\r\n\x1a\nrest", None);
        check(b"GIF89a\x01\x02\x03\0", Some(0x201 * 3));
        check(b"\xff\xd8\xff\xe0\0\x04xx\xff\xc4\0\x02\xff\xff\xc2\0\x11\x08\x01\0\x02\0", Some(0x100 * 0x200));
        check(b"\xff\xd8\xff\xda\0\x02x", None);
        check(b"\xff\xd8\xff\xe0\0\0", None);
        check(b"RIFF1234WEBPVP8X1234\0\0\0\0\xff\xff\0\xff\0\0", Some(0x10000 * 0x100));
        check(b"RIFF1234WEBPVP8L1234\x2f\xff\xc1\x3f\x00", Some(0x200 * 0x100));
        check(b"RIFF1234WEBPVP8 1234123\x9d\x01\x2a\x10\0\x20\0", Some(0x10 * 0x20));
    }

    #[test]
    fn data_in_an_address_is_read_up_to_the_limit() {
        assert_eq!(data("data:image/png;base64,QUJD", 3).as_deref(), Some(&b"ABC"[..]));
        assert_eq!(data("data:image/png;base64,QUJD", 2), None);
        assert_eq!(data("data:image/svg+xml,<svg>", 100), None);
        assert_eq!(data("data:", 100), None);
    }
}
