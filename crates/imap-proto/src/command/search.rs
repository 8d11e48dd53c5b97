//! SEARCH (RFC 9051 §6.4.4) with ESEARCH (RFC 4731), CONDSTORE (RFC 7162 §3.1.6), WITHIN (RFC 5032),
//! FUZZY (RFC 6203), OBJECTID (RFC 8474 §6), UIDAFTER and UIDBEFORE (RFC 9738 §3.2).

use super::{PartialRange, store};
use crate::cursor::{Cursor, Parse};
use crate::datetime::Date;
use crate::flag::Flag;
use crate::limits::Limits;
use crate::mailbox::Dialect;
use crate::malformed::Reason;
use crate::sequence::{MessageSet, Numbering};

/// What to look for and what to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// How the answer counts.
    pub numbering: Numbering,
    /// `RETURN (…)`; without it IMAP4rev1 gets a SEARCH response and IMAP4rev2 an ESEARCH with ALL.
    pub returns: Option<SearchReturn>,
    /// All keys together: [`SearchKey::And`] when there are several.
    pub key: SearchKey,
}

/// Return options (RFC 9051 §6.4.4). `RETURN ()` means ALL and is given as that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchReturn {
    /// The lowest number.
    pub min: bool,
    /// The highest number.
    pub max: bool,
    /// All numbers.
    pub all: bool,
    /// How many.
    pub count: bool,
    /// A page of them (RFC 9394 §3.1); never with `all`.
    pub partial: Option<PartialRange>,
    /// How well each of them, or of the page, fits (RFC 6203 §4); only with a FUZZY key.
    pub relevancy: bool,
    /// Keep the result as `$`.
    pub save: bool,
    /// Tell what changes in the result from now on (RFC 5267 §4.3).
    pub update: bool,
}

/// A condition. Texts are UTF-8 and compared without regard to case (RFC 9051 §6.4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchKey {
    /// `ALL`
    All,
    /// Every one of them; never empty.
    And(Vec<SearchKey>),
    /// One or the other.
    Or(Box<SearchKey>, Box<SearchKey>),
    /// Not this.
    Not(Box<SearchKey>),
    /// `FUZZY`: nearly this (RFC 6203 §3).
    Fuzzy(Box<SearchKey>),
    /// Message numbers.
    Sequence(MessageSet),
    /// `UID`
    Uid(MessageSet),
    /// `UIDAFTER`: a higher UID than this.
    UidAfter(u32),
    /// `UIDBEFORE`: a lower one.
    UidBefore(u32),
    /// `ANSWERED`, …, `KEYWORD k`: has the flag.
    Has(Flag),
    /// `UNANSWERED`, …, `UNKEYWORD k`: lacks the flag.
    Lacks(Flag),
    /// `RECENT`: none here.
    Recent,
    /// `OLD`: all here.
    Old,
    /// `NEW`: none here.
    New,
    /// `BEFORE`: the internal date, its time and zone disregarded, is earlier.
    Before(Date),
    /// `ON`
    On(Date),
    /// `SINCE`: on that day or later.
    Since(Date),
    /// `SAVEDBEFORE`: as BEFORE, for when the message came into its mailbox (RFC 8514 §4.3).
    SavedBefore(Date),
    /// `SAVEDON`
    SavedOn(Date),
    /// `SAVEDSINCE`
    SavedSince(Date),
    /// `SAVEDATESUPPORTED`: whether that is known of messages in this mailbox.
    SaveDateSupported,
    /// `SENTBEFORE`: as BEFORE, for the Date field.
    SentBefore(Date),
    /// `SENTON`
    SentOn(Date),
    /// `SENTSINCE`
    SentSince(Date),
    /// `LARGER`: more octets than this.
    Larger(u64),
    /// `SMALLER`: fewer octets than this.
    Smaller(u64),
    /// `OLDER`: the internal date is this many seconds back or more (RFC 5032).
    Older(u32),
    /// `YOUNGER`: this many seconds back or less.
    Younger(u32),
    /// `FROM`
    From(String),
    /// `TO`
    To(String),
    /// `CC`
    Cc(String),
    /// `BCC`
    Bcc(String),
    /// `SUBJECT`
    Subject(String),
    /// `HEADER`: the field and what its value contains; an empty value asks for the field only.
    Header(String, String),
    /// `BODY`
    Body(String),
    /// `TEXT`: header or body.
    Text(String),
    /// `MODSEQ`: this mod-sequence or a higher one.
    ModSeq {
        /// The least mod-sequence.
        modseq: u64,
        /// The flag (`None` for a name that is no flag) and whose it is; this server keeps one mod-sequence for all
        /// flags and may disregard it, as RFC 7162 §3.1.5 allows.
        entry: Option<(Option<Flag>, EntryType)>,
    },
    /// `EMAILID`
    EmailId(String),
    /// `THREADID`
    ThreadId(String),
    /// `FILTER`: what is kept under this name, in lower case (RFC 5466 §3.1).
    Filter(String),
}

