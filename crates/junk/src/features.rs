//! What is noticed of a message: words and pairs of words, of what a person sees, by where they stand; who sends it; where its
//! links lead; how it is built.
//!
//! Each feature is a hash, known under which words for a verdict's reasons. What is looked at is bounded
//! ([`TEXT_BYTES_MAX`], [`FEATURES_MAX`]), whatever the message is.
//!
//! Not looked at: what is written on the way (`Received`, `Delivered-To`, marks of other filters and of lists) and dates. A
//! filter that learns them learns who delivered the mail, and not what it says.

use crate::{handwriting, html};
use message::header;
use message::structure::{Content, Part, Structure};
use message::transfer::Encoding;
use message::{Envelope, charset, encoded_word, parameter};
use std::collections::{HashSet, VecDeque};
use std::fmt::Write as _;
use twox_hash::XxHash3_64;

/// So much text of a message is looked at, in octets: whoever wants to hide something must put it far down, where no person
/// sees it either.
const TEXT_BYTES_MAX: usize = 48 * 1024;
/// A message has at most so many features.
const FEATURES_MAX: usize = 3000;
/// Of a message so many octets at its beginning are looked at; attachments that come later are not.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// So many parts of a message are looked at.
const PARTS_MAX: usize = 100;
/// A longer word is none.
const WORD_CHARS_MAX: usize = 24;
/// Of a link's path so many words are looked at.
const PATH_WORDS_MAX: usize = 12;
/// How far apart the words of a pair may be. In the corpus each step up to three made the filter better, and four none.
const PAIR_DISTANCE_MAX: usize = 3;
/// The fields that the sender's program writes. How it spells them and in which order they stand is its fingerprint, which
/// says more than the name that it gives itself.
pub(crate) const FIELDS: [&str; 22] = [
    "from",
    "subject",
    "reply-to",
    "to",
    "cc",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
    "content-class",
    "content-language",
    "x-mailer",
    "user-agent",
    "x-mimeole",
    "x-priority",
    "x-msmail-priority",
    "importance",
    "organization",
];

/// What kind of feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Word,
    Pair,
    Subject,
    Sender,
    SenderDomain,
    SenderName,
    ReplyTo,
    Link,
    Program,
    Trait,
    Attachment,
    // Later ones stand here: what was learnt is known by these numbers.
    Shouted,
    Path,
    Built,
}

/// How a message is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Trait {
    CommentInWord,
    HiddenText,
    ImageInsteadOfText,
    Script,
    Form,
    Frame,
    TinyText,
    PaleText,
    RedText,
    LargeText,
    OnlyHtml,
    EncodedText,
    ReplyElsewhere,
    NoName,
    NoSubject,
    ShoutedSubject,
    Answer,
    NoMessageId,
    ManyRecipients,
    Urgent,
    NumberedHost,
    BrokenCharset,
    OddSubjectEnd,
    AnswerToNothing,
    NoHostName,
    BadHelo,
    OwnHelo,
}

/// What is known of a message that does not stand in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether the domain of `From` is proven to be the sender's (DMARC); `None`: not looked at.
    pub proven: Option<bool>,
    /// Of the host that brought it.
    pub doubts: Doubts,
}

/// What is odd about a host. By itself it says nothing; what it says, those teach who get mail of such hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// It calls itself what is no name.
    pub bad_helo: bool,
    /// It calls itself by our name.
    pub own_helo: bool,
    /// Its address has no name that leads back to it.
    pub no_reverse_name: bool,
}

/// The features of a message, each once, the most telling places first.
#[derive(Clone, Debug, Default)]
pub struct Features {
    words: String,
    list: Vec<Feature>,
    known: HashSet<u64>,
    handwriting: Option<Vec<u64>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Feature {
    pub(crate) hash: u64,
    pub(crate) kind: Kind,
    start: u32,
    end: u32,
}

impl Features {
    /// Reads a message.
    #[must_use]
    pub fn of(content: &[u8], facts: Facts) -> Self {
        let content = content.get(..MESSAGE_BYTES_MAX).unwrap_or(content);
        let structure = Structure::parse(content);
        let head = content.get(..header::end(content)).unwrap_or_default();
        let mut features = Self::default();
        features.header(head, facts);
        features.built(head);
        features.parts(content, &structure);
        features.handwriting = Some(handwriting::runs(head));
        features
    }

    /// The same without how the header is written: what was noticed of messages in the beginning.
    #[must_use]
    pub fn without_handwriting(mut self) -> Self {
        self.handwriting = None;
        self
    }

