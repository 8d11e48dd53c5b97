//! Which language a browser asks for.

use crate::Language;

/// So many ranges of an `Accept-Language` are looked at; browsers send up to ten.
const RANGES_MAX: usize = 32;
/// The weight of a range that has none (RFC 9110 §12.4.2), in thousandths.
const WEIGHT_WHOLE: u16 = 1000;

impl Language {
    /// The language that an `Accept-Language` asks for first (RFC 9110 §12.5.4), of those there are; English when there is none of
    /// them. Ranges of the same weight count in their order, `*` asks for nothing.
    pub fn accepted(header: &str) -> Self {
        let ranges = header.split(',').take(RANGES_MAX).filter_map(range);
        let mut found: Vec<(u16, Self)> =
            ranges.filter(|(_, weight)| *weight > 0).filter_map(|(tag, weight)| Some((weight, lookup(tag)?))).collect();
        // Stable: what comes first stays first.
        found.sort_by_key(|(weight, _)| WEIGHT_WHOLE - weight);
        found.first().map(|(_, language)| *language).unwrap_or_default()
    }
}

/// RFC 4647 §3.4: the range is cut from its end until it is a language that there is.
fn lookup(range: &str) -> Option<Language> {
    let mut range = range;
    loop {
        if let Some(found) = Language::of_tag(range) {
            return Some(found);
        }
        range = range.rsplit_once('-')?.0;
    }
}

/// A range and its weight. `None`: neither.
fn range(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    match parts.next() {
        None => Some((range, WEIGHT_WHOLE)),
        Some(weight) => {
            let (name, value) = weight.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then_some(())?;
            Some((range, thousandths(value.trim())?))
        }
    }
}

/// A weight (RFC 9110 §12.4.2): `0.875`, `1`.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1") || part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let weight: u16 = format!("{whole}{part:0<3}").parse().ok()?;
    (weight <= WEIGHT_WHOLE).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{English, German, Japanese};

    #[test]
    fn the_language_that_a_browser_wants_most_is_taken() {
        for (header, expected) in [
            ("", English),
            ("de", German),
            ("DE-ch-1996", German),
            ("de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", German),
            ("en-GB,en;q=0.5,de;q=0.4", English),
            ("fr, ja;q=0.5, de;q=0.25", Japanese),
            ("de;q=0.5, ja;q=0.875", Japanese),
            ("de;q=0.5, ja;q=0.5", German),
            ("de;q=0, ja;q=0.001", Japanese),
            ("*, ja;q=0.1", Japanese),
            ("fr-FR, *;q=0.5", English),
            ("de;q=1.001, ja;q=.5", English),
            ("de;level=1", English),
            ("de; q=1.000", German),
            ("deutsch, d", English),
            (",,;,- , ja", Japanese),
        ] {
            assert_eq!(Language::accepted(header), expected, "{header}");
        }
    }

    #[test]
    fn what_comes_after_many_ranges_is_not_looked_at() {
        let many = |count: usize| format!("{}de", "fr,".repeat(count));
        assert_eq!(Language::accepted(&many(RANGES_MAX - 1)), German);
        assert_eq!(Language::accepted(&many(RANGES_MAX)), English);
    }
}
