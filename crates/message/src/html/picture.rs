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
    fn data_in_an_address_is_read_up_to_the_limit() {
        assert_eq!(data("data:image/png;base64,QUJD", 3).as_deref(), Some(&b"ABC"[..]));
        assert_eq!(data("data:image/png;base64,QUJD", 2), None);
        assert_eq!(data("data:image/svg+xml,<svg>", 100), None);
        assert_eq!(data("data:", 100), None);
    }
}