    /// How many there are that have words; at most `FEATURES_MAX`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The hashes of all that is noticed, each once, and whether it is a pair of words.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = (u64, bool)> {
        let list = self.list.iter().map(|feature| (feature.hash, feature.kind == Kind::Pair));
        list.chain(self.handwriting.iter().flatten().map(|hash| (*hash, false)))
    }

    /// How the header is written, as hashes; `None`: it is not looked at.
    pub(crate) fn handwriting(&self) -> Option<&[u64]> {
        self.handwriting.as_deref()
    }

    pub(crate) fn list(&self) -> &[Feature] {
        &self.list
    }

    /// Under which words a feature is known to people.
    pub(crate) fn words(&self, feature: Feature) -> &str {
        self.words.get(feature.start as usize..feature.end as usize).unwrap_or_default()
    }

    fn add(&mut self, kind: Kind, value: &str) {
        if self.list.len() >= FEATURES_MAX || value.is_empty() {
            return;
        }
        let hash = XxHash3_64::oneshot_with_seed(kind as u64, value.as_bytes());
        if !self.known.insert(hash) {
            return;
        }
        let start = self.words.len() as u32;
        // Writing to a string does not fail.
        let _ = write!(self.words, "{}{value}", kind.said());
        self.list.push(Feature { hash, kind, start, end: self.words.len() as u32 });
    }

    fn put(&mut self, found: Trait) {
        self.add(Kind::Trait, found.said());
    }

