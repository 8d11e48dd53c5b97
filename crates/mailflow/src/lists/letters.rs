//! What a list writes to its members and owners.

use directory::List;
use message::date::format_rfc5322;
use message::surrogate;
use posts::Post;
use store::Timestamp;

/// A name in words is cut to this length.
const NAME_CHARS_MAX: usize = 200;
/// So many octets of a post are shown to whoever is asked.
const SHOWN_BYTES_MAX: usize = 256 * 1024;

/// Somebody is a member.
pub(super) fn joined(list: &List, to: &str, hostname: &str, now: Timestamp) -> Vec<u8> {
    let text = format!(
        "{to}\nis a member of this list now, as you wished, and gets what is written to it:\n\n    {}\n\n\
         Whatever comes from it has a way out of it.\n",
        list.address
    );
    letter(list, to, ("You have joined", &text), hostname, now)
}

/// A member has left.
pub(super) fn left(list: &List, to: &str, hostname: &str, now: Timestamp) -> Vec<u8> {
    let text = format!(
        "{to}\nis no member of this list any more, and gets nothing of what is written to it:\n\n    {}\n\n\
         That was not you, or not on purpose? Those who look after the list read what is sent to\n\n    {}+owner@{}\n",
        list.address,
        list.name(),
        list.domain()
    );
    letter(list, to, ("You have left", &text), hostname, now)
}

/// Mail for a member came back once too often.
pub(super) fn paused(list: &List, (to, member): (&str, &str), reason: &str, hostname: &str, now: Timestamp) -> Vec<u8> {
    let reason: String = reason.chars().filter(|c| !c.is_control()).take(300).collect();
    let text = format!(
        "Mail for this member of {} came back on several days:\n\n    {member}\n\n\
         The last time the other side said:\n\n    {reason}\n\n\
         So it gets nothing for now. If the address is good again, let it have mail again under\n\
         “Lists” on the pages of this server.\n",
        list.address
    );
    letter(list, to, ("A member gets no mail", &text), hostname, now)
}

/// A post could not be handed to some members.
pub(super) fn not_distributed(
    list: &List,
    (to, author): (&str, &str),
    members: &[String],
    hostname: &str,
    now: Timestamp,
) -> Vec<u8> {
    let author = shown(author);
    let text = format!(
        "What {author} wrote to {} could not be handed to these members, though this server tried\nfor days; \
         they will not get it. It is no fault of theirs.\n\n    {}\n",
        list.address,
        members.join("\n    ")
    );
    letter(list, to, ("Not all have a message", &text), hostname, now)
}

/// A post cannot be read any more.
pub(super) fn lost(list: &List, to: &str, post: &Post, hostname: &str, now: Timestamp) -> Vec<u8> {
    let (author, date) = (shown(&post.author), format_rfc5322(post.at_millis / 1000));
    let text = format!(
        "What {author} wrote to {} on {date} goes to nobody any more,\nbecause this server cannot read it. \
         Ask them to write it again:\n\n    {}\n",
        list.address,
        shown(&post.subject)
    );
    letter(list, to, ("A message is lost", &text), hostname, now)
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
        let Self { list, to, post, why, token, .. } = self;
        let (name, domain, address, author) = (list.name(), list.domain(), &list.address, shown(&post.author));
        let (subject, id) = (&post.subject, post.id.0);
        let date = format_rfc5322(post.at_millis / 1000);
        // Nobody else knows it: a line of it in the post would end what the owner sees of it.
        let boundary = format!("=_held_{token}");
        let shown = self.content.get(..SHOWN_BYTES_MAX).unwrap_or(self.content);
        let cut = match shown.len() < self.content.len() {
            true => {
                format!(
                    "It has {} KiB; only the first {} are attached.\n\n",
                    post.size_bytes / 1024,
                    shown.len() / 1024
                )
            }
            false => String::new(),
        };
        let pages = self.pages.map(|pages| format!("Or on the page\n\n    {pages}/lists/{address}\n\n"));
        let answer = format!("{name}+held-{token}@{domain}");
        let head = format!(
            "From: <{name}+owner@{domain}>\nTo: <{to}>\nReply-To: <{answer}>\nSubject: Approve? {subject}\nDate: {date}\n\
             Message-ID: <held.{name}.{id}@{hostname}>\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n\
             Content-Type: multipart/mixed; boundary=\"{boundary}\"\n\n--{boundary}\n\
             Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\
             This was written to {address} and waits for you or another owner:\n\n    From:     {author}\n    \
             Subject:  {subject}\n\nIt waits because {why}.\n\n{cut}\
             Answer this mail and begin with the word “approve”, then it goes to all members, or with\n\
             “reject”, then it goes to nobody. Or send one of these as it is:\n\n    \
             mailto:{answer}?subject=approve\n    mailto:{answer}?subject=reject\n\n{}\
             If nobody answers it goes to nobody after a week.\n\n--{boundary}\n\
             Content-Type: message/rfc822\nContent-Disposition: attachment\nContent-Transfer-Encoding: 8bit\n\n",
            pages.unwrap_or_default()
        );
        let whole =
            [head.replace('\n', "\r\n").as_bytes(), shown, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
        surrogate::message(&whole).unwrap_or(whole)
    }
}

/// A post goes to nobody.
pub(super) fn refused(post: &Post, is_over: bool, hostname: &str) -> Vec<u8> {
    let (address, subject, id) = (&post.list, &post.subject, post.id.0);
    let (name, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let why = match is_over {
        true => "nobody who looks after the list has said that it may",
        false => "who looks after the list has said so",
    };
    let date = format_rfc5322(post.at_millis / 1000);
    let whole = format!(
        "From: <{name}+owner@{domain}>\nTo: <{}>\nSubject: Not distributed: {subject}\nDate: {date}\n\
         Message-ID: <refused.{name}.{id}@{hostname}>\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\
         What you wrote to {address} on {date} goes to nobody,\nbecause {why}:\n\n    {subject}\n\n\
         Those who look after the list read what is sent to\n\n    {name}+owner@{domain}\n",
        post.author
    );
    let whole = whole.replace('\n', "\r\n").into_bytes();
    surrogate::message(&whole).unwrap_or(whole)
}

/// A stranger's word.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()
}

fn letter(list: &List, to: &str, (subject, text): (&str, &str), hostname: &str, now: Timestamp) -> Vec<u8> {
    let (name, domain, date) = (list.name(), list.domain(), format_rfc5322(now.unix_seconds()));
    // RFC 3834 §5: so that nothing answers it.
    let head = format!(
        "From: <{name}+owner@{domain}>\nTo: <{to}>\nSubject: {subject}: {}\nDate: {date}\n\
         Message-ID: <list.{name}.{}@{hostname}>\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n",
        list.address, now.0
    );
    (head + text).replace('\n', "\r\n").into_bytes()
}
