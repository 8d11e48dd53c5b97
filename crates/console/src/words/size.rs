//! What the console says about room.

use super::messages;
use crate::usage::Clearable;
use message::date::format_rfc5322;
use store::{ClearReport, Retained, Timestamp, Usage};

/// Bytes as people read them: `1.5 GiB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let (mut value, mut unit) = (count as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS.get(unit).copied().unwrap_or_default())
}

pub(crate) fn usage(usage: &Usage) -> String {
    let used = bytes(usage.bytes);
    match (usage.quota_bytes, usage.percent()) {
        (Some(quota), Some(percent)) if usage.is_full() => {
            format!("The mailbox is full: it holds {used} of {} ({percent} %). New mail waits outside.", bytes(quota))
        }
        (Some(quota), Some(percent)) => format!("The mailbox holds {used} of {} ({percent} %).", bytes(quota)),
        (Some(_) | None, _) => format!("The mailbox holds {used}."),
    }
}

pub(crate) fn retained(retained: &Retained, oldest_at: Option<&str>) -> String {
    let Some(oldest_at) = oldest_at else { return "Nothing that was removed is kept.".to_owned() };
    let count = messages(usize::try_from(retained.messages).unwrap_or(usize::MAX));
    let size = bytes(retained.bytes);
    format!("{count} can be put back, {size}; the first was removed {oldest_at}.")
}

pub(crate) fn clearable(count: usize, size: u64) -> String {
    let have = if count == 1 { "has" } else { "have" };
    format!("{} ({}) {have} been taken by every POP device of yours. Clear them?", messages(count), bytes(size))
}

/// How far what is known of what devices did goes back.
pub(crate) fn history(octets: u64, octets_max: u64, since: Option<&str>) -> String {
    let since = since.map(|since| format!(" since {}", since.split('T').next().unwrap_or(since))).unwrap_or_default();
    format!(
        "What each device did{since} takes {} of {} at most; the oldest goes first.",
        bytes(octets),
        bytes(octets_max)
    )
}

pub(crate) fn cleared(report: &ClearReport) -> Vec<String> {
    if report.messages == 0 {
        return Vec::new();
    }
    let mut lines = vec![format!("{} ({}): removed from the mailbox", messages(report.messages), bytes(report.bytes))];
    if report.lost_bytes > 0 {
        let lost = bytes(report.lost_bytes);
        lines.push(format!("{lost} of it cannot be put back: removed mail is kept up to a limit only"));
    }
    lines
}

/// The message (RFC 5322) that tells the owner that the mailbox fills up.
pub(crate) fn filling_letter(usage: &Usage, clearable: Option<&Clearable>, hostname: &str, now: Timestamp) -> Vec<u8> {
    let percent = usage.percent().unwrap_or(0);
    let offer = match clearable {
        Some(clearable) => format!(
            "{}\n\
             Your POP devices keep their copies, and the mailbox keeps what is flagged.\n\
             This page does it, and even that can be taken back for some time:\n",
            clearable.text
        ),
        None => "Delete what you do not need any more, or ask whoever runs this server for more\n\
                 room. This page shows how full it is:\n"
            .to_owned(),
    };
    let text = format!(
        "{}\n\
         When it is full, new mail has to wait outside, and after some days its senders\n\
         are told that it did not arrive.\n\
         \n\
         {offer}\
         \n    https://{hostname}/\n",
        self::usage(usage)
    );
    letter(&format!("Your mailbox is {percent} % full"), "full", &text, (hostname, now))
}

/// The message that tells the owner that removed mail cannot be brought back as long as usual.
pub(crate) fn shorter_retention_letter(since: Option<Timestamp>, hostname: &str, now: Timestamp) -> Vec<u8> {
    let rest = match since {
        Some(since) => {
            format!("What was removed since {} can still be put back.", format_rfc5322(since.unix_seconds()))
        }
        None => "None of what was removed before today can be put back any more.".to_owned(),
    };
    let text = format!(
        "The disk of this server is nearly full. To make room, mail that you had removed\n\
         is gone for good now, earlier than usual, the oldest first.\n\
         {rest}\n\
         \n\
         Nothing that is in your mailbox was touched. Whoever runs this server knows of\n\
         it; new mail may have to wait outside until there is room.\n\
         \n    https://{hostname}/\n"
    );
    letter("Removed mail is kept for a shorter time", "room", &text, (hostname, now))
}

fn letter(subject: &str, kind: &str, text: &str, (hostname, now): (&str, Timestamp)) -> Vec<u8> {
    let (date, at) = (format_rfc5322(now.unix_seconds()), now.0);
    // RFC 3834 §5: so that nothing answers it.
    let head = format!(
        "From: Pillarbox <pillarbox@{hostname}>\n\
         Subject: {subject}\n\
         Date: {date}\n\
         Message-ID: <{kind}.{at}@{hostname}>\n\
         Auto-Submitted: auto-generated\n\
         MIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\n\n"
    );
    (head + text).replace('\n', "\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let sizes = [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_572_864, "1.5 MiB")];
        for (count, expected) in sizes.into_iter().chain([(u64::MAX, "16777216.0 TiB")]) {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn the_letter_says_how_full_it_is_and_where_to_go() {
        let full = Usage { bytes: 900, messages: 3, quota_bytes: Some(1000) };
        let offer = Clearable { messages: 2, bytes: 800, oldest_at: None, text: clearable(2, 800) };
        let offered = "2 messages (800 B) have been taken by every POP device of yours. Clear them?\r\n";
        for (offer, expected) in [(Some(&offer), offered), (None, "Delete what you do not need")] {
            let letter = filling_letter(&full, offer, "mail.example.org", Timestamp(1_790_000_000_000));
            let letter = String::from_utf8(letter).unwrap();
            for text in ["holds 900 B of 1000 B (90 %).\r\n", "\r\n    https://mail.example.org/\r\n", expected] {
                assert!(letter.contains(text), "{text}: {letter}");
            }
            assert!(letter.lines().all(|line| line.len() <= 80) && !letter.replace("\r\n", "").contains('\n'));
            let summary = message::Summary::parse(letter.as_bytes());
            assert_eq!(summary.envelope.subject.as_deref(), Some(&b"Your mailbox is 90 % full"[..]));
        }
    }
}
