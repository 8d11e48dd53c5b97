//! In which language this thread speaks.

use crate::Language;
use std::cell::Cell;

thread_local! {
    static VOICE: Cell<Voice> = const { Cell::new(Voice::Of(Language::English)) };
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
    }
}

/// What `speaker` says on this thread is in `language`; after it what was spoken before.
pub fn speaking<R>(language: Language, speaker: impl FnOnce() -> R) -> R {
    with(Voice::Of(language), speaker)
}

/// The language that this thread speaks.
pub fn language() -> Language {
    match VOICE.get() {
        Voice::Of(language) => language,
        Voice::Pseudo => Language::English,
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
            std::thread::spawn(|| assert_eq!(language(), Language::English)).join().unwrap();
        });
        assert_eq!(language(), Language::English);
    }
}
