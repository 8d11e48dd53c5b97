//! How a program is switched from POP to IMAP, step by step.
//!
//! No program turns a POP account into an IMAP account in place: it is added once more, and the old one is taken out when
//! everything is there. The mail that is only in the program goes along by copying it into the new account.

use serde::{Deserialize, Serialize};

/// The steps for one program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchGuide {
    /// The program that they are for.
    pub program: String,
    /// In this order.
    pub steps: Vec<String>,
    /// What to look out for.
    pub hint: String,
}

/// Where a program reads and sends.
#[derive(Clone, Debug)]
pub struct SwitchServers<'a> {
    /// This server.
    pub host: &'a str,
    /// How IMAP is reached: `port 993, SSL/TLS`.
    pub imap: String,
    /// How mail is sent.
    pub send: String,
}

struct Program {
    /// Any of these in what the program calls itself, in lower case.
    marks: &'static [&'static str],
    name: &'static str,
    steps: &'static [&'static str],
    hint: &'static str,
}

const KEEP: &str = "Mail that is only in the program (its local folders) stays there until you copy it: drag it from the old \
                    account into the new one before you remove the old one.";

/// The first that fits. Names of menus are those of the English versions.
const PROGRAMS: &[Program] = &[
    Program {
        marks: &["new outlook", "outlook for windows", "olk"],
        name: "Outlook (new)",
        steps: &[
            "Open Settings (the cog at the top right), then Accounts, then Your accounts.",
            "Choose Add account, type {address}, and choose Continue. If Outlook asks for the kind of account, choose IMAP.",
            "Show more: IMAP server {host}, {imap}. Outgoing server {host}, {send}.",
            "As password take the application password of this device, or a new one from “Add a device”.",
            "When your mail is there, open Manage beside the POP account and choose Remove.",
        ],
        hint: KEEP,
    },
    Program {
        marks: &["outlook", "microsoft"],
        name: "Outlook (classic)",
        steps: &[
            "Open File, then Account Settings, then Manage Profiles (or Control Panel, Mail).",
            "In Email Accounts choose New, then Manual setup, then IMAP.",
            "Incoming server {host}, {imap}. Outgoing server {host}, {send}. User name {address}.",
            "Under More Settings, Outgoing Server, tick “My outgoing server requires authentication”.",
            "Set the new account as default. When your mail is there, select the POP account and choose Remove.",
        ],
        hint: "The POP account has its mail in a .pst file. Removing the account leaves that file; open it with File, Open, \
               Outlook Data File, and drag into the new account what should be on all devices.",
    },
    Program {
        marks: &["k-9", "k9", "thunderbird for android"],
        name: "K-9 Mail and Thunderbird for Android",
        steps: &[
            "Open the menu, then Settings, then Add account, and type {address}.",
            "Choose IMAP; server {host}, {imap}. Outgoing: {host}, {send}.",
            "When your mail is there, open Settings, the POP account, and choose Remove account.",
        ],
        hint: "These programs cannot turn a POP account into an IMAP account; removing the POP account deletes only what is \
               on the phone.",
    },
    Program {
        marks: &["thunderbird", "betterbird"],
        name: "Thunderbird",
        steps: &[
            "Open the menu ☰, then Account Settings, then Account Actions, then Add Mail Account.",
            "Type your name, {address} and the password, and choose Continue; choose IMAP and then Done.",
            "If the servers are not found: IMAP {host}, {imap}; SMTP {host}, {send}; normal password.",
            "Thunderbird says that the account exists already if the name is the same: rename the POP account first.",
            "When your mail is there, select the POP account and choose Account Actions, then Remove Account.",
        ],
        hint: KEEP,
    },
    Program {
        marks: &["iphone", "ipad", "ios", "mobile mail"],
        name: "Mail on iPhone and iPad",
        steps: &[
            "Open Settings, then Apps, then Mail, then Mail Accounts (before iOS 18: Settings, then Mail, then Accounts).",
            "Tap the POP account and Delete Account; what is on this server stays here.",
            "Tap Add Account, then Other, then Add Mail Account, and type {address}.",
            "On the next page tap IMAP at the top. Incoming and outgoing host name: {host}, user name {address}.",
            "Easier: the page “Add a device” makes a profile for iPhone and iPad that does all of it.",
        ],
        hint: "Mail that is only on the phone is deleted with the account. If this device has deleted mail over POP, put it \
               back here first (Timeline, Undo).",
    },
    Program {
        marks: &["apple mail", "mac os x mail", "macos", "mac os"],
        name: "Mail on the Mac",
        steps: &[
            "Open Mail, then Settings, then Accounts.",
            "Choose +, then Other Mail Account, and type {address} and the password.",
            "Account type IMAP; incoming and outgoing mail server {host}; user name {address}.",
            "When your mail is there, select the POP account and choose − to remove it.",
        ],
        hint: KEEP,
    },
];

const ANY: Program = Program {
    marks: &[],
    name: "any program",
    steps: &[
        "Add {address} to the program once more, as an IMAP account, beside the POP account.",
        "Incoming server {host}, {imap}. Outgoing server {host}, {send}. User name {address}.",
        "As password take the application password of this device, or a new one from “Add a device”.",
        "When your mail is there, remove the POP account from the program.",
    ],
    hint: KEEP,
};

/// The steps for a program by what it calls itself (a device's name helps, too); those for any program where that tells
/// nothing. `address`: whose account.
#[must_use]
pub fn switch_guide(program: &str, servers: &SwitchServers<'_>, address: &str) -> SwitchGuide {
    let program = program.to_lowercase();
    let found = PROGRAMS.iter().find(|known| known.marks.iter().any(|mark| program.contains(mark)));
    let found = found.unwrap_or(&ANY);
    let SwitchServers { host, imap, send } = servers;
    let step = |step: &&str| {
        step.replace("{host}", host).replace("{imap}", imap).replace("{send}", send).replace("{address}", address)
    };
    SwitchGuide {
        program: found.name.to_owned(),
        steps: found.steps.iter().map(step).collect(),
        hint: found.hint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_gets_its_own_steps() {
        fn check(program: &str, expected: &str) {
            let (imap, send) = ("port 1993, SSL/TLS".to_owned(), "port 5587, STARTTLS".to_owned());
            let servers = SwitchServers { host: "mail.example.org", imap, send };
            let guide = switch_guide(program, &servers, "alice@example.org");
            assert_eq!(guide.program, expected, "{program}");
            let all = guide.steps.join(" ");
            assert!(
                !all.contains("993,") || all.contains("1993,") && all.contains("5587,"),
                "the ports that there are: {all}"
            );
            assert!(
                all.contains("mail.example.org") && all.contains("alice@example.org") && !all.contains('{'),
                "{all}"
            );
        }
        check("Microsoft Outlook 16.0", "Outlook (classic)");
        check("Old Outlook", "Outlook (classic)");
        check("New Outlook on the laptop", "Outlook (new)");
        check("Thunderbird 140", "Thunderbird");
        check("Thunderbird for Android", "K-9 Mail and Thunderbird for Android");
        check("K-9 Mail", "K-9 Mail and Thunderbird for Android");
        check("iPhone Mail", "Mail on iPhone and iPad");
        check("Mac OS X Mail", "Mail on the Mac");
        check("getmail", "any program");
        check("", "any program");
    }
}
