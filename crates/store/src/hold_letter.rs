//! The message by which the server asks the owner of an account about a hold: plain text in plain words.

use crate::hold::Hold;
use crate::journal::Protocol;
use message::date::format_rfc5322;

/// What was wanted, by whom, and where the answer is given.
pub(crate) struct Wanted<'a> {
    pub(crate) hold: &'a Hold,
    /// Its name.
    pub(crate) device: &'a str,
    /// The name of the mailbox of what is held.
    pub(crate) held_mailbox: &'a str,
    pub(crate) hostname: &'a str,
    pub(crate) pages: &'a str,
}

/// The message (RFC 5322), with CRLF line ends.
pub(crate) fn compose(wanted: &Wanted<'_>) -> Vec<u8> {
    let Wanted { hold, device, held_mailbox, hostname, pages } = wanted;
    let (id, count, at) = (hold.id, hold.messages, hold.began_at.unix_seconds());
    let (over, place) = match hold.protocol {
        Protocol::Imap => {
            ("IMAP", format!("They lie in the mailbox \"{held_mailbox}\" now,\nwhere all your devices find them."))
        }
        _ => ("POP", "They are where they were, for all your other devices.".to_owned()),
    };
    let date = format_rfc5322(at);
    let text = format!(
        "Your device \"{device}\" wanted to delete {count} messages, over {over}, on\n\
         {date}.\n\
         \n\
         It has never deleted nearly as many before. So Pillarbox deleted nothing and\n\
         asks you first.\n\
         {place}\n\
         \n\
         You did not want that? Keep the messages:\n\
         they go back to where they were.\n\
         \n\
         It was what you wanted? Let them be deleted;\n\
         even that can be taken back for some time.\n\
         \n\
         Answer with one click on this page:\n\
         \n    {pages}/held\n\
         \n\
         or ask whoever runs this server to do one of these:\n\
         \n    pillarbox held --account YOUR-ADDRESS keep {id}\
         \n    pillarbox held --account YOUR-ADDRESS allow {id}\n\
         \n\
         As long as you do not answer the messages are kept. What this device deletes\n\
         in the next hours may be held with them, without another message.\n"
    );
    let head = format!(
        "From: Pillarbox <pillarbox@{hostname}>\n\
         Subject: May it delete {count} messages?\n\
         Date: {date}\n\
         Message-ID: <hold.{id}.{at}@{hostname}>\n\
         Auto-Submitted: auto-generated\n\
         MIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\n\n"
    );
    (head + &text).replace('\n', "\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{DeviceId, HoldId, Timestamp};

    #[test]
    fn the_letter_says_who_what_when_and_where_to_answer() {
        for (protocol, place) in
            [(Protocol::Imap, "in the mailbox \"Held\" now"), (Protocol::Pop3, "where they were, for all")]
        {
            let at = Timestamp(1_790_000_000_000);
            let (device, batches) = (DeviceId(1), 1);
            let hold = Hold {
                id: HoldId(7),
                device,
                protocol,
                began_at: at,
                last_at: at,
                messages: 5_000,
                answer: None,
                batches,
                answered: 0,
            };
            let (hostname, pages) = ("mail.example.org", "https://mail.example.org:8443");
            let wanted = Wanted { hold: &hold, device: "Old Outlook", held_mailbox: "Held", hostname, pages };
            let letter = String::from_utf8(compose(&wanted)).unwrap();
            let expected = [
                "\"Old Outlook\" wanted to delete 5000 messages",
                "21 Sep 2026",
                "https://mail.example.org:8443/held\r\n",
                "pillarbox held --account YOUR-ADDRESS keep 7\r\n",
                place,
            ];
            for text in expected {
                assert!(letter.contains(text), "{text}: {letter}");
            }
            assert!(!letter.replace("\r\n", "").contains(['\r', '\n']));
            assert!(letter.lines().all(|line| line.len() <= 80), "{letter}");
            let summary = ::message::Summary::parse(letter.as_bytes());
            assert_eq!(summary.envelope.subject.as_deref(), Some(&b"May it delete 5000 messages?"[..]));
        }
    }
}
