//! What is said later, in the language of whoever reads it then.

use crate::sentence::{counted, filled, said};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A sentence that is worded when it is shown ([`tr_later!`](crate::tr_later), [`trn_later!`](crate::trn_later)), or a text that is the same in
/// each language. JSON has it as it is said when that is written, and brings it back as a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Later(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Text(String),
    Sentence { text: &'static str, many: Option<(u64, &'static str)>, values: Vec<(&'static str, Later)> },
}

impl Later {
    /// A sentence without places.
    pub const fn sentence(text: &'static str) -> Self {
        Self(Kind::Sentence { text, many: None, values: Vec::new() })
    }

    /// A sentence and what stands in its places.
    pub fn filled(text: &'static str, values: Vec<(&'static str, Self)>) -> Self {
        Self(Kind::Sentence { text, many: None, values })
    }

    /// A sentence in the form for a number, and what else stands in its places.
    pub fn counted(count: u64, one: &'static str, many: &'static str, values: Vec<(&'static str, Self)>) -> Self {
        Self(Kind::Sentence { text: one, many: Some((count, many)), values })
    }

    /// Nothing: no sentence, and a text without letters.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Kind::Text(text) if text.is_empty())
    }
}

/// No text.
impl Default for Later {
    fn default() -> Self {
        Self(Kind::Text(String::new()))
    }
}

impl fmt::Display for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Text(text) => f.pad(text),
            Kind::Sentence { text, many: None, values } if values.is_empty() => f.pad(said(text)),
            Kind::Sentence { text, many, values } => {
                let values: Vec<(&str, &dyn fmt::Display)> =
                    values.iter().map(|(name, value)| (*name, value as &dyn fmt::Display)).collect();
                f.pad(&match many {
                    None => filled(None, text, &values),
                    Some((count, many)) => counted(*count, text, many, &values),
                })
            }
        }
    }
}

impl From<String> for Later {
    fn from(text: String) -> Self {
        Self(Kind::Text(text))
    }
}

impl From<&str> for Later {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&String> for Later {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

/// As it is said in the language of this thread.
impl PartialEq<&str> for Later {
    fn eq(&self, text: &&str) -> bool {
        self.to_string() == **text
    }
}

impl Serialize for Later {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Later {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Later, pseudo, tr_later, trn_later};

    #[test]
    fn a_sentence_is_worded_when_it_is_shown() {
        const FIXED: Later = tr_later!("Undo");
        let inner = tr_later!("Undo");
        let said = [
            FIXED,
            tr_later!("a {x}", x = "pc"),
            tr_later!("a {x}", x = inner),
            trn_later!(1_u64, "{n} day", "{n} days {x}", x = "pc"),
            trn_later!(2_u64, "{n} day", "{n} days {x}", x = "pc"),
            "pc".into(),
        ];
        let shown = || said.each_ref().map(ToString::to_string).join("; ");
        assert_eq!(shown(), "Undo; a pc; a Undo; 1 day; 2 days pc; pc");
        assert_eq!(pseudo(shown), "⟦Фнго⟧; ⟦а pc⟧; ⟦а ⟦Фнго⟧⟧; ⟦1 гаш⟧; ⟦2 гашт pc⟧; pc");
        assert_eq!(tr_later!("Undo"), "Undo");
        assert_eq!((Later::default().is_empty(), tr_later!("Undo").is_empty()), (true, false));
    }
}
