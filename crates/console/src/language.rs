//! The language that the owner of an account reads: pages speak it, and so do letters and reports to them.

use crate::account::AccountConsole;
use crate::error::Error;
use serde::{Deserialize, Serialize};
use store::LanguageTag;
use wording::{Language, tr};

/// The language of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanguageCard {
    /// Its tag, `ja`; none: the pages speak as the browser asks, letters as the server does.
    pub language: Option<String>,
    /// The same in words.
    pub text: String,
    /// What can be chosen.
    pub languages: Vec<LanguageLine>,
}

/// A language that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanguageLine {
    /// Its tag.
    pub tag: String,
    /// Its name in itself.
    pub name: String,
}

impl AccountConsole {
    /// The language that the owner has chosen.
    ///
    /// # Errors
    /// Faults.
    pub fn language(&self) -> Result<Option<Language>, Error> {
        Ok(letter::spoken(self.account.settings()?.language))
    }

    /// The same with what can be chosen.
    ///
    /// # Errors
    /// Faults.
    pub fn language_card(&self) -> Result<LanguageCard, Error> {
        let chosen = self.language()?;
        let text = match chosen {
            Some(language) => tr!("The pages and letters of this account are in {language}.", language = language.name()),
            None => tr!("The pages of this account are in the language that the browser asks for, letters in that of the server.")
                .to_owned(),
        };
        let line =
            |language: &Language| LanguageLine { tag: language.tag().to_owned(), name: language.name().to_owned() };
        let languages = Language::ALL.iter().map(line).collect();
        Ok(LanguageCard { language: chosen.map(|language| language.tag().to_owned()), text, languages })
    }

    /// Chooses the one of a tag; an empty one: as the browser asks.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such language; [`store::Error::NoSpace`], faults.
    pub fn choose_language(&self, tag: &str) -> Result<LanguageCard, Error> {
        let language = Language::of_tag(tag);
        if language.is_none() && !tag.is_empty() {
            let tags = Language::ALL.map(Language::tag).join(", ");
            return Err(Error::refused(tr!(
                "Nothing here is in the language “{tag}”; choose one of {tags}.",
                tag = tag,
                tags = tags
            )));
        }
        let chosen = language.and_then(|language| LanguageTag::new(language.tag()));
        if self.account.settings()?.language != chosen {
            self.account.change_settings(self.actor, move |settings| settings.language = chosen)?;
        }
        self.language_card()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, administration};
    use store::{AccountId, Actor, DeviceId, Protocol};

    #[test]
    fn an_owner_chooses_a_language_and_takes_it_back() {
        let administration = administration(1);
        let account = administration.auth.store().account(AccountId(16));
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Web, now: NOW };
        let console = AccountConsole::new(account.clone(), actor);
        assert_eq!(console.language().unwrap(), None);
        let card = wording::speaking(Language::German, || console.choose_language("de")).unwrap();
        assert_eq!((card.language.as_deref(), console.language().unwrap()), (Some("de"), Some(Language::German)));
        assert!(card.text.contains("auf Deutsch") && card.languages.len() == 3, "{card:?}");
        for none in ["fr", "de-AT", " "] {
            let Err(Error::Refused(why)) = console.choose_language(none) else { panic!("{none:?} was taken") };
            assert!(why.ends_with("choose one of en, de, ja."), "{why}");
        }
        assert_eq!(console.choose_language("").unwrap().language, None);
        assert_eq!(console.language().unwrap(), None);
        account.change_settings(actor, |settings| settings.language = LanguageTag::new("x-new")).unwrap();
        assert_eq!(console.language().unwrap(), None, "a later version knows it");
    }
}
