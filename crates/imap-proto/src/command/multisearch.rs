//! ESEARCH (RFC 7377): a SEARCH in several mailboxes.

use super::{NotifyFilter, Search, SearchReturn};
use crate::cursor::{Cursor, Parse};
use crate::malformed::Reason;
use crate::sequence::Numbering;

/// Where to look, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiSearch {
    /// `IN (…)`: at least one, the selected mailbox where nothing is said; never `selected-delayed`.
    pub sources: Vec<NotifyFilter>,
    /// RFC 7377 §2.1: it always numbers by UID and always has `returns`; SAVE only in the selected mailbox alone.
    pub search: Search,
}

impl MultiSearch {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let mut sources = vec![NotifyFilter::Selected];
        if cursor.eat_word("IN") {
            cursor.space()?;
            sources = cursor.list(source)?;
            cursor.space()?;
        }
        if sources.is_empty() {
            return Err(Reason::Expected("a mailbox filter"));
        }
        let mut search = Search::parse(Numbering::Uid, cursor)?;
        let returns = search.returns.get_or_insert(SearchReturn { all: true, ..SearchReturn::default() });
        // RFC 7377 §2.2
        if returns.save && sources.iter().any(|source| *source != NotifyFilter::Selected) {
            return Err(Reason::Expected("SAVE with the selected mailbox only"));
        }
        Ok(Self { sources, search })
    }
}

/// RFC 7377 §2.2: as in NOTIFY, but for `selected-delayed`. Scope options may follow, of which there are none.
fn source(cursor: &mut Cursor<'_>) -> Parse<NotifyFilter> {
    if cursor.peek() == Some(b'(') {
        return Err(Reason::Unknown("scope option"));
    }
    match NotifyFilter::parse(cursor)? {
        NotifyFilter::SelectedDelayed => Err(Reason::Unknown("mailbox filter")),
        filter => Ok(filter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::tests::{check, name, refuse_one};
    use crate::command::{SearchKey, tests::parse_one};
    use crate::flag::Flag;

    #[test]
    fn where_and_what() {
        let unseen = |sources, returns| {
            let key = SearchKey::Lacks(Flag::Seen);
            let search = Search { numbering: Numbering::Uid, returns: Some(returns), key };
            Command::MultiSearch(MultiSearch { sources, search })
        };
        let all = SearchReturn { all: true, ..SearchReturn::default() };
        check("ESEARCH UNSEEN", unseen(vec![NotifyFilter::Selected], all));
        check(
            "esearch in (mailboxes folder1 subtree-one (a b) personal) return (count) charset utf-8 unseen",
            unseen(
                vec![
                    NotifyFilter::Mailboxes(vec![name("folder1")]),
                    NotifyFilter::SubtreeOne(vec![name("a"), name("b")]),
                    NotifyFilter::Personal,
                ],
                SearchReturn { count: true, ..SearchReturn::default() },
            ),
        );
        assert!(matches!(parse_one("ESEARCH IN (selected) RETURN (SAVE) ALL"), Command::MultiSearch(_)));
    }

    #[test]
    fn refused() {
        refuse_one("ESEARCH", Reason::Expected("a space"));
        refuse_one("ESEARCH IN () ALL", Reason::Expected("a mailbox filter"));
        refuse_one("ESEARCH IN (selected-delayed) ALL", Reason::Unknown("mailbox filter"));
        refuse_one("ESEARCH IN (personal (DEPTH 1)) ALL", Reason::Unknown("scope option"));
        refuse_one("ESEARCH IN (personal)", Reason::Expected("a space"));
        let save = Reason::Expected("SAVE with the selected mailbox only");
        refuse_one("ESEARCH IN (personal) RETURN (SAVE) ALL", save);
        refuse_one("ESEARCH IN (selected inboxes) RETURN (SAVE COUNT) ALL", save);
    }
}
