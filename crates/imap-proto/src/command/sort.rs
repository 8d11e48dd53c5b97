//! SORT (RFC 5256 §3) with SORT=DISPLAY (RFC 5957), ESORT (RFC 5267 §3.1) and RELEVANCY (RFC 6203 §6).

use super::search::{self, Search, SearchReturn};
use crate::cursor::{Cursor, Parse};
use crate::malformed::Reason;
use crate::sequence::Numbering;

/// What to look for, what to tell, and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The first decides; one that comes after decides between what is equal. Never empty.
    pub criteria: Vec<SortCriterion>,
    /// Without `RETURN` the answer is a SORT response.
    pub search: Search,
}

/// `[REVERSE] key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortCriterion {
    /// `REVERSE`
    pub reverse: bool,
    /// What is compared.
    pub key: SortKey,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// `ARRIVAL`: the internal date.
    Arrival,
    /// `CC`
    Cc,
    /// `DATE`: the Date field, else the internal date.
    Date,
    /// `FROM`
    From,
    /// `SIZE`
    Size,
    /// `SUBJECT`: the base subject.
    Subject,
    /// `TO`
    To,
    /// `DISPLAYFROM` (RFC 5957)
    DisplayFrom,
    /// `DISPLAYTO` (RFC 5957)
    DisplayTo,
    /// `RELEVANCY`: the best first; only with a FUZZY key.
    Relevancy,
}

impl Sort {
    pub(super) fn parse(numbering: Numbering, cursor: &mut Cursor<'_>) -> Parse<Self> {
        let mut returns = None;
        // RFC 5267 §3.1
        if cursor.eat_word("RETURN") {
            cursor.space()?;
            returns = Some(SearchReturn::parse(cursor)?);
            cursor.space()?;
        }
        let criteria = cursor.list(SortCriterion::parse)?;
        if criteria.is_empty() {
            return Err(Reason::Expected("a sort key"));
        }
        cursor.space()?;
        let search = Search { numbering, returns, key: search::charset_and_keys(cursor)? };
        let by_relevancy = criteria.iter().any(|criterion| criterion.key == SortKey::Relevancy);
        Ok(Self { criteria, search: search.checked(by_relevancy)? })
    }
}

impl SortCriterion {
    fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let reverse = cursor.eat_word("REVERSE");
        if reverse {
            cursor.space()?;
        }
        let key = match cursor.keyword("a sort key")?.as_str() {
            "ARRIVAL" => SortKey::Arrival,
            "CC" => SortKey::Cc,
            "DATE" => SortKey::Date,
            "FROM" => SortKey::From,
            "SIZE" => SortKey::Size,
            "SUBJECT" => SortKey::Subject,
            "TO" => SortKey::To,
            "DISPLAYFROM" => SortKey::DisplayFrom,
            "DISPLAYTO" => SortKey::DisplayTo,
            "RELEVANCY" => SortKey::Relevancy,
            _ => return Err(Reason::Unknown("sort key")),
        };
        Ok(Self { reverse, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::tests::{check, refuse_one};
    use crate::command::{Command, SearchKey};
    use crate::flag::Flag;

    #[test]
    fn keys_and_directions() {
        let by = |reverse, key| SortCriterion { reverse, key };
        let all = |returns| Search { numbering: Numbering::Sequence, returns, key: SearchKey::All };
        let sort = |criteria, search| Command::Sort(Sort { criteria, search });
        check("SORT (SUBJECT) UTF-8 ALL", sort(vec![by(false, SortKey::Subject)], all(None)));
        let criteria = vec![by(true, SortKey::Date), by(false, SortKey::DisplayFrom), by(true, SortKey::Size)];
        check("sort (reverse date displayfrom REVERSE size) us-ascii all", sort(criteria, all(None)));
        let returns = SearchReturn { all: true, count: true, ..SearchReturn::default() };
        check("SORT RETURN (ALL COUNT) (TO) \"UTF-8\" ALL", sort(vec![by(false, SortKey::To)], all(Some(returns))));
        let seen = Search { numbering: Numbering::Uid, returns: None, key: SearchKey::Has(Flag::Seen) };
        check("UID SORT (ARRIVAL) UTF-8 (SEEN)", sort(vec![by(false, SortKey::Arrival)], seen));
    }

    #[test]
    fn refused() {
        refuse_one("SORT () UTF-8 ALL", Reason::Expected("a sort key"));
        refuse_one("SORT (REVERSE) UTF-8 ALL", Reason::Expected("a space"));
        refuse_one("SORT (BODY) UTF-8 ALL", Reason::Unknown("sort key"));
        refuse_one("SORT (RELEVANCY) UTF-8 BODY x", Reason::Expected("FUZZY with RELEVANCY"));
        refuse_one("SORT RETURN (RELEVANCY) (DATE) UTF-8 BODY x", Reason::Expected("FUZZY with RELEVANCY"));
        refuse_one("SORT (DATE) ALL", Reason::Charset);
        refuse_one("SORT (DATE) KOI8-R ALL", Reason::Charset);
        refuse_one("SORT DATE UTF-8 ALL", Reason::Expected("a parenthesised list"));
        refuse_one("SORT (DATE) UTF-8", Reason::Expected("a space"));
    }
}
