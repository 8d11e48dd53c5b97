//! The conversation with a milter about one message: what is sent, when an answer is waited for, and what follows from it. Pure.

use super::packet::{CHUNK_BYTES, number, packet, string, text};
use crate::Question;
use crate::edit::{EDITS_MAX, Edit};
use crate::filters::NoAnswer;
use crate::opinion::{Opinion, Verdict};
use message::header;
use std::collections::VecDeque;
use std::net::IpAddr;

const VERSION: u32 = 6;
/// What a milter may do (`SMFIF_`): add fields, change fields, quarantine. Not the body, nor the envelope.
const ACTIONS: u32 = 0x01 | 0x10 | 0x20;
/// What a milter may leave out, and which answers (`SMFIP_`): all that version 6 has, but no larger packets.
const STEPS: u32 = 0x1f_ffff;
const SKIP: u32 = 0x400;
const NO_BODY: u32 = 0x10;
/// The blank before a field's value is part of it.
const LEADING_SPACE: u32 = 0x10_0000;
/// What a milter says about one message is at most so many packets: signs of life count, too.
const PACKETS_MAX: usize = 10_000;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Bytes to be sent.
    Send(Vec<u8>),
    /// A packet is to come.
    Hear,
    /// All is said.
    Over(Opinion),
}

/// A thing to tell the milter: its bytes, whether it leaves it out (`SMFIP_NO…`), and whether it does not answer (`SMFIP_NR_…`).
struct Told {
    stage: Stage,
    bytes: Vec<u8>,
    unwanted_if: u32,
    silent_if: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Negotiation,
    Recipient,
    Body,
    End,
    Other,
}

pub(super) struct Talk<'a> {
    question: &'a Question,
    /// What is to be told before the body.
    to_tell: VecDeque<Told>,
    /// Where in the content the rest of the body begins.
    body_at: usize,
    end_is_told: bool,
    /// What was negotiated.
    steps: u32,
    /// An answer is to come to this.
    awaits: Option<Stage>,
    packets: usize,
    recipients_refused: usize,
    opinion: Opinion,
    is_over: bool,
}

impl<'a> Talk<'a> {
    pub(super) fn new(question: &'a Question) -> Self {
        let body_at = header::end(&question.content);
        let mut talk = Self {
            question,
            to_tell: VecDeque::new(),
            body_at,
            end_is_told: false,
            steps: 0,
            awaits: None,
            packets: 0,
            recipients_refused: 0,
            opinion: Opinion::default(),
            is_over: false,
        };
        let numbers = [VERSION, ACTIONS, STEPS].map(u32::to_be_bytes).concat();
        talk.tell(Stage::Negotiation, packet(b'O', &numbers), 0, 0);
        talk
    }

    fn tell(&mut self, stage: Stage, bytes: Vec<u8>, unwanted_if: u32, silent_if: u32) {
        self.to_tell.push_back(Told { stage, bytes, unwanted_if, silent_if });
    }

    pub(super) fn next(&mut self) -> Next {
        if self.is_over {
            return Next::Over(std::mem::take(&mut self.opinion));
        }
        if self.awaits.is_some() {
            return Next::Hear;
        }
        while let Some(told) = self.to_tell.pop_front() {
            if self.steps & told.unwanted_if == 0 {
                return self.send(told);
            }
        }
        let body = self.question.content.get(self.body_at..).unwrap_or_default();
        if !body.is_empty() && self.steps & NO_BODY == 0 {
            let chunk = body.get(..CHUNK_BYTES).unwrap_or(body);
            self.body_at += chunk.len();
            return self.send(Told {
                stage: Stage::Body,
                bytes: packet(b'B', chunk),
                unwanted_if: 0,
                silent_if: 0x8_0000,
            });
        }
        if self.end_is_told {
            self.is_over = true;
            return self.next();
        }
        self.end_is_told = true;
        let bytes = [self.macros(b'E', &[("i", &self.question.id)]), packet(b'E', &[])].concat();
        self.send(Told { stage: Stage::End, bytes, unwanted_if: 0, silent_if: 0 })
    }

