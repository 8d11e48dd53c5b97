//! How it stands with something, on a page: in a word, and never by colour alone.

use console::State;

pub(crate) fn word(state: &State) -> &'static str {
    match state {
        State::Fine => tr!("Fine"),
        State::Unknown => tr!("Not known"),
        State::Warning => tr!("Could be better"),
        State::Wrong => tr!("Wrong"),
    }
}

pub(crate) fn colour(state: &State) -> &'static str {
    match state {
        State::Fine => "green",
        State::Unknown | State::Warning => "amber",
        State::Wrong => "red",
    }
}