/// Whose flag a MODSEQ key means (RFC 7162 §3.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryType {
    /// `priv`
    Private,
    /// `shared`
    Shared,
    /// `all`
    All,
}

impl Search {
    pub(super) fn parse(numbering: Numbering, cursor: &mut Cursor<'_>) -> Parse<Self> {
        let mut returns = None;
        if cursor.eat_word("RETURN") {
            cursor.space()?;
            returns = Some(SearchReturn::parse(cursor)?);
            cursor.space()?;
        }
        if cursor.eat_word("CHARSET") {
            cursor.space()?;
            check_charset(&cursor.astring("a charset")?)?;
            cursor.space()?;
        }
        Self { numbering, returns, key: keys(cursor)? }.checked(false)
    }

    /// RFC 6203 §4, §6: RELEVANCY, as an option or to sort by, MUST NOT be used without FUZZY.
    pub(super) fn checked(self, sorts_by_relevancy: bool) -> Parse<Self> {
        let asks = sorts_by_relevancy || self.returns.is_some_and(|returns| returns.relevancy);
        if asks && !self.key.has_fuzzy() { Err(Reason::Expected("FUZZY with RELEVANCY")) } else { Ok(self) }
    }
}

impl SearchKey {
    /// What a filter stands for (RFC 5466 §3.1): all keys of a text together, without literals.
    ///
    /// # Errors
    /// It is none.
    pub fn of_filter(text: &[u8], limits: &Limits) -> Result<Self, Reason> {
        let mut cursor = Cursor::new(text, Vec::new(), limits, Dialect::Utf8);
        let key = keys(&mut cursor)?;
        cursor.end().map(|()| key)
    }

    /// As deep as the parser lets keys be nested.
    fn has_fuzzy(&self) -> bool {
        match self {
            Self::Fuzzy(_) => true,
            Self::And(keys) => keys.iter().any(Self::has_fuzzy),
            Self::Or(one, other) => one.has_fuzzy() || other.has_fuzzy(),
            Self::Not(key) => key.has_fuzzy(),
            // It may be in there.
            Self::Filter(_) => true,
            _ => false,
        }
    }
}

/// RFC 5256 §3: SORT and THREAD always say a charset.
pub(super) fn charset_and_keys(cursor: &mut Cursor<'_>) -> Parse<SearchKey> {
    check_charset(&cursor.astring("a charset")?)?;
    cursor.space()?;
    keys(cursor)
}

/// RFC 9051 §6.4.4: US-ASCII and UTF-8 must be there; no other is.
fn check_charset(name: &[u8]) -> Parse<()> {
    let known: [&[u8]; 4] = [b"UTF-8", b"US-ASCII", b"UTF8", b"ASCII"];
    if known.iter().any(|charset| charset.eq_ignore_ascii_case(name)) { Ok(()) } else { Err(Reason::Charset) }
}