    fn send(&mut self, told: Told) -> Next {
        let answers = told.silent_if == 0 || self.steps & told.silent_if == 0;
        self.awaits = answers.then_some(told.stage);
        Next::Send(told.bytes)
    }

    /// What the milter says.
    pub(super) fn hear(&mut self, said: &[u8]) -> Result<(), NoAnswer> {
        self.packets += 1;
        if self.packets > PACKETS_MAX {
            return Err(NoAnswer("it says too much".to_owned()));
        }
        let (Some(stage), Some((letter, data))) = (self.awaits, said.split_first()) else {
            return Err(NoAnswer("it speaks when nobody asks".to_owned()));
        };
        match (stage, letter) {
            (Stage::Negotiation, b'O') => self.negotiated(data)?,
            (Stage::Negotiation, _) => return Err(unexpected(*letter)),
            (_, b'p') => return Ok(()),
            (Stage::End, b'h' | b'i' | b'm' | b'q') => return self.change(*letter, data),
            (_, b'c') => {}
            (Stage::Body, b's') if self.steps & SKIP != 0 => self.body_at = self.question.content.len(),
            // It wants to hear no more, and has nothing against the message.
            (_, b'a') => self.is_over = true,
            (Stage::Recipient, b'r' | b't' | b'y') => self.refuses_recipient(*letter, data)?,
            (_, b'r' | b't' | b'y' | b'd') => self.end(answer(*letter, data)?),
            _ => return Err(unexpected(*letter)),
        }
        self.awaits = None;
        Ok(())
    }

    fn end(&mut self, answer: Opinion) {
        let edits = std::mem::take(&mut self.opinion.edits);
        self.opinion = Opinion { edits, ..answer };
        self.is_over = true;
    }

    fn refuses_recipient(&mut self, letter: u8, data: &[u8]) -> Result<(), NoAnswer> {
        self.recipients_refused += 1;
        if self.recipients_refused >= self.question.recipients.len() {
            self.end(answer(letter, data)?);
        }
        Ok(())
    }

    fn negotiated(&mut self, data: &[u8]) -> Result<(), NoAnswer> {
        let (version, data) = number(data)?;
        let (actions, data) = number(data)?;
        let (steps, _) = number(data)?;
        if !(2..=VERSION).contains(&version) {
            return Err(NoAnswer(format!("it speaks version {version} of the protocol")));
        }
        if actions & !ACTIONS != 0 {
            return Err(NoAnswer(format!(
                "it wants to do what it may not do here (actions {:#x})",
                actions & !ACTIONS
            )));
        }
        if steps & !STEPS != 0 {
            return Err(NoAnswer(format!("it wants what nobody offered (steps {:#x})", steps & !STEPS)));
        }
        self.steps = steps;
        self.tell_envelope();
        self.tell_header();
        Ok(())
    }

    fn tell_envelope(&mut self) {
        let question = self.question;
        let address = question.address.to_canonical();
        let (family, shown) = match address {
            IpAddr::V4(address) => (b'4', address.to_string()),
            IpAddr::V6(address) => (b'6', format!("IPv6:{address}")),
        };
        // A host without a name is called by its address (libmilter's `xxfi_connect`). Its port means nothing any more.
        let name = question.name.clone().unwrap_or_else(|| format!("[{address}]"));
        let connect = [string(name), vec![family, 0, 0], string(shown)].concat();
        let on_connect = [("j", question.hostname.as_str()), ("{daemon_name}", "pillarbox"), ("v", "Pillarbox")];
        let bytes = [self.macros(b'C', &on_connect), packet(b'C', &connect)].concat();
        self.tell(Stage::Other, bytes, 0x01, 0x1000);
        let on_hello: Vec<_> = question.tls.as_deref().map(|version| ("{tls_version}", version)).into_iter().collect();
        let bytes = [self.macros(b'H', &on_hello), packet(b'H', &string(&question.helo))].concat();
        self.tell(Stage::Other, bytes, 0x02, 0x2000);
        let on_mail = [("i", question.id.as_str()), ("{mail_addr}", question.mail_from.as_str())];
        let mail = string(format!("<{}>", question.mail_from));
        let bytes = [self.macros(b'M', &on_mail), packet(b'M', &mail)].concat();
        self.tell(Stage::Other, bytes, 0x04, 0x4000);
        for recipient in &question.recipients {
            let rcpt = packet(b'R', &string(format!("<{recipient}>")));
            let bytes = [self.macros(b'R', &[("{rcpt_addr}", recipient)]), rcpt].concat();
            self.tell(Stage::Recipient, bytes, 0x08, 0x8000);
        }
        let bytes = [self.macros(b'T', &[("i", &question.id)]), packet(b'T', &[])].concat();
        self.tell(Stage::Other, bytes, 0x200, 0x1_0000);
    }