    fn header(&mut self, head: &[u8], facts: Facts) {
        let envelope = Envelope::parse(head);
        let domain = |address: Option<&message::Address>| lower(address.and_then(|a| a.host.as_deref()));
        let from = envelope.from.first();
        let sender = domain(from);
        self.add(Kind::Sender, &lower(from.and_then(message::Address::addr_spec).as_deref()));
        let Doubts { bad_helo, own_helo, no_reverse_name } = facts.doubts;
        let doubts = [(bad_helo, Trait::BadHelo), (own_helo, Trait::OwnHelo), (no_reverse_name, Trait::NoHostName)];
        doubts.into_iter().filter(|(is_so, _)| *is_so).for_each(|(_, found)| self.put(found));
        match facts.proven {
            Some(true) => self.add(Kind::SenderDomain, &format!("{sender}, proven")),
            Some(false) => self.add(Kind::SenderDomain, &format!("{sender}, not proven")),
            None => self.add(Kind::SenderDomain, &sender),
        }
        let mut at = sender.as_str();
        while let Some((_, parent)) = at.split_once('.').filter(|(_, parent)| !parent.is_empty()) {
            self.add(Kind::SenderDomain, &format!("of {parent}"));
            at = parent;
        }
        let name = from.and_then(|a| a.name.as_deref()).map(encoded_word::decode).unwrap_or_default();
        if name.trim().is_empty() {
            self.put(Trait::NoName);
        }
        each_word(&name, |word| self.add(Kind::SenderName, word));
        let reply_to = domain(envelope.reply_to.first());
        if !reply_to.is_empty() && reply_to != sender {
            self.put(Trait::ReplyElsewhere);
            self.add(Kind::ReplyTo, &reply_to);
        }
        let subject = encoded_word::decode(envelope.subject.as_deref().unwrap_or_default());
        self.subject(&subject);
        if envelope.in_reply_to.is_some() || header::find(head, "references").is_some() {
            self.put(Trait::Answer);
        } else if subject.trim_start().get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:")) {
            self.put(Trait::AnswerToNothing);
        }
        if envelope.message_id.is_none() {
            self.put(Trait::NoMessageId);
        }
        if envelope.to.len() + envelope.cc.len() > 5 {
            self.put(Trait::ManyRecipients);
        }
        let value = |name| header::find(head, name).map(|field| lower(Some(&field.unfolded()))).unwrap_or_default();
        if ["x-priority", "importance"].iter().any(|name| value(name).starts_with(['1', '2', 'h'])) {
            self.put(Trait::Urgent);
        }
        for name in ["x-mailer", "user-agent"] {
            let program = value(name);
            let stem: String = program.chars().take_while(|c| !c.is_ascii_digit() && *c != '(').take(40).collect();
            self.add(Kind::Program, stem.trim());
        }
    }

    fn built(&mut self, head: &[u8]) {
        let mut last = "the beginning";
        for field in header::fields(head) {
            let Some(known) = FIELDS.into_iter().find(|known| field.is(known)) else { continue };
            self.add(Kind::Built, &String::from_utf8_lossy(field.name));
            self.add(Kind::Built, &format!("{last} before {known}"));
            last = known;
        }
        self.add(Kind::Built, &format!("{last} before the end"));
    }

    fn subject(&mut self, subject: &str) {
        if subject.trim().is_empty() {
            self.put(Trait::NoSubject);
        }
        let letters = subject.chars().filter(|c| c.is_alphabetic()).count();
        if letters > 8 && subject.chars().filter(|c| c.is_uppercase()).count() * 10 > letters * 8 {
            self.put(Trait::ShoutedSubject);
        }
        // `Best Life Insurance           NTICY`: a mark against filters that compare messages.
        if subject.contains("      ") {
            self.put(Trait::OddSubjectEnd);
        }
        let mut last = String::new();
        each_word(subject, |word| {
            self.add(Kind::Subject, word);
            self.add(Kind::Word, word);
            if !last.is_empty() {
                self.add(Kind::Subject, &format!("{last} {word}"));
            }
            last = word.to_owned();
        });
    }

    fn parts(&mut self, content: &[u8], structure: &Structure) {
        let leaves = || structure.root.walk().take(PARTS_MAX).filter(|part| part.content == Content::Leaf);
        if leaves().any(|part| part.is("text", "html")) && !leaves().any(|part| part.is("text", "plain")) {
            self.put(Trait::OnlyHtml);
        }
        let mut left = TEXT_BYTES_MAX;
        for part in leaves() {
            let attachment = part.disposition.as_ref().is_some_and(|d| d.kind == "attachment");
            if attachment || part.media_type != "text" {
                self.attachment(part);
                continue;
            }
            let text = text_of(part, content, left);
            left = left.saturating_sub(text.len());
            if part.encoding == "base64" {
                self.put(Trait::EncodedText);
            }
            if text.chars().filter(|c| *c == '\u{fffd}').count() > 20 {
                self.put(Trait::BrokenCharset);
            }
            self.add(Kind::Attachment, &lower(part.parameter("charset")));
            if part.subtype == "html" {
                let seen = html::read(&text);
                seen.traits.iter().for_each(|found| self.put(*found));
                seen.links.iter().for_each(|link| self.link(link));
                self.text(&seen.text);
            } else {
                self.text(&text);
            }
        }
    }

    fn attachment(&mut self, part: &Part) {
        self.add(Kind::Attachment, &format!("{}/{}", part.media_type, part.subtype));
        let disposition = part.disposition.as_ref().and_then(|d| parameter::decoded(&d.parameters, "filename"));
        let name = disposition.or_else(|| parameter::decoded(&part.parameters, "name")).unwrap_or_default();
        if let Some((_, ending)) = name.rsplit_once('.').filter(|(_, ending)| ending.len() <= 5) {
            self.add(Kind::Attachment, &format!(".{}", ending.to_lowercase()));
        }
    }

    fn text(&mut self, text: &str) {
        let mut links = 0;
        for scheme in ["http://", "https://"] {
            for (at, _) in text.match_indices(scheme) {
                links += 1;
                if links > html::LINKS_MAX {
                    break;
                }
                let link = text.get(at..).unwrap_or_default();
                let end = link.find(|c: char| c.is_whitespace() || matches!(c, '>' | '"' | ')')).unwrap_or(link.len());
                self.link(link.get(..html::floor(link, end.min(2048))).unwrap_or_default());
            }
        }
        let is_shouted =
            |word: &&str| (3..WORD_CHARS_MAX).contains(&word.len()) && word.chars().all(char::is_uppercase);
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(is_shouted) {
            self.add(Kind::Shouted, word);
        }
        let mut before = VecDeque::with_capacity(PAIR_DISTANCE_MAX + 1);
        each_word(text, |word| {
            self.add(Kind::Word, word);
            for (distance, earlier) in before.iter().enumerate() {
                let gap = ["", "… ", "… … "].get(distance).copied().unwrap_or_default();
                self.add(Kind::Pair, &format!("{earlier} {gap}{word}"));
            }
            before.push_front(word.to_owned());
            before.truncate(PAIR_DISTANCE_MAX);
        });
    }

    /// A link's host, each domain above it, and words of its path.
    fn link(&mut self, link: &str) {
        let low = link.to_lowercase();
        let Some((scheme, rest)) = low.split_once(':') else { return };
        self.add(Kind::Link, &format!("{scheme}:").chars().take(12).collect::<String>());
        let Some(rest) = rest.strip_prefix("//") else { return };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default();
        if !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            self.put(Trait::NumberedHost);
        }
        let path = rest.split_once('/').map(|(_, path)| path).unwrap_or_default();
        let is_word = |word: &&str| (2..16).contains(&word.len());
        for word in path.split(|c: char| !c.is_alphanumeric()).filter(is_word).take(PATH_WORDS_MAX) {
            self.add(Kind::Path, word);
        }
        let mut at = host;
        for _ in 0..4 {
            self.add(Kind::Link, at);
            match at.split_once('.') {
                Some((_, parent)) => at = parent,
                None => break,
            }
        }
    }
}

