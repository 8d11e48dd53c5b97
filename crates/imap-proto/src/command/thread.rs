//! THREAD (RFC 5256 §3).

use super::search::{self, Search};
use crate::cursor::{Cursor, Parse};
use crate::malformed::Reason;
use crate::sequence::Numbering;

/// What to look for, and how threads are made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// How.
    pub algorithm: ThreadAlgorithm,
    /// Never with `RETURN`.
    pub search: Search,
}

/// How threads are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadAlgorithm {
    /// `ORDEREDSUBJECT`
    OrderedSubject,
    /// `REFERENCES`
    References,
    /// `REFS`: by what messages refer to alone, the thread with the latest message last. It never became an RFC
    /// (draft-ietf-morg-inthread).
    Refs,
}

impl Thread {
    pub(super) fn parse(numbering: Numbering, cursor: &mut Cursor<'_>) -> Parse<Self> {
        let algorithm = match cursor.keyword("a thread algorithm")?.as_str() {
            "ORDEREDSUBJECT" => ThreadAlgorithm::OrderedSubject,
            "REFERENCES" => ThreadAlgorithm::References,
            "REFS" => ThreadAlgorithm::Refs,
            _ => return Err(Reason::Unknown("thread algorithm")),
        };
        cursor.space()?;
        let key = search::charset_and_keys(cursor)?;
        Ok(Self { algorithm, search: Search { numbering, returns: None, key } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::tests::{check, refuse_one};
    use crate::command::{Command, SearchKey};

    #[test]
    fn the_algorithms_and_no_other() {
        let thread = |algorithm, numbering| {
            let search = Search { numbering, returns: None, key: SearchKey::All };
            Command::Thread(Thread { algorithm, search })
        };
        check("THREAD references UTF-8 ALL", thread(ThreadAlgorithm::References, Numbering::Sequence));
        check("uid thread ORDEREDSUBJECT us-ascii all", thread(ThreadAlgorithm::OrderedSubject, Numbering::Uid));
        check("THREAD REFS UTF-8 ALL", thread(ThreadAlgorithm::Refs, Numbering::Sequence));
        refuse_one("THREAD SUBJECT UTF-8 ALL", Reason::Unknown("thread algorithm"));
        refuse_one("THREAD REFERENCES ALL", Reason::Charset);
        refuse_one("THREAD REFERENCES UTF-8", Reason::Expected("a space"));
    }
}
