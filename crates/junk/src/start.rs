//! What every filter begins with: messages made up for this, of the kinds of junk and of mail that there are today. It weighs
//! no more than they would, had its owner taught them; what an owner teaches soon outweighs it.

use crate::counts::{Class, Counts, Learn};
use crate::features::{Facts, Features};
use std::sync::LazyLock;

/// A line `== junk` or `== wanted` stands before each message.
const MESSAGES: &str = include_str!("start.txt");

static START: LazyLock<Counts> = LazyLock::new(|| {
    let mut counts = Counts::default();
    for (class, message) in messages() {
        // Their headers were made up, and nobody's program writes so.
        let features = Features::of(message.as_bytes(), Facts::default()).without_handwriting();
        counts.learn(&features, class, Learn::Add);
    }
    counts
});

/// The counts that every filter begins with.
#[must_use]
pub fn start() -> &'static Counts {
    &START
}

fn messages() -> impl Iterator<Item = (Class, &'static str)> {
    MESSAGES.split("\n== ").filter_map(|message| {
        let (class, message) = message.trim_start_matches("== ").split_once('\n')?;
        Some((if class == "junk" { Class::Junk } else { Class::Wanted }, message))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Verdict;

    /// Each message is judged by a filter that was taught all others.
    #[test]
    fn what_a_filter_begins_with_calls_no_mail_junk() {
        let (mut junk, mut caught) = (0, 0);
        for (at, (class, message)) in messages().enumerate() {
            let mut others = Counts::default();
            for (_, (class, other)) in messages().enumerate().filter(|(other, _)| *other != at) {
                others.learn(&Features::of(other.as_bytes(), Facts::default()), class, Learn::Add);
            }
            let features = Features::of(message.as_bytes(), Facts::default());
            let verdict = Verdict::of(&features, &Counts::default(), &others);
            match class {
                Class::Wanted => assert!(verdict.score < 900, "{message}\n{verdict:?}"),
                Class::Junk => (junk, caught) = (junk + 1, caught + usize::from(verdict.score > 300)),
            }
        }
        assert!(junk >= 20 && caught * 2 >= junk, "{caught} of {junk}");
    }
}
