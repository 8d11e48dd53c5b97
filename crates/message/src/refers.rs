//! Which messages a message is about: those that it answers, and those that it forwards.
//!
//! Programs say it in different ways; only what leaves no doubt is taken (`docs/clients.md` has them one by one):
//!
//! - `X-Forwarded-Message-Id` (Thunderbird, FairEmail, alot) names what is forwarded.
//! - A `message/rfc822` part *is* what is forwarded (mutt, Apple Mail, Outlook: forward as attachment).
//! - `In-Reply-To`, or without it the last of `References`, names what is answered; or what is forwarded, if the subject
//!   begins with a forward's prefix (K-9, Apple Mail, Outlook, Gmail: forward inline).
//!
//! A forward inside the text with none of these cannot be told from a new message.

use crate::structure::{Content, Structure};
use crate::{encoded_word, header};

/// So many messages, at most, does a message answer, and so many does it forward.
const REFERRED_MAX: usize = 16;
/// A Message-ID is at most so long, in octets, that it is looked for; a line has 998 (RFC 5322 §2.1.1).
pub const MESSAGE_ID_BYTES_MAX: usize = 998;

/// How a subject begins in a forward, in lower case and with the colon: English, German, French, Spanish, Portuguese,
/// Swedish, Dutch, Polish, Chinese. Not those that are an answer in another language (`VS:`, `I:`).
const FORWARD_PREFIXES: [&str; 12] =
    ["fwd:", "fw:", "wg:", "tr:", "rv:", "enc:", "vb:", "doorst:", "pd:", "转发:", "转发：", "轉寄:"];
/// How a subject begins in an answer.
const ANSWER_PREFIXES: [&str; 8] = ["re:", "aw:", "sv:", "antw:", "odp:", "res:", "回复:", "回覆:"];

/// The messages that a message is about, by Message-ID without angle brackets, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refers {
    /// What it answers.
    pub answered: Vec<Vec<u8>>,
    /// What it forwards.
    pub forwarded: Vec<Vec<u8>>,
}

impl Refers {
    /// Reads them from a message and its structure.
    #[must_use]
    pub fn of(message: &[u8], structure: &Structure) -> Self {
        let mut forwarded = Vec::new();
        let header = message.get(..header::end(message)).unwrap_or_default();
        for field in header::find_all(header, "x-forwarded-message-id") {
            ids_in(field.value).for_each(|id| add(&mut forwarded, id));
        }
        for part in structure.root.walk() {
            if let Content::Message(embedded) = &part.content
                && let Some(id) = embedded.envelope.message_id.as_deref().and_then(message_id)
            {
                add(&mut forwarded, id);
            }
        }
        let mut answered = Vec::new();
        let kind = Kind::of(header);
        for id in replied_to(header) {
            match kind {
                Kind::Forward => add(&mut forwarded, id),
                // Thunderbird names what it forwards in In-Reply-To too.
                Kind::Unsaid if forwarded.iter().any(|known| known == id) => {}
                Kind::Unsaid | Kind::Answer => add(&mut answered, id),
            }
        }
        Self { answered, forwarded }
    }

    /// Whether it is about no other message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answered.is_empty() && self.forwarded.is_empty()
    }
}

/// The Message-ID in a `Message-ID` field, without angle brackets and what stands around them; `None` if it is empty or
/// longer than [`MESSAGE_ID_BYTES_MAX`].
#[must_use]
pub fn message_id(value: &[u8]) -> Option<&[u8]> {
    bracketed(value).next().or_else(|| Some(value.trim_ascii())).filter(|id| is_id(id))
}

fn is_id(id: &[u8]) -> bool {
    !id.is_empty() && id.len() <= MESSAGE_ID_BYTES_MAX
}

/// What the subject says that a message is.
#[derive(Clone, Copy)]
enum Kind {
    Answer,
    Forward,
    Unsaid,
}

impl Kind {
    fn of(header: &[u8]) -> Self {
        let subject = header::find(header, "subject").map(|field| encoded_word::decode(&field.unfolded()));
        let subject = subject.unwrap_or_default().trim_start().chars().take(16).collect::<String>().to_lowercase();
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| subject.starts_with(prefix));
        match (begins(&ANSWER_PREFIXES), begins(&FORWARD_PREFIXES)) {
            (true, _) => Self::Answer,
            (false, true) => Self::Forward,
            (false, false) => Self::Unsaid,
        }
    }
}

/// RFC 5322 §3.6.4: In-Reply-To names what is answered; References ends with it.
fn replied_to(header: &[u8]) -> Vec<&[u8]> {
    let answered: Vec<&[u8]> =
        header::find_all(header, "in-reply-to").flat_map(|field| ids_in(field.value)).take(REFERRED_MAX).collect();
    if answered.is_empty() {
        return header::find_all(header, "references")
            .flat_map(|field| ids_in(field.value))
            .last()
            .into_iter()
            .collect();
    }
    answered
}

/// The Message-IDs in a list of them, folded or not; without their angle brackets.
pub fn ids_in(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    bracketed(value).filter(|id| is_id(id))
}

/// What stands in angle brackets on one line. A Message-ID has no white space (RFC 5322 §3.6.4).
fn bracketed(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|octet| *octet == b'<').skip(1).filter_map(|rest| {
        let id = rest.get(..rest.iter().position(|octet| *octet == b'>')?)?.trim_ascii();
        id.iter().all(|octet| !octet.is_ascii_whitespace() && *octet != 0).then_some(id)
    })
}