impl SearchReturn {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let mut returns = Self::default();
        let mut pages = 0;
        cursor.list(|cursor| {
            match cursor.keyword("a SEARCH return option")?.as_str() {
                "MIN" => returns.min = true,
                "MAX" => returns.max = true,
                "ALL" => returns.all = true,
                "COUNT" => returns.count = true,
                "PARTIAL" => {
                    pages += 1;
                    cursor.space()?;
                    returns.partial = Some(PartialRange::parse(cursor)?);
                }
                "SAVE" => returns.save = true,
                "RELEVANCY" => returns.relevancy = true,
                "UPDATE" => returns.update = true,
                // RFC 5267 §4.2: that the client will ask for more of the same is good to know and changes nothing.
                "CONTEXT" => {}
                _ => return Err(Reason::Unknown("SEARCH return option")),
            }
            Ok(())
        })?;
        // RFC 9394 §3.1
        if pages > 1 || (pages == 1 && returns.all) {
            return Err(Reason::Expected("one of PARTIAL and ALL"));
        }
        // RFC 9051 §6.4.4: an empty list is ALL.
        returns.all |= Self { update: false, ..returns } == Self::default();
        Ok(returns)
    }
}

/// Keys up to the end of the command or of the parentheses.
fn keys(cursor: &mut Cursor<'_>) -> Parse<SearchKey> {
    cursor.spaces();
    let first = cursor.nested(key)?;
    let mut keys = Vec::new();
    loop {
        let spaced = cursor.peek() == Some(b' ');
        cursor.spaces();
        if matches!(cursor.peek(), None | Some(b')')) {
            break;
        }
        if !spaced {
            return Err(Reason::Expected("a space"));
        }
        if keys.len() + 1 >= cursor.limits.items_max {
            return Err(Reason::TooMany);
        }
        keys.push(cursor.nested(key)?);
    }
    if keys.is_empty() {
        return Ok(first);
    }
    keys.insert(0, first);
    Ok(SearchKey::And(keys))
}

fn key(cursor: &mut Cursor<'_>) -> Parse<SearchKey> {
    match cursor.peek() {
        Some(b'(') => {
            cursor.eat(b'(');
            let inner = keys(cursor)?;
            cursor.expect(b')', ")")?;
            Ok(inner)
        }
        Some(byte) if byte.is_ascii_digit() || matches!(byte, b'*' | b'$') => {
            cursor.message_set().map(SearchKey::Sequence)
        }
        Some(_) | None => {
            let name = cursor.keyword("a search key")?;
            match key_without_argument(&name) {
                Some(key) => Ok(key),
                None => key_with_argument(&name, cursor),
            }
        }
    }
}

fn key_without_argument(name: &str) -> Option<SearchKey> {
    use SearchKey::{Has, Lacks};
    Some(match name {
        "ALL" => SearchKey::All,
        "ANSWERED" => Has(Flag::Answered),
        "DELETED" => Has(Flag::Deleted),
        "DRAFT" => Has(Flag::Draft),
        "FLAGGED" => Has(Flag::Flagged),
        "SEEN" => Has(Flag::Seen),
        "UNANSWERED" => Lacks(Flag::Answered),
        "UNDELETED" => Lacks(Flag::Deleted),
        "UNDRAFT" => Lacks(Flag::Draft),
        "UNFLAGGED" => Lacks(Flag::Flagged),
        "UNSEEN" => Lacks(Flag::Seen),
        "RECENT" => SearchKey::Recent,
        "OLD" => SearchKey::Old,
        "NEW" => SearchKey::New,
        "SAVEDATESUPPORTED" => SearchKey::SaveDateSupported,
        _ => return None,
    })
}

