//! The command that is being received: its text, and its literals apart.

use super::LiteralRole;
use crate::command::{self, Command, Tagged};
use crate::cursor::Literal;
use crate::limits::Limits;
use crate::mailbox::{Dialect, MailboxName};
use crate::malformed::Reason;
use crate::tag::Tag;

/// The command that is being received.
#[derive(Default)]
pub(super) struct Collected {
    /// Its lines, literal markers included.
    pub(super) text: Vec<u8>,
    /// Where in `text` the line after the last literal begins.
    pub(super) line_start: usize,
    pub(super) literals: Vec<Literal>,
    /// Octets of the literals that are arguments.
    pub(super) argument_bytes: u64,
    pub(super) has_message: bool,
    /// Where the message of an APPEND goes, and where in `text` that ends.
    pub(super) target: Option<(MailboxName, usize)>,
}

impl Collected {
    /// The tag, once its end is known; that it has one is settled when parsing.
    pub(super) fn tag(&self) -> Option<Tag> {
        let end = self.text.iter().position(|&byte| matches!(byte, b' ' | b'\r' | b'\n'))?;
        Tag::from_bytes(self.text.get(..end)?)
    }

    /// The command's name, if it brings a message.
    pub(super) fn bringing(&self) -> Option<&'static str> {
        command::words_before_target(&self.text).map(|words| if words == 2 { "APPEND" } else { "REPLACE" })
    }

    /// A message is each literal of an APPEND or REPLACE that is not the mailbox name.
    pub(super) fn role_of_literal(&self, marker_start: usize) -> LiteralRole {
        let before = self.text.get(..self.line_start + marker_start).unwrap_or_default();
        let Some(words_before) = command::words_before_target(before) else { return LiteralRole::Argument };
        let has_name =
            || before.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).nth(words_before).is_some();
        if self.has_message || !self.literals.is_empty() || has_name() {
            if command::is_url_of_append(before) { LiteralRole::Url } else { LiteralRole::Message }
        } else {
            LiteralRole::Argument
        }
    }

    /// Writes an address as a quoted string. What no such string can have becomes a space, which no address has either.
    pub(super) fn quote(&mut self, octets: &[u8]) {
        self.text.push(b'"');
        for byte in octets {
            match byte {
                b'"' | b'\\' => self.text.extend_from_slice(&[b'\\', *byte]),
                b'\r' | b'\n' | 0 => self.text.push(b' '),
                _ => self.text.push(*byte),
            }
        }
        self.text.push(b'"');
    }

    /// RFC 3502 §6.3.11: another message begins in the last line. Takes the one before it out: the command as if it had this
    /// one alone. What is left is the command as if that had not been.
    pub(super) fn take_message(&mut self, limits: &Limits, dialect: Dialect) -> Result<Tagged, Reason> {
        let Some(target_end) = self.target.as_ref().map(|(_, end)| *end) else { return Err(Reason::Trailing) };
        let line = self.text.get(self.line_start..).unwrap_or_default();
        let head = self.text.get(target_end..self.line_start).unwrap_or_default();
        let message_end = command::append_message_end(head, line);
        let end = self.line_start + message_end.unwrap_or(0);
        let message = self.literals.pop();
        let before = self.literals.iter().map(|literal| Literal { data: literal.data.clone(), ..*literal });
        let literals = before.chain(message).collect();
        let text = self.text.get(..end).unwrap_or_default();
        let tagged = command::parse(text, literals, limits, dialect).map_err(|malformed| malformed.reason)?;
        // RFC 8508 §4.7: a REPLACE brings one message, which may go on with other parts.
        if !matches!(tagged.command, Command::Append(_)) && !tagged.command.goes_on() {
            return Err(Reason::Trailing);
        }
        let rest = if message_end.is_some() { &[][..] } else { command::GOES_ON };
        self.text.splice(target_end.min(end)..end, rest.iter().copied());
        Ok(tagged)
    }

    pub(super) fn refusal(&self, bytes: u64, role: LiteralRole, limits: &Limits) -> Option<Reason> {
        let too_big = match role {
            LiteralRole::Message => bytes > limits.append_bytes_max,
            LiteralRole::Argument | LiteralRole::Url => {
                self.argument_bytes.saturating_add(bytes) > limits.literal_bytes_max
            }
        };
        if too_big {
            return Some(Reason::LiteralTooBig);
        }
        (self.literals.len() >= limits.literals_max).then_some(Reason::TooManyLiterals)
    }
}