/// The text of a part, of at most so many octets of it.
fn text_of(part: &Part, content: &[u8], octets_max: usize) -> String {
    let body = part.body.of(content);
    // In the longest encoding, quoted-printable, an octet takes three.
    let body = body.get(..octets_max * 3).unwrap_or(body);
    let decoded = Encoding::named(&part.encoding).unwrap_or(Encoding::Identity).decode(body);
    let decoded = decoded.get(..octets_max).unwrap_or(&decoded);
    charset::decode(part.parameter("charset").unwrap_or_default(), decoded).into_owned()
}

fn lower(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).to_lowercase()
}

/// Words in lower case: letters and digits, with what holds them together or says the price. Numbers of more than four
/// digits, which say nothing twice, are one word. A run without spaces in a script that has none gives its pairs of letters.
fn each_word(text: &str, mut give: impl FnMut(&str)) {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '$' | '%' | '€' | '£' | '\'' | '-' | '!');
    for run in text.split(|c: char| !is_part(c)) {
        let run = run.trim_matches(['\'', '-']);
        if run.is_empty() {
            continue;
        }
        if run.chars().any(|c| ('\u{2e80}'..='\u{9fff}').contains(&c) || ('\u{ac00}'..='\u{d7a3}').contains(&c)) {
            let letters: Vec<char> = run.chars().collect();
            letters.windows(2).for_each(|pair| give(&pair.iter().collect::<String>()));
            continue;
        }
        let count = run.chars().count();
        if count > 4 && run.chars().all(|c| c.is_ascii_digit()) {
            give("(number)");
        } else if count <= WORD_CHARS_MAX {
            give(&run.to_lowercase());
        } else {
            give("(long word)");
        }
    }
}

impl Kind {
    fn said(self) -> &'static str {
        match self {
            Self::Word | Self::Pair | Self::Trait => "",
            Self::Subject => "subject: ",
            Self::Sender => "from ",
            Self::SenderDomain => "from domain ",
            Self::SenderName => "sender's name: ",
            Self::ReplyTo => "replies to ",
            Self::Link => "link to ",
            Self::Program => "written with ",
            Self::Attachment => "part ",
            Self::Shouted => "in capitals: ",
            Self::Path => "link with ",
            Self::Built => "header: ",
        }
    }
}

