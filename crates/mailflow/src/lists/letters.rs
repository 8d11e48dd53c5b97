//! What a list writes to its members and owners: each in the language that its thread speaks.

use directory::List;
use letter::{Head, language_field, moment, wrapped};
use message::date::format_rfc5322;
use message::surrogate;
use posts::Post;
use store::Timestamp;
use wording::tr;

/// A line of a letter has at most so many columns, unless one word is longer.
const COLUMNS_MAX: usize = 78;
/// A name in words is cut to this length.
const NAME_CHARS_MAX: usize = 200;
/// So many octets of a post are shown to whoever is asked.
const SHOWN_BYTES_MAX: usize = 256 * 1024;

/// Somebody is a member.
pub(super) fn joined(list: &List, to: &str, hostname: &str, now: Timestamp) -> Vec<u8> {
    let list_address = &list.address;
    let text = paragraphs(&[
        &tr!("{to} is a member of this list now, as you wished, and gets what is written to it:", to = to),
        &format!("    {list_address}"),
        tr!("Whatever comes from it has a way out of it."),
    ]);
    letter(list, to, (&tr!("You have joined: {list}", list = list_address), &text), hostname, now)
}

/// A member has left.
pub(super) fn left(list: &List, to: &str, hostname: &str, now: Timestamp) -> Vec<u8> {
    let list_address = &list.address;
    let text = paragraphs(&[
        &tr!("{to} is no member of this list any more, and gets nothing of what is written to it:", to = to),
        &format!("    {list_address}"),
        tr!("That was not you, or not on purpose? Those who look after the list read what is sent to"),
        &format!("    {}+owner@{}", list.name(), list.domain()),
    ]);
    letter(list, to, (&tr!("You have left: {list}", list = list_address), &text), hostname, now)
}

/// Mail for a member came back once too often.
pub(super) fn paused(list: &List, (to, member): (&str, &str), reason: &str, hostname: &str, now: Timestamp) -> Vec<u8> {
    let reason: String = reason.chars().filter(|c| !c.is_control()).take(300).collect();
    let list_address = &list.address;
    let text = paragraphs(&[
        &tr!("Mail for this member of {list} came back on several days:", list = list_address),
        &format!("    {member}"),
        tr!("The last time the other side said:"),
        &format!("    {reason}"),
        tr!(
            "So it gets nothing for now. If the address is good again, let it have mail again under “Lists” on the pages of this \
             server."
        ),
    ]);
    letter(list, to, (&tr!("A member gets no mail: {list}", list = list_address), &text), hostname, now)
}

/// A post could not be handed to some members.
pub(super) fn not_distributed(
    list: &List,
    (to, author): (&str, &str),
    members: &[String],
    hostname: &str,
    now: Timestamp,
) -> Vec<u8> {
    let list_address = &list.address;
    let text = paragraphs(&[
        &tr!(
            "What {author} wrote to {list} could not be handed to these members, though this server tried for days; they will not \
             get it. It is no fault of theirs.",
            author = shown(author),
            list = list_address
        ),
        &format!("    {}", members.join("\n    ")),
    ]);
    letter(list, to, (&tr!("Not all have a message: {list}", list = list_address), &text), hostname, now)
}

/// A post cannot be read any more.
pub(super) fn lost(list: &List, to: &str, post: &Post, hostname: &str, now: Timestamp) -> Vec<u8> {
    let list_address = &list.address;
    let text = paragraphs(&[
        &tr!(
            "What {author} wrote to {list} on {date} goes to nobody any more, because this server cannot read it. Ask them to write \
             it again:",
            author = shown(&post.author),
            list = list_address,
            date = moment(Timestamp(post.at_millis))
        ),
        &format!("    {}", shown(&post.subject)),
    ]);
    letter(list, to, (&tr!("A message is lost: {list}", list = list_address), &text), hostname, now)
}

/// Whether a post is to go out, for an owner of the list.
pub(super) struct Question<'a> {
    pub(super) list: &'a List,
    pub(super) to: &'a str,
    pub(super) post: &'a Post,
    pub(super) why: &'a str,
    pub(super) token: &'a str,
    pub(super) pages: Option<&'a str>,
    pub(super) content: &'a [u8],
}

