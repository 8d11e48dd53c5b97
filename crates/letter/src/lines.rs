//! The lines of a text: as wide as a screen, also of languages that put no blanks between words.

/// A word is broken after so many characters (RFC 5322 §2.1.1: a line has 998 octets at most).
const WORD_CHARS_MAX: usize = 200;

/// The text in lines of at most `columns`, unless a word is longer; ideographs and kana take two columns each, and a line may end
/// between them. A line that begins with a blank is ours and stays as it is.
#[must_use]
pub fn wrapped(text: &str, columns: usize) -> String {
    let mut wrapped = String::new();
    for line in text.lines() {
        if line.starts_with(' ') {
            wrapped.push_str(line);
        } else {
            wrap(line, columns, &mut wrapped);
        }
        wrapped.push('\n');
    }
    wrapped
}

fn wrap(line: &str, columns: usize, wrapped: &mut String) {
    let mut column = 0;
    for (n, word) in line.split(' ').enumerate() {
        for (m, piece) in pieces(word).into_iter().enumerate() {
            let blank = usize::from(n > 0 && m == 0);
            let wide: usize = piece.chars().map(width).sum();
            if column > 0 && column + blank + wide > columns {
                wrapped.push('\n');
                column = 0;
            } else if column > 0 && blank > 0 {
                wrapped.push(' ');
                column += 1;
            }
            for (at, c) in piece.chars().enumerate() {
                if at > 0 && at % WORD_CHARS_MAX == 0 {
                    wrapped.push('\n');
                }
                wrapped.push(c);
            }
            column += wide;
        }
    }
}

/// A word cut where a line may end in it: beside a wide character, but not before what closes or after what opens.
fn pieces(word: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut before) = (0, None);
    for (at, c) in word.char_indices() {
        let may_end = |before: char| (width(before) == 2 || width(c) == 2) && !closes(c) && !opens(before);
        if before.is_some_and(may_end) {
            pieces.extend(word.get(start..at));
            start = at;
        }
        before = Some(c);
    }
    pieces.extend(word.get(start..));
    pieces
}

/// How many columns a character takes.
fn width(c: char) -> usize {
    let is_wide = matches!(c,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{303e}' | '\u{3041}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}' | '\u{20000}'..='\u{3fffd}');
    if is_wide { 2 } else { 1 }
}

/// No line begins with it.
fn closes(c: char) -> bool {
    "、。，．・：；？！）〕］｝〉》」』】ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ,.:;?!)]}”“’…".contains(c)
}

/// No line ends with it.
fn opens(c: char) -> bool {
    "（〔［｛〈《「『【([{„“‘".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_blanks_and_between_ideographs() {
        for (text, columns, expected) in [
            ("one two three", 7, "one two\nthree\n"),
            ("one two three", 6, "one\ntwo\nthree\n"),
            ("one\n\n  two three four\nfive", 3, "one\n\n  two three four\nfive\n"),
            ("longer than that", 3, "longer\nthan\nthat\n"),
            ("日本語で書く", 6, "日本語\nで書く\n"),
            ("日本語。書く", 6, "日本\n語。書\nく\n"),
            ("日本「語」", 6, "日本\n「語」\n"),
            ("端末「pc」が IMAP で", 10, "端末「pc」\nが IMAP で\n"),
            ("", 3, ""),
        ] {
            assert_eq!(wrapped(text, columns), expected, "{text}");
        }
    }

    #[test]
    fn a_word_without_an_end_is_broken() {
        for word in ["x".repeat(1_000), "ä".repeat(1_000), "語".repeat(1_000)] {
            let wrapped = wrapped(&word, 72);
            assert!(wrapped.lines().all(|line| line.len() <= 998) && wrapped.replace('\n', "") == word, "{wrapped}");
        }
    }
}
