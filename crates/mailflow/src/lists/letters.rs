//! What a list writes to its members and owners.

use directory::List;
use message::date::format_rfc5322;
use store::Timestamp;

/// A name in words is cut to this length.
const NAME_CHARS_MAX: usize = 200;

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
         So it gets nothing for now. If the address is good again, an administrator of this\n\
         server lets it have mail again, under “Lists” on the pages.\n",
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
    let author: String = author.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
    let text = format!(
        "What {author} wrote to {} could not be handed to these members, though this server tried\nfor days; \
         they will not get it. It is no fault of theirs.\n\n    {}\n",
        list.address,
        members.join("\n    ")
    );
    letter(list, to, ("Not all have a message", &text), hostname, now)
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
