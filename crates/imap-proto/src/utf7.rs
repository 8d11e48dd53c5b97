//! Modified UTF-7 (RFC 3501 §5.1.3): how IMAP4rev1 writes mailbox names that are not ASCII.
//!
//! Each name has exactly one encoding here: what is not the canonical one is refused when decoding,
//! so that two spellings never name the same mailbox.

use base64::Engine;
use base64::alphabet::Alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// RFC 3501 §5.1.3: modified BASE64 has `,` in place of `/` and no padding.
const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::RequireNone);

const ENGINE: GeneralPurpose = match Alphabet::new(ALPHABET) {
    Ok(alphabet) => GeneralPurpose::new(&alphabet, CONFIG),
    Err(_) => panic!("evaluated when compiling: 64 distinct printable characters are an alphabet"),
};

/// `name` in modified UTF-7.
#[must_use]
pub fn encode(name: &str) -> String {
    let mut wire = String::with_capacity(name.len());
    encode_into(name, &mut wire);
    wire
}

/// Appends `name` in modified UTF-7.
pub(crate) fn encode_into(name: &str, output: &mut String) {
    let mut rest = name;
    while !rest.is_empty() {
        let plain = rest.find(|c| !is_direct(c)).unwrap_or(rest.len());
        output.push_str(&rest[..plain]);
        rest = &rest[plain..];
        if let Some(tail) = rest.strip_prefix('&') {
            output.push_str("&-");
            rest = tail;
            continue;
        }
        let shifted = rest.find(|c| c == '&' || is_direct(c)).unwrap_or(rest.len());
        if shifted > 0 {
            let units: Vec<u8> = rest[..shifted].encode_utf16().flat_map(u16::to_be_bytes).collect();
            output.push('&');
            ENGINE.encode_string(units, output);
            output.push('-');
            rest = &rest[shifted..];
        }
    }
}

/// The name behind `wire`, or `None` where `wire` is not the canonical encoding of any name.
#[must_use]
pub fn decode(wire: &str) -> Option<String> {
    let mut name = String::with_capacity(wire.len());
    let mut rest = wire;
    while let Some(start) = rest.find('&') {
        name.push_str(&rest[..start]);
        let (shifted, tail) = rest[start + 1..].split_once('-')?;
        if shifted.is_empty() {
            name.push('&');
        } else {
            decode_units(shifted, &mut name)?;
        }
        rest = tail;
    }
    name.push_str(rest);
    let mut canonical = String::with_capacity(wire.len());
    encode_into(&name, &mut canonical);
    (canonical == wire).then_some(name)
}

fn decode_units(shifted: &str, name: &mut String) -> Option<()> {
    let bytes = ENGINE.decode(shifted).ok()?;
    let (pairs, []) = bytes.as_chunks::<2>() else { return None };
    for character in char::decode_utf16(pairs.iter().map(|pair| u16::from_be_bytes(*pair))) {
        name.push(character.ok()?);
    }
    Some(())
}

/// RFC 3501 §5.1.3: 0x20-0x25 and 0x27-0x7e represent themselves.
fn is_direct(character: char) -> bool {
    matches!(character, ' '..='%' | '\''..='~')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(name: &str) -> String {
        let mut wire = String::new();
        encode_into(name, &mut wire);
        wire
    }

    #[test]
    fn the_names_of_the_rfc() {
        for (name, wire) in [
            ("INBOX", "INBOX"),
            ("R&D", "R&-D"),
            ("&&", "&-&-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("😀", "&2D3eAA-"),
            ("é&è", "&AOk-&-&AOg-"),
        ] {
            assert_eq!(encode(name), wire);
            assert_eq!(decode(wire).as_deref(), Some(name));
        }
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        for wire in ["R&D", "&", "&AOk", "&AGE-", "&AOk-&AOg-", "&2D0-", "&AOkA-", "&AO-", "é", "&A!k-", "&AOl-x&"] {
            assert_eq!(decode(wire), None, "{wire}");
        }
    }

    proptest! {
        #[test]
        fn decoding_reverses_encoding(name in "\\PC{0,40}") {
            prop_assert_eq!(decode(&encode(&name)), Some(name));
        }

        #[test]
        fn encoding_reverses_decoding(wire in "[&A-Za-z0-9+, -]{0,30}") {
            if let Some(name) = decode(&wire) {
                prop_assert_eq!(encode(&name), wire);
            }
        }
    }
}
