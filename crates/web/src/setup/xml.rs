//! Text within XML.

/// Text as it stands between tags or in an attribute. What XML 1.0 §2.2 has no place for is left out.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // A parser would make them blanks.
            '\t' | '\n' | '\r' => escaped.push_str(&format!("&#{};", u32::from(character))),
            '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}' => escaped.push(character),
            _ => {}
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_element() {
        for (text, expected) in [
            ("Alice & Bob", "Alice &amp; Bob"),
            ("</string><true/>", "&lt;/string&gt;&lt;true/&gt;"),
            ("\"'", "&quot;&#39;"),
            ("]]>", "]]&gt;"),
            ("a\r\nb\tc", "a&#13;&#10;b&#9;c"),
            ("\0\u{1b}\u{fffe}ä\u{1f600}", "ä\u{1f600}"),
        ] {
            assert_eq!(escaped(text), expected, "{text:?}");
        }
    }
}
