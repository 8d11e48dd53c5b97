//! How it stands with something, on a page: in a word, and never by colour alone.

use console::State;

pub(crate) fn word(state: &State) -> &'static str {
    match state {
        State::Fine => "Fine",
        State::Unknown => "Not known",
        State::Warning => "Could be better",
        State::Wrong => "Wrong",
    }
}

pub(crate) fn colour(state: &State) -> &'static str {
    match state {
        State::Fine => "green",
        State::Unknown | State::Warning => "amber",
        State::Wrong => "red",
    }
}
