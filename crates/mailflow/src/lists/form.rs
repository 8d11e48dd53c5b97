//! What a list makes of a message (RFC 2369, RFC 2919, RFC 8058). Pure.

use directory::{List, Posting};
use message::{address, encoded_word, header};
use smtp_proto::Mailbox;

/// A name of an author is taken up to so many octets; of a longer one the address stands in its place.
const NAME_OCTETS_MAX: usize = 200;
/// A subject in words is cut to so many characters.
const SUBJECT_CHARS_MAX: usize = 150;
/// Fields that say something of another list, ask each member for something, or are not true any more.
const TAKEN_OFF: [&str; 10] = [
    "Precedence",
    "Return-Path",
    "DKIM-Signature",
    "Disposition-Notification-To",
    "Return-Receipt-To",
    "X-Confirm-Reading-To",
    "Errors-To",
    "Sender",
    "Bcc",
    "Resent-Bcc",
];

/// Whoever a message says that it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Author {
    /// A display name, as it stands in the field; maybe empty.
    name: Vec<u8>,
    pub(super) address: Mailbox,
}

impl Author {
    /// The only one of a message.
    pub(super) fn of(content: &[u8]) -> Option<Self> {
        let mut fields = header::find_all(content, "From");
        let (field, None) = (fields.next()?, fields.next()) else { return None };
        let mut all = address::parse_list(&field.unfolded()).into_iter();
        let (only, None) = (all.next()?, all.next()) else { return None };
        let address = String::from_utf8(only.addr_spec()?).ok()?.parse().ok()?;
        Some(Self { name: only.name.unwrap_or_default(), address })
    }

    /// As a word of a phrase (RFC 5322 §3.2.5).
    fn word(&self) -> String {
        let name = String::from_utf8_lossy(&self.name);
        let is_atom = |c: char| c.is_ascii_alphanumeric() || " !#$%&'*+-/=?^_`{|}~".contains(c);
        match name.trim() {
            name if name.is_empty() || name.len() > NAME_OCTETS_MAX => quoted(&self.address.to_string()),
            // RFC 2047 §5: an encoded word does not stand in quotes.
            name if name.contains("=?") && name.chars().all(is_atom) => name.to_owned(),
            name => quoted(name),
        }
    }
}

fn quoted(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect();
    format!("\"{text}\"")
}

/// Whether it comes from this list.
pub(super) fn is_of(list: &List, content: &[u8]) -> bool {
    let id = format!("<{}>", id(list));
    header::find_all(content, "List-Id")
        .any(|field| String::from_utf8_lossy(&field.unfolded()).to_ascii_lowercase().contains(&id))
}

/// Whether a program wrote it by itself (RFC 3834 §5).
pub(super) fn is_automatic(content: &[u8]) -> bool {
    let value = |field: header::Field<'_>| String::from_utf8_lossy(&field.unfolded()).trim().to_ascii_lowercase();
    header::find_all(content, "Auto-Submitted").map(value).any(|value| !value.starts_with("no"))
}

/// What a message is about: on one line, and short.
pub(super) fn subject(content: &[u8]) -> String {
    let subject = header::find(content, "Subject").map(|field| encoded_word::decode(&field.unfolded()));
    let subject: String = subject.unwrap_or_default().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    subject.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SUBJECT_CHARS_MAX).collect()
}

/// As it stands; maybe nothing.
pub(super) fn message_id(content: &[u8]) -> String {
    let id = header::find(content, "Message-ID").map(|field| field.unfolded().into_owned()).unwrap_or_default();
    String::from_utf8_lossy(&id).trim().to_owned()
}

/// RFC 2919 §2.
fn id(list: &List) -> String {
    format!("{}.{}", list.name(), list.domain())
}

/// What is the same for all members. `keeps_from`: an account here sends it, and the domain in From signs.
pub(super) fn message(list: &List, author: &Author, content: &[u8], keeps_from: bool) -> Vec<u8> {
    // An address beyond ASCII does not stand in mail for everybody.
    let is_ascii = author.address.to_string().is_ascii();
    let keeps_from = keeps_from && is_ascii;
    let (name, domain) = (list.name(), list.domain());
    let mut fields = String::new();
    // Of another's domain the signature is broken, or was none; where that asks for it, mail in its name would be refused.
    if !keeps_from {
        let shown = if list.title.is_empty() { name } else { &list.title };
        fields.push_str(&format!("From: {} via {}\r\n <{}>\r\n", author.word(), quoted(shown), list.address));
        if is_ascii && header::find(content, "Reply-To").is_none() {
            fields.push_str(&format!("Reply-To: <{}>\r\n", author.address));
        }
    }
    let title = if list.title.is_empty() { String::new() } else { format!("{} ", quoted(&list.title)) };
    // RFC 2369 §3.4: where nobody may post it says so.
    let post = match list.posting {
        Posting::Owners => "NO".to_owned(),
        Posting::Members | Posting::Anybody => format!("<mailto:{}>", list.address),
    };
    fields.push_str(&format!(
        "List-Id: {title}<{}>\r\nList-Post: {post}\r\nList-Help: <mailto:{name}+owner@{domain}?subject=help>\r\n\
         List-Owner: <mailto:{name}+owner@{domain}>\r\nPrecedence: list\r\n",
        id(list)
    ));
    if list.is_open {
        fields.push_str(&format!("List-Subscribe: <mailto:{name}+join@{domain}?subject=join>\r\n"));
    }
    let is_to_go = |field: &header::Field<'_>| {
        let is_of_a_list = field.name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"List-"));
        is_of_a_list || TAKEN_OFF.iter().any(|name| field.is(name)) || !keeps_from && field.is("From")
    };
    let rest = header::without(content, is_to_go);
    [fields.as_bytes(), rest.as_deref().unwrap_or(content)].concat()
}

/// The way out of it, for one member. `pages`: where the pages of this server are, if they are.
pub(super) fn way_out(list: &List, token: &str, pages: Option<&str>) -> String {
    let mail = format!("<mailto:{}+leave-{token}@{}?subject=leave>", list.name(), list.domain());
    match pages {
        // RFC 8058 §3.1: both fields, and a signature over them.
        Some(pages) => format!(
            "List-Unsubscribe: <{pages}/lists/{}/leave/{token}>,\r\n {mail}\r\n\
             List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            list.address
        ),
        None => format!("List-Unsubscribe: {mail}\r\n"),
    }
}