fn key_with_argument(name: &str, cursor: &mut Cursor<'_>) -> Parse<SearchKey> {
    let parse: fn(&mut Cursor<'_>) -> Parse<SearchKey> = match name {
        "NOT" => |c| Ok(SearchKey::Not(Box::new(c.nested(key)?))),
        "FUZZY" => |c| Ok(SearchKey::Fuzzy(Box::new(c.nested(key)?))),
        "OR" => or,
        "UID" => |c| c.message_set().map(SearchKey::Uid),
        "UIDAFTER" => |c| c.nz_number().map(SearchKey::UidAfter),
        "UIDBEFORE" => |c| c.nz_number().map(SearchKey::UidBefore),
        "KEYWORD" => |c| keyword(c).map(SearchKey::Has),
        "UNKEYWORD" => |c| keyword(c).map(SearchKey::Lacks),
        "BEFORE" => |c| date(c).map(SearchKey::Before),
        "ON" => |c| date(c).map(SearchKey::On),
        "SINCE" => |c| date(c).map(SearchKey::Since),
        "SAVEDBEFORE" => |c| date(c).map(SearchKey::SavedBefore),
        "SAVEDON" => |c| date(c).map(SearchKey::SavedOn),
        "SAVEDSINCE" => |c| date(c).map(SearchKey::SavedSince),
        "SENTBEFORE" => |c| date(c).map(SearchKey::SentBefore),
        "SENTON" => |c| date(c).map(SearchKey::SentOn),
        "SENTSINCE" => |c| date(c).map(SearchKey::SentSince),
        "LARGER" => |c| c.number64().map(SearchKey::Larger),
        "SMALLER" => |c| c.number64().map(SearchKey::Smaller),
        "OLDER" => |c| c.nz_number().map(SearchKey::Older),
        "YOUNGER" => |c| c.nz_number().map(SearchKey::Younger),
        "FROM" => |c| text(c).map(SearchKey::From),
        "TO" => |c| text(c).map(SearchKey::To),
        "CC" => |c| text(c).map(SearchKey::Cc),
        "BCC" => |c| text(c).map(SearchKey::Bcc),
        "SUBJECT" => |c| text(c).map(SearchKey::Subject),
        "HEADER" => header,
        "BODY" => |c| text(c).map(SearchKey::Body),
        "TEXT" => |c| text(c).map(SearchKey::Text),
        "MODSEQ" => modseq,
        "EMAILID" => |c| text(c).map(SearchKey::EmailId),
        "FILTER" => |c| filter_name(c).map(SearchKey::Filter),
        "THREADID" => |c| text(c).map(SearchKey::ThreadId),
        _ => return Err(Reason::Unknown("search key")),
    };
    cursor.space()?;
    parse(cursor)
}

/// RFC 5466 §4: filter-name.
fn filter_name(cursor: &mut Cursor<'_>) -> Parse<String> {
    let name = cursor.keyword("the name of a filter")?;
    let is_one = name.is_ascii() && !name.contains('/');
    if is_one { Ok(name.to_ascii_lowercase()) } else { Err(Reason::Expected("the name of a filter")) }
}

fn or(cursor: &mut Cursor<'_>) -> Parse<SearchKey> {
    let one = cursor.nested(key)?;
    cursor.space()?;
    let other = cursor.nested(key)?;
    Ok(SearchKey::Or(Box::new(one), Box::new(other)))
}

/// RFC 9051 §6.4.4: text that is not in the charset is BADCHARSET.
fn text(cursor: &mut Cursor<'_>) -> Parse<String> {
    String::from_utf8(cursor.astring("a string")?).map_err(|_| Reason::Charset)
}

fn header(cursor: &mut Cursor<'_>) -> Parse<SearchKey> {
    let field = text(cursor)?;
    cursor.space()?;
    Ok(SearchKey::Header(field, text(cursor)?))
}

/// RFC 9051 §9: a keyword is an atom; `\Seen` and its like are taken too.
fn keyword(cursor: &mut Cursor<'_>) -> Parse<Flag> {
    store::flag(cursor)?.ok_or(Reason::Expected("a keyword"))
}

