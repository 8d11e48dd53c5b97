//! What is said to people, in their language: English, German, Japanese.
//!
//! The English sentence stands in the code, in a macro: [`tr!`], [`trn!`] where a number decides on the form, [`trc!`] where the same
//! English means two things, [`tr_html!`] and [`trn_html!`] where it is HTML, [`tr_later!`] and [`trn_later!`] where it is kept until
//! somebody reads it. It is the key of its translations in the catalogues
//! (`crates/wording/po`, GNU gettext's format), which are part of the program. What a thread says meanwhile is in the language that
//! [`speaking`] was called with, English without.
//!
//! It does not know who reads, and formats no dates and sizes: what stands in the places of a sentence comes from the caller.
//!
//! Invariant: what has no translation is said in English. Invariant: a translation has the places of its sentence and no others
//! (`tests/languages.rs`); which names a sentence has is looked at when it is compiled.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod accepted;
mod catalogue;
mod language;
mod later;
mod macros;
#[cfg(any(test, feature = "pseudo"))]
mod pseudo;
mod sentence;
mod voice;

pub use catalogue::{FILES, File};
pub use language::Language;
pub use later::Later;
pub use sentence::{Count, Escaped, check, check_some, counted, counted_html, filled, filled_html, said, said_in};
#[cfg(any(test, feature = "pseudo"))]
pub use voice::pseudo;
pub use voice::{aside, english, language, speaking};
