//! LANGUAGE (RFC 5255 §3) and COMPARATOR (§4.7). All that is said is English in ASCII, which is `i-default` as well; all texts are
//! compared by i;unicode-casemap (`message::fold`), and no other comparator is there.

use super::Answer;
use crate::connection::ImapSession;
use crate::context::Context;
use crate::tagged::Tagged;
use imap_proto::Code;

/// RFC 5255 §3.1: the first one is what a session begins with.
const LANGUAGES: [&str; 2] = ["i-default", "en"];
const COMPARATOR: &str = "i;unicode-casemap";

impl ImapSession {
    /// The first language that there is of those that are asked for, or all.
    pub(super) fn language(&self, ranges: &[String], output: &mut Vec<u8>) -> Answer {
        let mut encoder = self.encoder(output);
        if ranges.is_empty() {
            encoder.languages(&LANGUAGES);
            return Ok(Tagged::ok("LANGUAGE done"));
        }
        let spoken = ranges.iter().find_map(|range| language(range));
        encoder.languages(&[spoken.ok_or_else(|| Tagged::no("This server speaks English alone"))?]);
        Ok(Tagged::ok("LANGUAGE done"))
    }
}

/// By lookup (RFC 4647 §3.4): `en-GB` is English.
fn language(range: &str) -> Option<&'static str> {
    // RFC 5255 §3.2: what the administrator prefers; and whatever there is.
    if range.eq_ignore_ascii_case("default") || range == "*" {
        return LANGUAGES.first().copied();
    }
    let mut range = range;
    loop {
        if let Some(tag) = LANGUAGES.iter().find(|tag| tag.eq_ignore_ascii_case(range)) {
            return Some(tag);
        }
        range = range.rsplit_once('-')?.0;
    }
}

/// Whether one of those that are asked for is the one that there is, and which that is.
pub(super) fn comparator(context: &mut Context<'_>, orders: &[String]) -> Answer {
    if !orders.is_empty() && !orders.iter().any(|order| is_comparator(order)) {
        return Err(Tagged::refused(Code::BadComparator, "There is i;unicode-casemap alone"));
    }
    context.encoder().comparator(COMPARATOR);
    Ok(Tagged::ok("COMPARATOR done"))
}

/// RFC 4790 §3.2, §3.3: a name, in which `*` stands for any characters, or with `+` before it.
fn is_comparator(order: &str) -> bool {
    if order == "default" || order.strip_prefix('+').unwrap_or(order) == COMPARATOR {
        return true;
    }
    let mut pieces = order.split('*');
    let mut rest = pieces.next().and_then(|first| COMPARATOR.strip_prefix(first));
    let Some(last) = pieces.next_back() else { return false };
    for piece in pieces {
        rest = rest.and_then(|rest| rest.split_once(piece)).map(|(_, after)| after);
    }
    rest.is_some_and(|rest| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_looked_up() {
        let check = |range: &str, expected: Option<&str>| assert_eq!(language(range), expected, "{range}");
        check("EN", Some("en"));
        check("en-GB-oed", Some("en"));
        check("i-default", Some("i-default"));
        check("Default", Some("i-default"));
        check("*", Some("i-default"));
        check("de", None);
        check("eng", None);
        check("", None);
        check("-", None);
    }

    #[test]
    fn comparators_are_asked_for_with_wildcards() {
        let check = |order: &str, expected: bool| assert_eq!(is_comparator(order), expected, "{order}");
        check("default", true);
        check("i;unicode-casemap", true);
        check("+i;unicode-casemap", true);
        check("-i;unicode-casemap", false);
        check("i;*", true);
        check("*", true);
        check("i;*code*map", true);
        check("i;*case*code", false);
        check("i;unicode-casemap*casemap", false);
        check("cz;*", false);
        check("i;octet", false);
        check("", false);
    }
}
