//! How a program is switched from POP to IMAP, step by step.
//!
//! No program turns a POP account into an IMAP account in place: it is added once more, and the old one is taken out when
//! everything is there. The mail that is only in the program goes along by copying it into the new account.

use serde::{Deserialize, Serialize};
use wording::tr;

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
    name: fn() -> &'static str,
    steps: fn(&Places<'_>) -> Vec<String>,
    hint: fn() -> &'static str,
}

/// What stands in the steps.
struct Places<'a> {
    host: &'a str,
    imap: &'a str,
    send: &'a str,
    address: &'a str,
}

fn keep() -> &'static str {
    tr!(
        "Mail that is only in the program (its local folders) stays there until you copy it: drag it from the old account into \
         the new one before you remove the old one."
    )
}

/// The first that fits. Names of menus are those that the programs have in the language of the sentence.
const PROGRAMS: &[Program] = &[
    Program {
        marks: &["new outlook", "outlook for windows", "olk"],
        name: || tr!("Outlook (new)"),
        steps: |places| {
            vec![
                tr!("Open Settings (the cog at the top right), then Accounts, then Your accounts.").to_owned(),
                tr!(
                    "Choose Add account, type {address}, and choose Continue. If Outlook asks for the kind of account, choose IMAP.",
                    address = places.address
                ),
                tr!(
                    "Show more: IMAP server {host}, {imap}. Outgoing server {host}, {send}.",
                    host = places.host,
                    imap = places.imap,
                    send = places.send
                ),
                tr!("As password take the application password of this device, or a new one from “Add a device”.")
                    .to_owned(),
                tr!("When your mail is there, open Manage beside the POP account and choose Remove.").to_owned(),
            ]
        },
        hint: keep,
    },
    Program {
        marks: &["outlook", "microsoft"],
        name: || tr!("Outlook (classic)"),
        steps: |places| {
            vec![
                tr!("Open File, then Account Settings, then Manage Profiles (or Control Panel, Mail).").to_owned(),
                tr!("In Email Accounts choose New, then Manual setup, then IMAP.").to_owned(),
                tr!(
                    "Incoming server {host}, {imap}. Outgoing server {host}, {send}. User name {address}.",
                    host = places.host,
                    imap = places.imap,
                    send = places.send,
                    address = places.address
                ),
                tr!("Under More Settings, Outgoing Server, tick “My outgoing server requires authentication”.")
                    .to_owned(),
                tr!(
                    "Set the new account as default. When your mail is there, select the POP account and choose Remove."
                )
                .to_owned(),
            ]
        },
        hint: || {
            tr!(
                "The POP account has its mail in a .pst file. Removing the account leaves that file; open it with File, Open, \
               Outlook Data File, and drag into the new account what should be on all devices."
            )
        },
    },
    Program {
        marks: &["k-9", "k9", "thunderbird for android"],
        name: || tr!("K-9 Mail and Thunderbird for Android"),
        steps: |places| {
            vec![
                tr!("Open the menu, then Settings, then Add account, and type {address}.", address = places.address),
                tr!(
                    "Choose IMAP; server {host}, {imap}. Outgoing: {host}, {send}.",
                    host = places.host,
                    imap = places.imap,
                    send = places.send
                ),
                tr!("When your mail is there, open Settings, the POP account, and choose Remove account.").to_owned(),
            ]
        },
        hint: || {
            tr!(
                "These programs cannot turn a POP account into an IMAP account; removing the POP account deletes only what is \
               on the phone."
            )
        },
    },
    Program {
        marks: &["thunderbird", "betterbird"],
        name: || "Thunderbird",
        steps: |places| {
            vec![
            tr!("Open the menu ☰, then Account Settings, then Account Actions, then Add Mail Account.").to_owned(),
            tr!("Type your name, {address} and the password, and choose Continue; choose IMAP and then Done.", address = places.address),
            tr!("If the servers are not found: IMAP {host}, {imap}; SMTP {host}, {send}; normal password.", host = places.host, imap = places.imap, send = places.send),
            tr!("Thunderbird says that the account exists already if the name is the same: rename the POP account first.").to_owned(),
            tr!("When your mail is there, select the POP account and choose Account Actions, then Remove Account.").to_owned(),]
        },
        hint: keep,
    },
    Program {
        marks: &["iphone", "ipad", "ios", "mobile mail"],
        name: || tr!("Mail on iPhone and iPad"),
        steps: |places| {
            vec![
            tr!("Open Settings, then Apps, then Mail, then Mail Accounts (before iOS 18: Settings, then Mail, then Accounts).").to_owned(),
            tr!("Tap the POP account and Delete Account; what is on this server stays here.").to_owned(),
            tr!("Tap Add Account, then Other, then Add Mail Account, and type {address}.", address = places.address),
            tr!("On the next page tap IMAP at the top. Incoming and outgoing host name: {host}, user name {address}.", host = places.host, address = places.address),
            tr!("Easier: the page “Add a device” makes a profile for iPhone and iPad that does all of it.").to_owned(),]
        },
        hint: || {
            tr!(
                "Mail that is only on the phone is deleted with the account. If this device has deleted mail over POP, put it \
               back here first (Timeline, Undo)."
            )
        },
    },
    Program {
        marks: &["apple mail", "mac os x mail", "macos", "mac os"],
        name: || tr!("Mail on the Mac"),
        steps: |places| {
            vec![
                tr!("Open Mail, then Settings, then Accounts.").to_owned(),
                tr!(
                    "Choose +, then Other Mail Account, and type {address} and the password.",
                    address = places.address
                ),
                tr!(
                    "Account type IMAP; incoming and outgoing mail server {host}; user name {address}.",
                    host = places.host,
                    address = places.address
                ),
                tr!("When your mail is there, select the POP account and choose − to remove it.").to_owned(),
            ]
        },
        hint: keep,
    },
];

const ANY: Program = Program {
    marks: &[],
    name: || tr!("any program"),
    steps: |places| {
        vec![
            tr!(
                "Add {address} to the program once more, as an IMAP account, beside the POP account.",
                address = places.address
            ),
            tr!(
                "Incoming server {host}, {imap}. Outgoing server {host}, {send}. User name {address}.",
                host = places.host,
                imap = places.imap,
                send = places.send,
                address = places.address
            ),
            tr!("As password take the application password of this device, or a new one from “Add a device”.")
                .to_owned(),
            tr!("When your mail is there, remove the POP account from the program.").to_owned(),
        ]
    },
    hint: keep,
};

/// The steps for a program by what it calls itself (a device's name helps, too); those for any program where that tells
/// nothing. `address`: whose account.
#[must_use]
pub fn switch_guide(program: &str, servers: &SwitchServers<'_>, address: &str) -> SwitchGuide {
    let program = program.to_lowercase();
    let found = PROGRAMS.iter().find(|known| known.marks.iter().any(|mark| program.contains(mark)));
    let found = found.unwrap_or(&ANY);
    let SwitchServers { host, imap, send } = servers;
    let steps = (found.steps)(&Places { host, imap, send, address });
    SwitchGuide { program: (found.name)().to_owned(), steps, hint: (found.hint)().to_owned() }
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
