//! The languages there are.

/// A language that all is said in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// As it stands in the code.
    #[default]
    English,
    /// Deutsch.
    German,
    /// 日本語.
    Japanese,
}

impl Language {
    /// Each of them, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::English, Self::German, Self::Japanese];

    /// Its tag (RFC 5646): `en`, `de`, `ja`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Japanese => "ja",
        }
    }

    /// Its name in itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
            Self::Japanese => "日本語",
        }
    }

    /// The one with a tag, in any case of its letters. `None`: there is none.
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(tag))
    }

    /// That of a locale, as `LANG` names it: `de_DE.UTF-8`. English where it is none of them, or its letters are not UTF-8.
    pub fn of_locale(locale: &str) -> Self {
        let (name, letters) = locale.split_once('.').unwrap_or((locale, ""));
        let letters = letters.split('@').next().unwrap_or_default();
        let is_readable = ["utf-8", "utf8"].iter().any(|known| letters.eq_ignore_ascii_case(known));
        let tag = name.split(['_', '@']).next().unwrap_or_default();
        Self::of_tag(tag).filter(|_| is_readable).unwrap_or_default()
    }

    /// Which of its forms a sentence with a number has.
    pub(crate) fn form(self, count: u64) -> usize {
        match self {
            Self::English | Self::German => usize::from(count != 1),
            Self::Japanese => 0,
        }
    }

    /// The same, as the header of a catalogue says it.
    pub fn plural_forms(self) -> &'static str {
        match self {
            Self::English | Self::German => "nplurals=2; plural=(n != 1);",
            Self::Japanese => "nplurals=1; plural=0;",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_has_a_language_and_letters() {
        for (locale, expected) in [
            ("de_DE.UTF-8", Language::German),
            ("de.utf8@euro", Language::German),
            ("ja_JP.UTF-8", Language::Japanese),
            ("ja_JP.eucJP", Language::English),
            ("de_DE", Language::English),
            ("de@euro", Language::English),
            ("fr_FR.UTF-8", Language::English),
            ("C.UTF-8", Language::English),
            ("C", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::of_locale(locale), expected, "{locale}");
        }
    }

    #[test]
    fn a_language_is_found_by_its_tag() {
        for language in Language::ALL {
            assert_eq!(Language::of_tag(language.tag()), Some(language));
        }
        assert_eq!(
            [Language::of_tag("DE"), Language::of_tag("de-AT"), Language::of_tag("")],
            [Some(Language::German), None, None]
        );
    }
}