fn add(list: &mut Vec<Vec<u8>>, id: &[u8]) {
    if list.len() < REFERRED_MAX && !list.iter().any(|known| known == id) {
        list.push(id.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, answered: &[&str], forwarded: &[&str]) {
        let message = message.replace('\n', "\r\n");
        let refers = Refers::of(message.as_bytes(), &Structure::parse(message.as_bytes()));
        let texts = |ids: &[Vec<u8>]| -> Vec<String> {
            ids.iter().map(|id| String::from_utf8_lossy(id).into_owned()).collect()
        };
        assert_eq!(
            (texts(&refers.answered), texts(&refers.forwarded)),
            (strings(answered), strings(forwarded)),
            "{message}"
        );
        assert_eq!(refers.is_empty(), answered.is_empty() && forwarded.is_empty());
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_answer_names_what_it_answers() {
        check("Subject: Re: x\nIn-Reply-To: <1@x>\nReferences: <0@x> <1@x>\n\n", &["1@x"], &[]);
        check("Subject: x\nIn-Reply-To: Your message <1@x> of\n today, and <2@x>\n\n", &["1@x", "2@x"], &[]);
        check("Subject: x\nReferences: <0@x>\n <1@x>\n\n", &["1@x"], &[]);
        check("Subject: x\nIn-Reply-To: \nReferences: <1@x>\n\n", &["1@x"], &[]);
        check("Subject: x\n\nIn-Reply-To: <1@x>\n", &[], &[]);
        check("In-Reply-To: <>, <a b@x>, <unclosed\n\n", &[], &[]);
        check("In-Reply-To: <1@x> <1@x>\n\n", &["1@x"], &[]);
    }

    #[test]
    fn a_forward_is_told_by_what_leaves_no_doubt() {
        // Thunderbird.
        check(
            "Subject: Fwd: x\nX-Forwarded-Message-Id: <1@x>\nReferences: <1@x>\nIn-Reply-To: <1@x>\n\n",
            &[],
            &["1@x"],
        );
        check("Subject: x\nX-Forwarded-Message-Id: <1@x>\nIn-Reply-To: <1@x>\n\n", &[], &["1@x"]);
        check("Subject: 2 mails\nX-Forwarded-Message-Id: <1@x>\n <2@x>\n\n", &[], &["1@x", "2@x"]);
        // K-9, Apple Mail, Outlook in German.
        check("Subject: Fwd: x\nIn-Reply-To: <1@x>\n\n", &[], &["1@x"]);
        check("Subject: WG: x\nReferences: <1@x>\n\n", &[], &["1@x"]);
        check("Subject: =?utf-8?Q?Fwd:_Gr=C3=BC=C3=9Fe?=\nIn-Reply-To: <1@x>\n\n", &[], &["1@x"]);
        check("Subject: \n =?utf-8?B?6L2s5Y+ROg==?= x\nIn-Reply-To: <1@x>\n\n", &[], &["1@x"]);
        // An answer to a forward is an answer, and a word is no prefix.
        check("Subject: Re: Fwd: x\nIn-Reply-To: <1@x>\n\n", &["1@x"], &[]);
        check("Subject: Fwded: x\nIn-Reply-To: <1@x>\n\n", &["1@x"], &[]);
        check("Subject: Fwd: x\n\n", &[], &[]);
    }

    #[test]
    fn a_message_inside_is_forwarded() {
        let inside = |subject: &str, header: &str| {
            format!(
                "Subject: {subject}\n{header}MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee\n\
                 --b\nContent-Type: message/rfc822\n\nMessage-ID: <in@x>\nSubject: y\n\nhi\n--b--\n"
            )
        };
        check(&inside("[bob: y]", ""), &[], &["in@x"]);
        check(&inside("Fwd: y", "In-Reply-To: <in@x>\n"), &[], &["in@x"]);
        check(&inside("Re: y", "In-Reply-To: <in@x>\n"), &["in@x"], &["in@x"]);
        check(&inside("about that", "In-Reply-To: <1@x>\n"), &["1@x"], &["in@x"]);
    }

    #[test]
    fn the_list_is_bounded() {
        let many: String = (0..=REFERRED_MAX).map(|n| format!(" <{n}@x>\n")).collect();
        let refers = |text: String| Refers::of(text.as_bytes(), &Structure::parse(text.as_bytes()));
        assert_eq!(refers(format!("In-Reply-To:{many}\n")).answered.len(), REFERRED_MAX);
        assert_eq!(refers(format!("X-Forwarded-Message-Id:{many}\n")).forwarded.len(), REFERRED_MAX);
        let of = |octets: usize| refers(format!("In-Reply-To: <{}>\n\n", "a".repeat(octets))).answered.len();
        assert_eq!((of(MESSAGE_ID_BYTES_MAX), of(MESSAGE_ID_BYTES_MAX + 1)), (1, 0));
    }

    #[test]
    fn a_message_id_is_what_stands_in_its_brackets() {
        for (value, expected) in [
            (" <1@x>", Some("1@x")),
            ("<1@x> (added by postmaster)", Some("1@x")),
            (" 1@x ", Some("1@x")),
            ("", None),
            ("<>", None),
        ] {
            assert_eq!(message_id(value.as_bytes()), expected.map(str::as_bytes), "{value:?}");
        }
    }
}
