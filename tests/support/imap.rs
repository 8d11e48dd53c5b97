//! An IMAP client, and a reader of responses that knows their grammar only.

use super::link::Link;
use super::{Failure, Outcome};

/// A client after its greeting.
pub struct Imap {
    link: Link,
    commands: u32,
}

/// The answer to a command that succeeded.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub untagged: Vec<Response>,
    /// What follows `OK` in the tagged response.
    pub text: String,
}

/// An untagged response, without `* `; literals stand in it as they came.
#[derive(Clone, Debug)]
pub struct Response(pub Vec<u8>);

/// A part of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Nil,
    /// Atoms, numbers, flags, `BODY[...]<...>`.
    Atom(String),
    /// Quoted strings and literals.
    Text(Vec<u8>),
    List(Vec<Value>),
}

impl Imap {
    pub fn connect(mut link: Link) -> Outcome<Self> {
        let greeting = link.line()?;
        match greeting.starts_with(b"* OK") {
            true => Ok(Self { link, commands: 0 }),
            false => Err(Failure::refused("the greeting", greeting)),
        }
    }

    pub fn login(&mut self, user: &str, password: &str) -> Outcome<()> {
        self.command(&format!("LOGIN \"{user}\" \"{password}\"")).map(drop)
    }

    /// Sends a command and waits for its end; `NO` and `BAD` are failures.
    pub fn command(&mut self, command: &str) -> Outcome<Answer> {
        self.finish(command, &[])
    }

    /// APPEND with a literal that nobody waits for (RFC 7888).
    pub fn append(&mut self, mailbox: &str, flags: &str, message: &[u8]) -> Outcome<Answer> {
        let command = format!("APPEND \"{mailbox}\" ({flags}) {{{}+}}", message.len());
        self.finish(&command, message)
    }

    /// Sends a command, and breaks the connection before its answer.
    pub fn leave(mut self, command: &str) -> Outcome<()> {
        Ok(self.link.send(format!("last {command}\r\n").as_bytes())?)
    }

    fn finish(&mut self, command: &str, literal: &[u8]) -> Outcome<Answer> {
        self.commands += 1;
        let tag = format!("t{}", self.commands);
        let mut bytes = format!("{tag} {command}\r\n").into_bytes();
        if !literal.is_empty() {
            bytes.extend_from_slice(literal);
            bytes.extend_from_slice(b"\r\n");
        }
        self.link.send(&bytes)?;
        let mut answer = Answer::default();
        let end = format!("{tag} ").into_bytes();
        loop {
            let response = self.response()?;
            if let Some(untagged) = response.strip_prefix(b"* ") {
                answer.untagged.push(Response(untagged.to_vec()));
                continue;
            }
            return match response.strip_prefix(end.as_slice()) {
                Some(status) if status.starts_with(b"OK") => {
                    answer.text = String::from_utf8_lossy(&status[2..]).trim_start().to_owned();
                    Ok(answer)
                }
                _ => Err(Failure::refused(command, response)),
            };
        }
    }

    /// A line with its literals.
    fn response(&mut self) -> Outcome<Vec<u8>> {
        let mut response = Vec::new();
        loop {
            response.extend(self.link.line()?);
            let Some(count) = literal_at_end(&response) else { return Ok(response) };
            response.extend_from_slice(b"\r\n");
            response.extend(self.link.octets(count)?);
        }
    }
}

impl Answer {
    /// The attributes of each FETCH response, with the message's number.
    pub fn fetched(&self) -> impl Iterator<Item = (u32, Attributes)> {
        self.untagged.iter().filter_map(Response::fetched)
    }

    /// The text after `* NAME ` or, for a response code, after `[NAME `.
    pub fn find(&self, name: &str) -> Option<String> {
        let untagged = self.untagged.iter().map(|response| String::from_utf8_lossy(&response.0).into_owned());
        let code = format!("[{name} ");
        untagged.chain([self.text.clone()]).find_map(|text| match text.split_once(code.as_str()) {
            Some((_, rest)) => rest.split_once(']').map(|(value, _)| value.to_owned()),
            None => text.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')).map(str::to_owned),
        })
    }

    /// The number that [`Answer::find`] finds.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.find(name)?.parse().ok()
    }

    /// The numbers of a SEARCH response.
    pub fn found(&self) -> Vec<u32> {
        let is_search = |response: &&Response| response.0.starts_with(b"SEARCH");
        let text = self.untagged.iter().find(is_search).map(|response| String::from_utf8_lossy(&response.0[6..]));
        text.unwrap_or_default().split_whitespace().filter_map(|number| number.parse().ok()).collect()
    }
}

