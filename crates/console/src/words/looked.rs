//! What an administrator did with mail of an account that asked for help.

use crate::names::shown;
use reports::Look;
use wording::{tr, trn};

/// `root@example.org helped to look for mail here: searched 2 times (“invoice”), looked at the headers of 1 message`.
pub(crate) fn looked(look: &Look) -> String {
    let questions: Vec<String> = look.questions.iter().map(|question| format!("“{}”", shown(question))).collect();
    let what = questions.join(", ");
    let searched = match questions.is_empty() {
        true => trn!(look.searches, "searched {n} time", "searched {n} times"),
        false => trn!(look.searches, "searched {n} time ({what})", "searched {n} times ({what})", what),
    };
    let opened = trn!(look.opened, "looked at the headers of {n} message", "looked at the headers of {n} messages");
    let read = trn!(look.read, "read {n} message", "read {n} messages");
    let brought_back = trn!(look.brought_back, "brought back {n} message", "brought back {n} messages");
    let all = [(look.searches, searched), (look.opened, opened), (look.read, read), (look.brought_back, brought_back)];
    let done: Vec<String> = all.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
    tr!("{who} helped to look for mail here: {done}", who = shown(&look.who), done = done.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told_with_how_often() {
        let mut look = Look {
            at_millis: 0,
            last_millis: 0,
            who: "root@example.org".into(),
            searches: 2,
            questions: vec!["invoice".into(), "a\u{1b}b".into()],
            opened: 1,
            read: 0,
            brought_back: 0,
            messages: vec![7],
        };
        let told = looked(&look);
        let begin = "root@example.org helped to look for mail here: searched 2 times (“invoice”, “a";
        assert!(told.starts_with(begin) && told.ends_with("b”), looked at the headers of 1 message"), "{told}");
        assert!(!told.contains('\u{1b}'), "{told:?}");
        (look.searches, look.questions, look.read, look.brought_back) = (0, Vec::new(), 3, 1);
        let told = looked(&look);
        assert!(
            told.ends_with("here: looked at the headers of 1 message, read 3 messages, brought back 1 message"),
            "{told}"
        );
    }
}
