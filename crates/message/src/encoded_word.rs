//! Encoded-words in header fields (RFC 2047) to text.

use memchr::memmem;

use crate::charset;
use crate::limits::ENCODED_WORD_BYTES_MAX;
use crate::transfer;

/// The longest charset label in an encoded-word that is looked at.
const LABEL_BYTES_MAX: usize = 64;

/// The text of an unfolded value. What is not a valid encoded-word stays as it is (as UTF-8, else Windows-1252).
///
/// Words next to each other are joined without the white space between them (§6.2), and their bytes before they
/// become text, because programs cut characters in two.
#[must_use]
pub fn decode(value: &[u8]) -> String {
    let mut text = String::new();
    // The bytes of the words read last, which have no text yet.
    let mut label: &[u8] = b"";
    let mut pending: Option<Vec<u8>> = None;
    let (mut plain, mut at) = (0, 0);
    while let Some(found) = memmem::find(&value[at..], b"=?") {
        let start = at + found;
        let Some(word) = read_word(&value[start..]) else {
            at = start + 2;
            continue;
        };
        let between = &value[plain..start];
        let joins = between.trim_ascii().is_empty() && label.eq_ignore_ascii_case(word.label) && !has_state(label);
        if pending.is_none() || !joins {
            text.push_str(&charset::decode(label, &pending.take().unwrap_or_default()));
            if plain == 0 || !between.trim_ascii().is_empty() {
                text.push_str(&charset::decode(b"", between));
            }
        }
        label = word.label;
        pending.get_or_insert_default().extend(word.bytes);
        at = start + word.len;
        plain = at;
    }
    text.push_str(&charset::decode(label, &pending.unwrap_or_default()));
    text.push_str(&charset::decode(b"", &value[plain..]));
    text
}

/// Whether each word in this charset begins anew: RFC 2047 §3 has words in ISO-2022 end in ASCII mode.
fn has_state(label: &[u8]) -> bool {
    label.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"iso-2022"))
}

struct Word<'a> {
    label: &'a [u8],
    bytes: Vec<u8>,
    len: usize,
}

/// `=?charset*language?B-or-Q?text?=`; the caller has seen the first two bytes.
fn read_word(value: &[u8]) -> Option<Word<'_>> {
    let window = value.get(..ENCODED_WORD_BYTES_MAX).unwrap_or(value).get(2..)?;
    let label_len = window.iter().take(LABEL_BYTES_MAX).position(|&byte| byte == b'?' || byte <= b' ')?;
    let (label, rest) = window.split_at(label_len);
    let (encoding, text) = match rest {
        [b'?', encoding, b'?', text @ ..] => (*encoding, text),
        _ => return None,
    };
    let text_len = memmem::find(text, b"?=")?;
    let text = &text[..text_len];
    let bytes = match encoding {
        b'B' | b'b' => transfer::base64(text),
        b'Q' | b'q' => q(text),
        _ => return None,
    };
    // RFC 2231 §5: a language may follow the charset.
    let label = label.split(|&byte| byte == b'*').next().unwrap_or(label);
    // "=?" label "?B?" text "?="
    Some(Word { label, bytes, len: 2 + label_len + 3 + text_len + 2 })
}

/// RFC 2047 §4.2.
fn q(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|&byte| if byte == b'_' { b' ' } else { byte }).collect();
    let mut bytes = Vec::with_capacity(spaced.len());
    transfer::push_codes(&spaced, &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_become_text() {
        let check = |input: &str, expected: &str| assert_eq!(decode(input.as_bytes()), expected, "{input}");
        check("", "");
        check("plain", "plain");
        check("=?iso-8859-1?Q?a_caf=E9?=", "a café");
        check("=?UTF-8?B?Y2Fmw6k=?= x", "café x");
        check("x =?utf-8?q?a?= =?utf-8?q?b?= y", "x ab y");
        check("=?utf-8?q?a?= x =?utf-8?q?b?=", "a x b");
        check("=?utf-8?q?a?=\t=?iso-8859-1?q?=E9?=", "aé");
        // A character cut in two.
        check("=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "é");
        check("=?ISO-2022-JP?B?GyRCJUYlOSVIGyhC?= =?ISO-2022-JP?B?GyRCJUYbKEI=?=", "テストテ");
        check("=?utf-8*en?Q?a?=", "a");
        check("=?utf-8?Q?a b?=", "a b");
        check("=?utf-8?X?a?=", "=?utf-8?X?a?=");
        check("=?utf-8?Q?open", "=?utf-8?Q?open");
        check("=? ?=", "=? ?=");
        check("=?", "=?");
        check(" =?utf-8?Q?a?=", " a");
        assert_eq!(decode(b"caf\xe9 =?utf-8?Q?=C3=A9?="), "café é");
    }

    #[test]
    fn a_word_over_the_limit_stays() {
        let word = |len: usize| format!("=?utf-8?Q?{}?=", "a".repeat(len));
        let overhead = word(0).len();
        let longest = ENCODED_WORD_BYTES_MAX - overhead;
        assert_eq!(decode(word(longest).as_bytes()), "a".repeat(longest));
        assert_eq!(decode(word(longest + 1).as_bytes()), word(longest + 1));
    }
}