/// The attributes of a FETCH response.
#[derive(Clone, Debug)]
pub struct Attributes(Vec<Value>);

impl Attributes {
    /// The value of an attribute; its name as the server writes it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let at = self.0.chunks(2).position(|pair| matches!(&pair[0], Value::Atom(found) if found == name))?;
        self.0.get(at * 2 + 1)
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            Value::Atom(digits) => digits.parse().ok(),
            // MODSEQ and EMAILID are in parentheses.
            Value::List(values) => match values.as_slice() {
                [Value::Atom(digits)] => digits.parse().ok(),
                _ => None,
            },
            Value::Nil | Value::Text(_) => None,
        }
    }

    pub fn text(&self, name: &str) -> Option<&[u8]> {
        match self.get(name)? {
            Value::Text(octets) => Some(octets),
            Value::List(values) => match values.as_slice() {
                [Value::Atom(id)] => Some(id.as_bytes()),
                _ => None,
            },
            Value::Nil | Value::Atom(_) => None,
        }
    }

    /// The atoms of a list, such as FLAGS.
    pub fn atoms(&self, name: &str) -> Vec<String> {
        let Some(Value::List(values)) = self.get(name) else { return Vec::new() };
        let atoms = values.iter().filter_map(|value| match value {
            Value::Atom(atom) => Some(atom.clone()),
            Value::Nil | Value::Text(_) | Value::List(_) => None,
        });
        atoms.collect()
    }
}

impl Response {
    pub fn fetched(&self) -> Option<(u32, Attributes)> {
        let space = self.0.iter().position(|octet| *octet == b' ')?;
        let number = std::str::from_utf8(&self.0[..space]).ok()?.parse().ok()?;
        let list = self.0[space..].strip_prefix(b" FETCH ")?;
        let mut reader = Reader { bytes: list, at: 0 };
        match reader.value()? {
            Value::List(values) if reader.at == list.len() => Some((number, Attributes(values))),
            _ => panic!("not a FETCH response: {:?}", String::from_utf8_lossy(&self.0)),
        }
    }
}

/// `{12}` at the end of a line announces twelve octets.
fn literal_at_end(line: &[u8]) -> Option<usize> {
    let digits = line.strip_suffix(b"}")?;
    let open = digits.iter().rposition(|octet| *octet == b'{')?;
    std::str::from_utf8(&digits[open + 1..]).ok()?.parse().ok()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn value(&mut self) -> Option<Value> {
        match self.peek()? {
            b'(' => self.list(),
            b'"' => self.quoted(),
            b'{' => self.literal(),
            _ => self.atom(),
        }
    }

    /// Values with at most one space between them: BODYSTRUCTURE has none between parts.
    fn list(&mut self) -> Option<Value> {
        self.at += 1;
        let mut values = Vec::new();
        loop {
            match self.peek()? {
                b')' => {
                    self.at += 1;
                    return Some(Value::List(values));
                }
                b' ' => self.at += 1,
                _ => values.push(self.value()?),
            }
        }
    }

    fn quoted(&mut self) -> Option<Value> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let octet = self.peek()?;
            self.at += 1;
            match octet {
                b'"' => return Some(Value::Text(text)),
                b'\\' => {
                    text.push(self.peek()?);
                    self.at += 1;
                }
                octet => text.push(octet),
            }
        }
    }

    fn literal(&mut self) -> Option<Value> {
        let rest = self.bytes.get(self.at..)?;
        let line = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let count = literal_at_end(&rest[..line])?;
        let start = self.at + line + 2;
        self.at = start + count;
        self.bytes.get(start..self.at).map(|octets| Value::Text(octets.to_vec()))
    }

    fn atom(&mut self) -> Option<Value> {
        let start = self.at;
        let mut in_brackets = false;
        while let Some(octet) = self.peek() {
            match octet {
                b'[' => in_brackets = true,
                b']' => in_brackets = false,
                b' ' | b'(' | b')' | b'"' | b'{' if !in_brackets => break,
                _ => {}
            }
            self.at += 1;
        }
        let atom = std::str::from_utf8(self.bytes.get(start..self.at)?).ok()?;
        match atom {
            "" => None,
            "NIL" => Some(Value::Nil),
            atom => Some(Value::Atom(atom.to_owned())),
        }
    }
}
