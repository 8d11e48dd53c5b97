//! What strangers wrote, fit to be shown: on pages, in a terminal, in the header of a message.

/// Without control characters and without what changes the direction of text or cannot be seen, one blank between words,
/// at most `bytes_max` long.
pub(crate) fn one_line(text: &str, bytes_max: usize) -> String {
    let visible: String = text
        .chars()
        .take(4 * bytes_max)
        .map(|c| if c.is_control() { ' ' } else { c })
        .filter(|c| !is_hidden(*c))
        .collect();
    let mut shown = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    shown.truncate(shown.floor_char_boundary(bytes_max));
    shown.truncate(shown.trim_end().len());
    shown
}

/// As [`one_line`], but lines stay lines.
pub(crate) fn lines(text: &str, bytes_max: usize) -> String {
    let limited = &text[..text.floor_char_boundary(4 * bytes_max)];
    let lines: Vec<String> = limited.lines().map(|line| one_line(line, bytes_max)).collect();
    let mut shown = lines.join("\n").trim().to_owned();
    shown.truncate(shown.floor_char_boundary(bytes_max));
    shown.truncate(shown.trim_end().len());
    shown
}

fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_lines_and_nothing_else_stays() {
        fn check(input: &str, expected: &str) {
            assert_eq!(lines(input, 20), expected, "{input:?}");
        }
        check("one\r\ntwo", "one\ntwo");
        check("  one \t two\n\n\nthree \n", "one two\n\n\nthree");
        check("a\rb\u{1b}[31m\0c", "a b [31m c");
        check("\u{202e}evil\u{200b}", "evil");
        check(&"x".repeat(20), &"x".repeat(20));
        check(&"x".repeat(21), &"x".repeat(20));
        check(&format!("{}ä", "x".repeat(19)), &"x".repeat(19));
        check(&"\n".repeat(1000), "");
        check(&"😀".repeat(1000), &"😀".repeat(5));
    }
}
