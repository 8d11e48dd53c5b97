//! In which language this thread speaks.

use crate::Language;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// So many sentences are known in English, the last ones.
const KNOWN_MAX: usize = 64;
/// What is shorter, characters, may stand in a name.
const PART_CHARS_MIN: usize = 4;

thread_local! {
    static VOICE: Cell<Voice> = const { Cell::new(Voice::Of(Language::English)) };
    /// What was said lately in another language, and the same in English.
    static KNOWN: RefCell<VecDeque<(String, String)>> = const { RefCell::new(VecDeque::new()) };
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// A language.
    Of(Language),
    /// What shows, in tests, what is no sentence of a catalogue.
    #[cfg_attr(not(any(test, feature = "pseudo")), expect(dead_code, reason = "only tests speak it"))]
    Pseudo,
}

/// Puts back what was spoken before, also when what speaks panics.
struct Until(Voice);

impl Drop for Until {
    fn drop(&mut self) {
        VOICE.set(self.0);
        if self.0 == Voice::Of(Language::English) {
            KNOWN.take();
        }
    }
}

/// What `speaker` says on this thread is in `language`; after it what was spoken before.
pub fn speaking<R>(language: Language, speaker: impl FnOnce() -> R) -> R {
    with(Voice::Of(language), speaker)
}

/// What `speaker` says on this thread is only compared with something, and said to nobody: [`english`] does not know it.
pub fn aside<R>(speaker: impl FnOnce() -> R) -> R {
    let known = KNOWN.take();
    let result = speaker();
    KNOWN.replace(known);
    result
}

/// The language that this thread speaks.
pub fn language() -> Language {
    match VOICE.get() {
        Voice::Of(language) => language,
        Voice::Pseudo => Language::English,
    }
}

/// What this thread has just said, in English: for what is written down for others. A sentence is known by its words, also where it stands
/// in the place of another one.
pub fn english(text: &str) -> String {
    let mut text = text.to_owned();
    // What stands in the place of a sentence was said before it.
    KNOWN.with_borrow(|known| {
        for (said, english) in known.iter().rev() {
            if text == *said || said.chars().count() >= PART_CHARS_MIN && text.contains(said.as_str()) {
                text = text.replace(said.as_str(), english);
            }
        }
    });
    text
}

/// Notes what was said, where that is not English.
pub(crate) fn note(said: &str, english: impl FnOnce() -> String) {
    if matches!(VOICE.get(), Voice::Of(language) if language != Language::English) {
        let pair = (said.to_owned(), english());
        KNOWN.with_borrow_mut(|known| {
            if known.len() == KNOWN_MAX {
                known.pop_front();
            }
            known.push_back(pair);
        });
    }
}

/// For tests: each sentence of a catalogue that `speaker` says stands in `⟦⟧` and has letters that English has not; what is filled in
/// stays as it is.
#[cfg(any(test, feature = "pseudo"))]
pub fn pseudo<R>(speaker: impl FnOnce() -> R) -> R {
    with(Voice::Pseudo, speaker)
}

pub(crate) fn voice() -> Voice {
    VOICE.get()
}

fn with<R>(voice: Voice, speaker: impl FnOnce() -> R) -> R {
    let _until = Until(VOICE.replace(voice));
    speaker()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn a_language_is_spoken_until_its_speaker_ends_or_panics() {
        assert_eq!(language(), Language::English);
        speaking(Language::German, || {
            speaking(Language::Japanese, || assert_eq!(language(), Language::Japanese));
            assert_eq!(language(), Language::German);
            assert!(catch_unwind(|| speaking(Language::Japanese, || panic!("mid-sentence"))).is_err());
            assert_eq!(language(), Language::German);
            assert_eq!(english("Niemand"), "Niemand");
            let undo = crate::said("Undo");
            aside(|| (0..=KNOWN_MAX).for_each(|_| assert!(!crate::said("Timeline").is_empty())));
            assert_eq!(english(undo), "Undo");
            std::thread::spawn(|| assert_eq!(language(), Language::English)).join().unwrap();
        });
        assert_eq!(language(), Language::English);
    }
}