impl Question<'_> {
    /// The same each time it is written.
    pub(super) fn letter(&self, hostname: &str) -> Vec<u8> {
        let Self { list, to, post, token, .. } = self;
        let (name, domain) = (list.name(), list.domain());
        let id = post.id.0;
        let date = format_rfc5322(post.at_millis / 1000);
        // Nobody else knows it: a line of it in the post would end what the owner sees of it.
        let boundary = format!("=_held_{token}");
        let shown = self.content.get(..SHOWN_BYTES_MAX).unwrap_or(self.content);
        let answer = format!("{name}+held-{token}@{domain}");
        let subject = tr!("Approve? {subject}", subject = post.subject);
        let head = format!(
            "From: <{name}+owner@{domain}>\nTo: <{to}>\nReply-To: <{answer}>\nSubject: {subject}\nDate: {date}\n\
             Message-ID: <held.{name}.{id}@{hostname}>\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n\
             Content-Type: multipart/mixed; boundary=\"{boundary}\"\n{}\n--{boundary}\n\
             Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{}\n--{boundary}\n\
             Content-Type: message/rfc822\nContent-Disposition: attachment\nContent-Transfer-Encoding: 8bit\n\n",
            language_field().replace("\r\n", "\n"),
            self.text(&answer, shown.len())
        );
        let whole =
            [head.replace('\n', "\r\n").as_bytes(), shown, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
        surrogate::message(&whole).unwrap_or(whole)
    }

    /// `shown`: so many octets of the post are attached.
    fn text(&self, answer: &str, shown: usize) -> String {
        let Self { list, post, why, .. } = self;
        let (address, author) = (&list.address, self::shown(&post.author));
        let cut = match shown < self.content.len() {
            true => tr!(
                "It has {size} KiB; only the first {shown} are attached.",
                size = post.size_bytes / 1024,
                shown = shown / 1024
            ),
            false => String::new(),
        };
        let pages = self.pages.map(|pages| (tr!("Or on the page"), format!("    {pages}/lists/{address}")));
        let (or_on, page) = pages.as_ref().map_or(("", ""), |(or_on, page)| (*or_on, page.as_str()));
        paragraphs(&[
            &tr!("This was written to {list} and waits for you or another owner:", list = address),
            &format!("    From:     {author}\n    Subject:  {}", post.subject),
            &tr!("It waits because {why}.", why = why),
            &cut,
            tr!(
                "Answer this mail and begin with the word “approve”, then it goes to all members, or with “reject”, then it goes to \
                 nobody. Or send one of these as it is:"
            ),
            &format!("    mailto:{answer}?subject=approve\n    mailto:{answer}?subject=reject"),
            or_on,
            page,
            tr!("If nobody answers it goes to nobody after a week."),
        ])
    }
}

/// A post goes to nobody.
pub(super) fn refused(post: &Post, is_over: bool, hostname: &str) -> Vec<u8> {
    let (address, subject, id) = (&post.list, &post.subject, post.id.0);
    let (name, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let at = moment(Timestamp(post.at_millis));
    let why = match is_over {
        true => tr!(
            "What you wrote to {list} on {date} goes to nobody, because nobody who looks after the list has said that it may:",
            list = address,
            date = at
        ),
        false => tr!(
            "What you wrote to {list} on {date} goes to nobody, because who looks after the list has said so:",
            list = address,
            date = at
        ),
    };
    let text = paragraphs(&[
        &why,
        &format!("    {subject}"),
        tr!("Those who look after the list read what is sent to"),
        &format!("    {name}+owner@{domain}"),
    ]);
    let date = format_rfc5322(post.at_millis / 1000);
    let whole = format!(
        "From: <{name}+owner@{domain}>\nTo: <{}>\nSubject: {}\nDate: {date}\n\
         Message-ID: <refused.{name}.{id}@{hostname}>\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n{}\n{text}",
        post.author,
        tr!("Not distributed: {subject}", subject = subject),
        language_field().replace("\r\n", "\n"),
    );
    let whole = whole.replace('\n', "\r\n").into_bytes();
    surrogate::message(&whole).unwrap_or(whole)
}

/// A stranger's word.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()
}

/// With an empty line between them; one that begins with blanks stays as it is.
fn paragraphs(all: &[&str]) -> String {
    let all: Vec<&str> = all.iter().filter(|text| !text.is_empty()).copied().collect();
    wrapped(&all.join("\n\n"), COLUMNS_MAX)
}

fn letter(list: &List, to: &str, (subject, text): (&str, &str), hostname: &str, now: Timestamp) -> Vec<u8> {
    let (name, domain) = (list.name(), list.domain());
    let (from, id) = (format!("<{name}+owner@{domain}>"), format!("list.{name}.{}@{hostname}", now.0));
    Head { from: &from, to, subject, id: &id, at: now }.letter(text)
}
