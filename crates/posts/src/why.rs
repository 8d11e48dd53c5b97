//! Why a post waits for an owner of its list. What is kept of it is the sentence in English; it is said in the language of whoever reads.

use wording::{Language, speaking, tr};

/// Why a post waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Anybody may have written it.
    Unproven,
    /// Somebody else may have sent it once more.
    NotMeant,
    /// They may not write to the list.
    MayNotWrite,
    /// They are no member.
    NoMember,
    /// All posts of the list do.
    All,
}

impl Why {
    /// Each of them.
    pub const ALL: [Self; 5] = [Self::Unproven, Self::NotMeant, Self::MayNotWrite, Self::NoMember, Self::All];

    /// As it is kept.
    #[must_use]
    pub fn kept(self) -> &'static str {
        speaking(Language::English, || self.said())
    }

    /// As it is said, after “because”.
    #[must_use]
    pub fn said(self) -> &'static str {
        match self {
            Self::Unproven => tr!("nothing proves that it comes from there (SPF, DKIM)"),
            Self::NotMeant => {
                tr!("To and Cc do not name the list, or Date is old: somebody else may have sent it again")
            }
            Self::MayNotWrite => tr!("who wrote it may not write to the list"),
            Self::NoMember => tr!("who wrote it is no member"),
            Self::All => tr!("everything waits that is written to the list"),
        }
    }
}

/// What is kept of why a post waits, as it is said; what an earlier version kept that is not known any more stays as it is.
#[must_use]
pub fn why_it_waits(kept: &str) -> &str {
    Why::ALL.iter().find(|why| why.kept() == kept).map_or(kept, |why| why.said())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_in_english_is_said_in_the_language_of_whoever_reads() {
        for why in Why::ALL {
            let kept = speaking(Language::Japanese, || why.kept());
            assert_eq!(why_it_waits(kept), kept);
            speaking(Language::German, || {
                assert!(why_it_waits(kept) == why.said() && why.said() != kept, "{kept}");
                assert_eq!(why_it_waits("as it was said once"), "as it was said once");
            });
        }
    }
}