impl Trait {
    fn said(self) -> &'static str {
        match self {
            Self::CommentInWord => "HTML comment inside a word",
            Self::HiddenText => "hidden text",
            Self::ImageInsteadOfText => "images instead of text",
            Self::Script => "a script",
            Self::Form => "a form",
            Self::Frame => "a frame or an object",
            Self::TinyText => "tiny text",
            Self::PaleText => "pale text",
            Self::RedText => "red text",
            Self::LargeText => "text of its own size",
            Self::OnlyHtml => "HTML alone",
            Self::EncodedText => "text in base64",
            Self::ReplyElsewhere => "replies go to another domain",
            Self::NoName => "sender without a name",
            Self::NoSubject => "no subject",
            Self::ShoutedSubject => "subject in capitals",
            Self::Answer => "an answer",
            Self::NoMessageId => "no Message-ID",
            Self::ManyRecipients => "many recipients",
            Self::Urgent => "said to be urgent",
            Self::NumberedHost => "link to an IP address",
            Self::BrokenCharset => "wrong charset",
            Self::OddSubjectEnd => "gap in the subject",
            Self::AnswerToNothing => "an answer to no message",
            Self::NoHostName => "a host without a name",
            Self::BadHelo => "a host that calls itself no name",
            Self::OwnHelo => "a host that calls itself by our name",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(content: &str, facts: Facts) -> Vec<String> {
        let features = Features::of(content.as_bytes(), facts);
        features.list().iter().map(|feature| features.words(*feature).to_owned()).collect()
    }

    #[test]
    fn sender_subject_words_pairs_and_links_are_noticed() {
        let words = words_of(
            "From: \"Big Shop\" <offers@mail.shop.example>\r\nReply-To: x@other.example\r\nSubject: =?utf-8?Q?Caf=C3=A9?= now\r\n\r\n\
             Click here: http://user@www.shop.example:80/a?b\r\n1234567 $100 it's\r\n",
            Facts::default(),
        );
        for expected in [
            "from offers@mail.shop.example",
            "from domain mail.shop.example",
            "from domain of shop.example",
            "sender's name: big",
            "replies go to another domain",
            "replies to other.example",
            "subject: café",
            "subject: café now",
            "click here",
            "link to www.shop.example",
            "link to shop.example",
            "(number)",
            "$100",
            "it's",
            "no Message-ID",
        ] {
            assert!(words.iter().any(|word| word == expected), "{expected:?} in {words:?}");
        }
    }

    #[test]
    fn words_that_stand_near_paths_of_links_and_capitals_are_noticed() {
        let words = words_of("\r\none two three four five FREE http://x.example/Win/n/cash?p\r\n", Facts::default());
        for expected in
            ["one two", "one … three", "one … … four", "in capitals: FREE", "link with win", "link with cash"]
        {
            assert!(words.iter().any(|word| word == expected), "{expected:?} in {words:?}");
        }
        assert!(!words.iter().any(|word| word.contains("one … … … five") || word == "link with n"), "{words:?}");
    }

    #[test]
    fn how_a_program_writes_its_header_is_noticed_whatever_it_is_called() {
        let words = words_of(
            "Received: by x\r\nMiME-Version: 1.0\r\nX-Own: y\r\nSubject: RE: hello\r\nTo: a@b\r\n\r\n",
            Facts::default(),
        );
        for expected in [
            "header: MiME-Version",
            "header: the beginning before mime-version",
            "header: mime-version before subject",
            "header: to before the end",
            "an answer to no message",
        ] {
            assert!(words.iter().any(|word| word == expected), "{expected:?} in {words:?}");
        }
        let answer = words_of("Subject: Re: hello\r\nReferences: <a@b>\r\n\r\n", Facts::default());
        assert!(!answer.contains(&"an answer to no message".into()));
    }

    #[test]
    fn a_proven_domain_is_another_feature_than_a_claimed_one() {
        let of = |proven| words_of("From: a@bank.example\r\n\r\n", Facts { proven, ..Facts::default() });
        assert!(of(Some(true)).contains(&"from domain bank.example, proven".into()));
        assert!(of(Some(false)).contains(&"from domain bank.example, not proven".into()));
        assert!(of(None).contains(&"from domain bank.example".into()));
    }

    #[test]
    fn what_is_encoded_or_html_is_read_as_a_person_sees_it() {
        let words = words_of(
            "Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\n\
             PGI+Q3LobWU8L2I+IDxhIGhyZWY9Imh0dHA6Ly8xMC4wLjAuMS8iPngvPg==\r\n",
            Facts::default(),
        );
        for expected in ["crème", "text in base64", "HTML alone", "link to an IP address"] {
            assert!(words.iter().any(|word| word == expected), "{expected:?} in {words:?}");
        }
    }

    #[test]
    fn what_was_written_on_the_way_is_not_learnt() {
        let words = words_of(
            "Received: from uniquehost by other\r\nX-Spam-Flag: YES\r\nList-Id: <uniquelist.example>\r\n\r\nbody\r\n",
            Facts::default(),
        );
        assert!(!words.iter().any(|word| word.contains("unique") || word.contains("yes")), "{words:?}");
    }

    #[test]
    fn hostile_messages_have_few_features() {
        let ten_megabytes: String = (0..1_400_000).map(|n| format!("w{n} ")).collect();
        let links: String = (0..100_000).map(|n| format!("<a href=http://h{n}.example/>x</a>")).collect();
        let nested: String =
            (0..5000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n")).collect();
        let check = |content: &str| {
            let features = Features::of(content.as_bytes(), Facts::default());
            assert!(features.list.len() <= FEATURES_MAX && features.words.len() < FEATURES_MAX * 200);
        };
        check(&format!("Subject: x\r\n\r\n{ten_megabytes}"));
        check(&format!("Subject: {ten_megabytes}\r\n\r\n"));
        check(&format!("Content-Type: text/html\r\n\r\n{links}"));
        check(&nested);
        check(&"<".repeat(1_000_000));
        check(&"http://".repeat(200_000));
        check(&format!("Content-Type: text/html\r\n\r\n{}", "<a href".repeat(100_000)));
        check("");
    }

    #[test]
    fn what_is_odd_about_a_host_is_noticed() {
        let of = |doubts| words_of("From: a@b.example\r\n\r\n", Facts { doubts, ..Facts::default() });
        let none = of(Doubts::default());
        let all = of(Doubts { bad_helo: true, own_helo: true, no_reverse_name: true });
        let odd: Vec<&String> = all.iter().filter(|word| !none.contains(word)).collect();
        assert_eq!(odd.len(), 3, "{odd:?}");
        assert!(odd.iter().any(|word| word.contains("a host without a name")), "{odd:?}");
    }
}
