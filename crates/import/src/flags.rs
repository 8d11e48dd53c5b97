//! Flags of elsewhere.

use imap_proto::Flag;
use store::{Flags, SystemFlag};

/// The flags of a message, as the store has them; what no message can have is left out.
pub(crate) fn of_words<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Flags {
    let mut flags = Flags::default();
    for word in words {
        match Flag::parse(word) {
            Ok(Some(Flag::Seen)) => flags.system = flags.system.with(SystemFlag::Seen),
            Ok(Some(Flag::Answered)) => flags.system = flags.system.with(SystemFlag::Answered),
            Ok(Some(Flag::Flagged)) => flags.system = flags.system.with(SystemFlag::Flagged),
            Ok(Some(Flag::Deleted)) => flags.system = flags.system.with(SystemFlag::Deleted),
            Ok(Some(Flag::Draft)) => flags.system = flags.system.with(SystemFlag::Draft),
            Ok(Some(Flag::Keyword(name))) => flags.keywords.push(name),
            Ok(None) | Err(_) => {}
        }
    }
    flags
}

/// Tells flags from others, in whichever order and case of letters their names come.
pub(crate) fn digest(flags: &Flags) -> u32 {
    let mut names: Vec<String> = flags.keywords.iter().map(|name| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&flags.system.0.to_be_bytes());
    for name in names {
        hasher.update(name.as_bytes()).update(b"\0");
    }
    u32::from_be_bytes(hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Flags {
        of_words(words.iter().map(|word| word.as_bytes()))
    }

    #[test]
    fn flags_are_told_apart_and_their_order_is_not() {
        let flags = words(&["\\seen", "$Forwarded", "\\Recent", "\\XUnknown", "a]b", "Work"]);
        assert_eq!(flags.keywords, ["$Forwarded", "Work"]);
        assert_eq!(flags.system, words(&["\\Seen"]).system);
        assert_eq!(digest(&flags), digest(&words(&["work", "$forwarded", "\\Seen", "Work"])));
        assert_ne!(digest(&flags), digest(&words(&["work", "$forwarded"])));
        assert_ne!(digest(&words(&["ab"])), digest(&words(&["a", "b"])));
    }
}
