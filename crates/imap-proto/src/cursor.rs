//! Reads one received command from left to right; the grammar that all commands share.
//!
//! The text still has each literal's marker (`{3}` and the line end after it); the octets stand apart in order,
//! so a literal is moved out and never copied.
//! Where real clients need it this is more lenient than RFC 9051 §9: several spaces count as one, spaces may stand
//! inside parentheses and at the end, atoms of strings may have octets above 127.

use std::vec::IntoIter;

use crate::atom::{is_astring_char, is_atom_char};
use crate::limits::Limits;
use crate::mailbox::{Dialect, MailboxName};
use crate::malformed::Reason;
use crate::sequence::{MessageSet, SequenceError, SequenceSet};

/// A parsed value or what was wrong.
pub(crate) type Parse<T> = Result<T, Reason>;

/// The octets of a literal.
#[derive(Debug)]
pub(crate) struct Literal {
    pub data: Vec<u8>,
    /// `~{…}`: literal8 (RFC 9051 §4.3), may have NULs.
    pub binary: bool,
}

/// Text without its last line end, the literals whose markers are in it, and the rules.
pub(crate) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    literals: IntoIter<Literal>,
    pub limits: &'a Limits,
    pub dialect: Dialect,
    depth: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a [u8], literals: Vec<Literal>, limits: &'a Limits, dialect: Dialect) -> Self {
        Self { text, at: 0, literals: literals.into_iter(), limits, dialect, depth: 0 }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// How many octets of the text are taken.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// What comes after the spaces that come next.
    pub(crate) fn peek_after_spaces(&self) -> Option<u8> {
        self.rest().iter().copied().find(|byte| *byte != b' ')
    }

    /// What the list begins with whose parenthesis comes next.
    pub(crate) fn peek_in_list(&self) -> Option<u8> {
        self.rest().iter().copied().skip(1).find(|byte| *byte != b' ')
    }

    /// Takes `byte` if it comes next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, byte: u8, what: &'static str) -> Parse<()> {
        if self.eat(byte) { Ok(()) } else { Err(Reason::Expected(what)) }
    }

    /// One space or more.
    pub(crate) fn space(&mut self) -> Parse<()> {
        self.expect(b' ', "a space")?;
        self.spaces();
        Ok(())
    }

    /// Any number of spaces.
    pub(crate) fn spaces(&mut self) {
        while self.eat(b' ') {}
    }

    /// Whether an argument follows; takes the spaces before it.
    pub(crate) fn more(&mut self) -> bool {
        let spaced = self.peek() == Some(b' ');
        self.spaces();
        spaced && self.peek().is_some()
    }

    pub(crate) fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|&byte| !accept(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// The command must be over, spaces aside.
    pub(crate) fn end(&mut self) -> Parse<()> {
        self.spaces();
        if self.peek().is_none() && self.literals.len() == 0 { Ok(()) } else { Err(Reason::Trailing) }
    }

    /// An atom in capitals: a keyword of the grammar.
    pub(crate) fn keyword(&mut self, what: &'static str) -> Parse<String> {
        let atom = self.take_while(is_atom_char);
        let text = std::str::from_utf8(atom).map_err(|_| Reason::NotUtf8)?;
        if text.is_empty() { Err(Reason::Expected(what)) } else { Ok(text.to_ascii_uppercase()) }
    }

    /// Takes the atom `word` if exactly it comes next, in any case.
    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        let start = self.at;
        let found = self.take_while(is_atom_char).eq_ignore_ascii_case(word.as_bytes());
        if !found {
            self.at = start;
        }
        found
    }

    /// Whether exactly the atom `word` comes next, in any case.
    pub(crate) fn at_word(&self, word: &str) -> bool {
        let rest = self.rest();
        let end = rest.iter().position(|&byte| !is_atom_char(byte)).unwrap_or(rest.len());
        rest.get(..end).is_some_and(|atom| atom.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Takes `text` if exactly it comes next, in any case.
    pub(crate) fn eat_text(&mut self, text: &str) -> bool {
        let found = self.rest().get(..text.len()).is_some_and(|next| next.eq_ignore_ascii_case(text.as_bytes()));
        if found {
            self.at += text.len();
        }
        found
    }

    pub(crate) fn number64(&mut self) -> Parse<u64> {
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() {
            return Err(Reason::Expected("a number"));
        }
        let add = |value: u64, digit: &u8| value.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
        digits.iter().try_fold(0_u64, add).ok_or(Reason::Number)
    }

    pub(crate) fn number(&mut self) -> Parse<u32> {
        u32::try_from(self.number64()?).map_err(|_| Reason::Number)
    }

    pub(crate) fn nz_number(&mut self) -> Parse<u32> {
        self.number().and_then(|number| if number == 0 { Err(Reason::Number) } else { Ok(number) })
    }

    /// RFC 7162 §7: mod-sequence values have 63 bits.
    pub(crate) fn modseq(&mut self) -> Parse<u64> {
        self.number64().and_then(|number| if number > i64::MAX as u64 { Err(Reason::Number) } else { Ok(number) })
    }

    /// `(` items `)`, none to [`Limits::items_max`], spaces where they please.
    pub(crate) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        self.expect(b'(', "a parenthesised list")?;
        let mut items = Vec::new();
        loop {
            self.spaces();
            if self.eat(b')') {
                return Ok(items);
            }
            if items.len() == self.limits.items_max {
                return Err(Reason::TooMany);
            }
            items.push(item(self)?);
            if !matches!(self.peek(), Some(b' ' | b')')) {
                return Err(Reason::Expected("a space or the end of the list"));
            }
        }
    }

    /// Runs `inner` one level deeper.
    pub(crate) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth == self.limits.nesting_max {
            return Err(Reason::TooDeep);
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// A literal, whose marker comes next.
    pub(crate) fn literal(&mut self) -> Parse<Literal> {
        const WHAT: Reason = Reason::Expected("a literal");
        self.eat(b'~');
        self.expect(b'{', "a literal")?;
        self.take_while(|byte| byte != b'\n');
        if !self.eat(b'\n') {
            return Err(WHAT);
        }
        self.literals.next().ok_or(WHAT)
    }

    pub(crate) fn at_literal(&self) -> bool {
        matches!(self.rest(), [b'{', ..] | [b'~', b'{', ..])
    }

    fn quoted(&mut self) -> Parse<Vec<u8>> {
        self.expect(b'"', "a quoted string")?;
        let mut value = Vec::new();
        loop {
            value.extend_from_slice(self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\r' | b'\n' | 0)));
            if self.eat(b'"') {
                return Ok(value);
            }
            self.expect(b'\\', "the end of a quoted string")?;
            match self.peek() {
                // RFC 9051 §9 escapes only `"` and `\`; others stand for themselves, backslash dropped.
                Some(byte) if !matches!(byte, b'\r' | b'\n' | 0) => value.push(byte),
                _ => return Err(Reason::Expected("the end of a quoted string")),
            }
            self.at += 1;
        }
    }

    /// RFC 9051 §9: string = quoted / literal.
    pub(crate) fn string(&mut self) -> Parse<Vec<u8>> {
        if !self.at_literal() {
            return self.quoted();
        }
        let data = self.literal()?.data;
        if memchr::memchr(0, &data).is_some() { Err(Reason::Nul) } else { Ok(data) }
    }

    pub(crate) fn astring(&mut self, what: &'static str) -> Parse<Vec<u8>> {
        self.string_or(is_astring_char, what)
    }

    /// RFC 9051 §9: list-mailbox, where wildcards may stand unquoted.
    pub(crate) fn list_mailbox(&mut self) -> Parse<Vec<u8>> {
        self.string_or(|byte| is_astring_char(byte) || matches!(byte, b'%' | b'*'), "a mailbox pattern")
    }

    fn string_or(&mut self, accept: impl Fn(u8) -> bool, what: &'static str) -> Parse<Vec<u8>> {
        if self.peek() == Some(b'"') || self.at_literal() {
            return self.string();
        }
        let atom = self.take_while(accept);
        if atom.is_empty() { Err(Reason::Expected(what)) } else { Ok(atom.to_vec()) }
    }

    pub(crate) fn astring_utf8(&mut self, what: &'static str) -> Parse<String> {
        String::from_utf8(self.astring(what)?).map_err(|_| Reason::NotUtf8)
    }

    pub(crate) fn string_utf8(&mut self) -> Parse<String> {
        String::from_utf8(self.string()?).map_err(|_| Reason::NotUtf8)
    }

    pub(crate) fn nstring_utf8(&mut self) -> Parse<Option<String>> {
        if self.eat_word("NIL") { Ok(None) } else { self.string_utf8().map(Some) }
    }

    pub(crate) fn mailbox(&mut self) -> Parse<MailboxName> {
        let wire = self.astring("a mailbox name")?;
        MailboxName::from_wire(&wire, self.dialect).map_err(Reason::Name)
    }

    /// A set without `$`.
    pub(crate) fn sequence_set(&mut self) -> Parse<SequenceSet> {
        let text = self.take_while(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b':' | b'*'));
        SequenceSet::parse(text, self.limits.ranges_max).map_err(|error| match error {
            SequenceError::Syntax => Reason::Expected("a sequence set"),
            SequenceError::Number => Reason::Number,
            SequenceError::TooMany => Reason::TooMany,
        })
    }

    pub(crate) fn message_set(&mut self) -> Parse<MessageSet> {
        if self.eat(b'$') { Ok(MessageSet::Saved) } else { self.sequence_set().map(MessageSet::Numbers) }
    }
}