    fn tell_header(&mut self) {
        let content = &self.question.content;
        for field in header::fields(content) {
            let value = match field.value {
                [b' ', value @ ..] if self.steps & LEADING_SPACE == 0 => value,
                value => value,
            };
            // Lines end in LF alone, and the last one in nothing.
            let mut value: Vec<u8> = value.iter().copied().filter(|octet| *octet != b'\r').collect();
            while value.last() == Some(&b'\n') {
                value.pop();
            }
            let bytes = packet(b'L', &[string(field.name), string(value)].concat());
            self.to_tell.push_back(Told { stage: Stage::Other, bytes, unwanted_if: 0x20, silent_if: 0x80 });
        }
        self.tell(Stage::Other, packet(b'N', &[]), 0x40, 0x4_0000);
    }

    /// What it may look up while it hears what comes next.
    fn macros(&self, of: u8, values: &[(&str, &str)]) -> Vec<u8> {
        let pairs: Vec<u8> = values.iter().flat_map(|(name, value)| [string(name), string(value)].concat()).collect();
        packet(b'D', &[vec![of], pairs].concat())
    }

    fn change(&mut self, letter: u8, data: &[u8]) -> Result<(), NoAnswer> {
        if letter == b'q' {
            let (reason, _) = text(data)?;
            self.opinion.verdict = Verdict::Junk;
            let reason = format!("A filter keeps it apart: {}", String::from_utf8_lossy(reason));
            self.opinion.reason = Opinion::new(Verdict::Junk, &reason).reason;
            return Ok(());
        }
        let (at, data) = if letter == b'h' { (0, data) } else { number(data)? };
        let (name, data) = text(data)?;
        let (value, _) = text(data)?;
        let (name, at) = (String::from_utf8_lossy(name), at as usize);
        let edit = match letter {
            b'h' => Edit::append(&name, value),
            b'i' => Edit::insert(at, &name, value),
            _ => Edit::change(at, &name, value),
        };
        let edit =
            edit.ok_or_else(|| NoAnswer(format!("it asks for a field that may not be ({})", name.escape_debug())))?;
        if self.opinion.edits.len() >= EDITS_MAX {
            return Err(NoAnswer("it asks for too many changes".to_owned()));
        }
        self.opinion.edits.push(edit);
        Ok(())
    }
}

fn unexpected(letter: u8) -> NoAnswer {
    NoAnswer(format!("it says {:?} where that means nothing", char::from(letter)))
}

fn answer(letter: u8, data: &[u8]) -> Result<Opinion, NoAnswer> {
    Ok(match letter {
        b'r' => Opinion::new(Verdict::Refuse, "A filter of this server refuses the message"),
        b't' => Opinion::new(Verdict::Later, "A filter of this server cannot take the message now; try again later"),
        // Deviates from libmilter, where it would be thrown away: nothing that was acknowledged is lost.
        b'd' => Opinion::new(Verdict::Junk, "A filter would throw it away"),
        _ => {
            let (reply, _) = text(data)?;
            let reply = String::from_utf8_lossy(reply).into_owned();
            let verdict = match reply.as_bytes().first() {
                Some(b'4') => Verdict::Later,
                Some(b'5') => Verdict::Refuse,
                _ => return Err(NoAnswer("it gives a reply that is none".to_owned())),
            };
            // The code and the enhanced code are ours (RFC 3463); the words are the filter's.
            let is_code = |word: &&str| word.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-');
            let words: Vec<&str> = reply.split_whitespace().skip_while(is_code).collect();
            Opinion::new(verdict, &words.join(" "))
        }
    })
}