fn date(cursor: &mut Cursor<'_>) -> Parse<Date> {
    let text = cursor.astring("a date")?;
    Date::parse(text.trim_ascii()).ok_or(Reason::Expected("a date"))
}

/// RFC 7162 §3.1.5: `MODSEQ [entry-name entry-type] mod-sequence`.
fn modseq(cursor: &mut Cursor<'_>) -> Parse<SearchKey> {
    let mut entry = None;
    if cursor.peek() == Some(b'"') {
        let name = cursor.string()?;
        let flag = name.strip_prefix(b"/flags/").and_then(|name| Flag::parse(name).ok().flatten());
        cursor.space()?;
        let whose = match cursor.keyword("priv, shared or all")?.as_str() {
            "PRIV" => EntryType::Private,
            "SHARED" => EntryType::Shared,
            "ALL" => EntryType::All,
            _ => return Err(Reason::Expected("priv, shared or all")),
        };
        cursor.space()?;
        entry = Some((flag, whose));
    }
    Ok(SearchKey::ModSeq { modseq: cursor.modseq()?, entry })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::tests::{check as check_command, messages, parse_one, refuse_one};

    fn check(text: &str, key: SearchKey) {
        let search = Search { numbering: Numbering::Sequence, returns: None, key };
        check_command(&format!("SEARCH {text}"), Command::Search(search));
    }

    fn not(key: SearchKey) -> SearchKey {
        SearchKey::Not(Box::new(key))
    }

    fn or(one: SearchKey, other: SearchKey) -> SearchKey {
        SearchKey::Or(Box::new(one), Box::new(other))
    }

    #[test]
    fn flags_and_numbers() {
        use SearchKey::*;
        check("all", All);
        check("UNSEEN", Lacks(Flag::Seen));
        check("KEYWORD $Label1", Has(Flag::Keyword("$Label1".into())));
        check("UNKEYWORD x", Lacks(Flag::Keyword("x".into())));
        check("1:3,*", Sequence(messages("1:3,*")));
        check("$", Sequence(messages("$")));
        check("UID 7:*", Uid(messages("7:*")));
        check("UIDAFTER 7 uidbefore 4294967295", And(vec![UidAfter(7), UidBefore(u32::MAX)]));
        check("LARGER 100 SMALLER 200", And(vec![Larger(100), Smaller(200)]));
        check("OLDER 60", Older(60));
        check("YOUNGER 60", Younger(60));
        check("RECENT OLD NEW", And(vec![Recent, Old, New]));
        check("MODSEQ 620162338", ModSeq { modseq: 620_162_338, entry: None });
        check(
            "MODSEQ \"/flags/\\\\draft\" all 620162338",
            ModSeq { modseq: 620_162_338, entry: Some((Some(Flag::Draft), EntryType::All)) },
        );
    }

    #[test]
    fn dates_and_texts() {
        use SearchKey::*;
        let day = Date::new(1994, 2, 1).unwrap();
        check("SINCE 1-Feb-1994", Since(day));
        check("BEFORE \"01-feb-1994\"", Before(day));
        check("ON \" 1-Feb-1994\"", On(day));
        check("SENTSINCE 1-Feb-1994 SENTON 1-Feb-1994", And(vec![SentSince(day), SentOn(day)]));
        check("FROM \"SMITH\"", From("SMITH".into()));
        check("CHARSET UTF-8 TEXT {6}\r\nпри", Text("при".into()));
        check("SUBJECT \"пр\"", Subject("пр".into()));
        check("HEADER Message-ID <a@b.c>", Header("Message-ID".into(), "<a@b.c>".into()));
        check("HEADER X-Spam \"\"", Header("X-Spam".into(), String::new()));
        check("EMAILID M1 THREADID T2", And(vec![EmailId("M1".into()), ThreadId("T2".into())]));
        check("TO a CC b BCC c BODY d", And(vec![To("a".into()), Cc("b".into()), Bcc("c".into()), Body("d".into())]));
        check("SENTBEFORE 1-Feb-1994", SentBefore(day));
    }

    #[test]
    fn combined() {
        use SearchKey::*;
        let seen = || Has(Flag::Seen);
        check("NOT SEEN", not(seen()));
        check("OR SEEN NOT FLAGGED", or(seen(), not(Has(Flag::Flagged))));
        check("(SEEN DRAFT) ALL", And(vec![And(vec![seen(), Has(Flag::Draft)]), All]));
        check("( SEEN )", seen());
        check("FUZZY SEEN ALL", And(vec![Fuzzy(Box::new(seen())), All]));
        check("FUZZY (SEEN ALL)", Fuzzy(Box::new(And(vec![seen(), All]))));
        check("OR (SEEN 1) (2)", or(And(vec![seen(), Sequence(messages("1"))]), Sequence(messages("2"))));
    }

    #[test]
    fn returns() {
        let check = |text: &str, returns| {
            let search = Search { numbering: Numbering::Uid, returns: Some(returns), key: SearchKey::All };
            check_command(&format!("uid search return {text} all"), Command::Search(search));
        };
        let none = SearchReturn::default();
        check("()", SearchReturn { all: true, ..none });
        check("(min max)", SearchReturn { min: true, max: true, ..none });
        check("(SAVE)", SearchReturn { save: true, ..none });
        check("(ALL COUNT) CHARSET \"us-ascii\"", SearchReturn { all: true, count: true, ..none });
        let partial = Some(super::super::partial::tests::range("-1:-100"));
        check("(COUNT PARTIAL -1:-100)", SearchReturn { count: true, partial, ..none });
        refuse_one("SEARCH RETURN (FOO) ALL", Reason::Unknown("SEARCH return option"));
        for key in ["ALL", "NOT (SEEN TO a)"] {
            refuse_one(&format!("SEARCH RETURN (RELEVANCY) {key}"), Reason::Expected("FUZZY with RELEVANCY"));
        }
        let fuzzy = SearchKey::Fuzzy(Box::new(SearchKey::Body("x".into())));
        let key = SearchKey::And(vec![SearchKey::All, not(fuzzy)]);
        let returns = Some(SearchReturn { relevancy: true, ..none });
        let search = Search { numbering: Numbering::Sequence, returns, key };
        check_command("SEARCH RETURN (RELEVANCY) ALL NOT FUZZY BODY x", Command::Search(search));
    }

    #[test]
    fn refused() {
        refuse_one("SEARCH", Reason::Expected("a space"));
        refuse_one("SEARCH ", Reason::Expected("a search key"));
        refuse_one("SEARCH ()", Reason::Expected("a search key"));
        refuse_one("SEARCH (ALL", Reason::Expected(")"));
        refuse_one("SEARCH FOO", Reason::Unknown("search key"));
        refuse_one("SEARCH CHARSET KOI8-R ALL", Reason::Charset);
        refuse_one("SEARCH ON 31-Feb-1994", Reason::Expected("a date"));
        refuse_one("SEARCH OR SEEN", Reason::Expected("a space"));
        refuse_one("SEARCH 1:3SEEN", Reason::Expected("a space"));
        refuse_one("SEARCH UIDAFTER 0", Reason::Number);
        refuse_one("SEARCH UIDBEFORE 1:2", Reason::Expected("a space"));
        refuse_one("SEARCH ALL)", Reason::Trailing);
    }

    #[test]
    fn depth_is_bounded() {
        for (open, inner, close) in
            [("NOT ", "ALL", ""), ("FUZZY ", "ALL", ""), ("OR ALL ", "ALL", ""), ("(", "ALL", ")")]
        {
            let nest = |depth: usize| format!("SEARCH {}{inner}{}", open.repeat(depth), close.repeat(depth));
            assert!(matches!(parse_one(&nest(99)), Command::Search(_)));
            refuse_one(&nest(100), Reason::TooDeep);
            refuse_one(&nest(9000), Reason::TooDeep);
        }
    }
}
