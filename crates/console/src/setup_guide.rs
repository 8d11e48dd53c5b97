//! How a program is set up, step by step. The settings themselves stand beside the steps, in a table.

use serde::{Deserialize, Serialize};
use wording::tr;

/// What is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetupProgram {
    /// Mail on iPhone, iPad and Mac.
    Iphone,
    /// Thunderbird for Android, K-9 Mail.
    Android,
    /// Thunderbird on a computer.
    Thunderbird,
    /// Outlook.
    Outlook,
    /// Anything else.
    Other,
}

/// How a program reads mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// All devices see the same.
    Imap,
    /// The device downloads.
    Pop3,
}

/// The steps for one program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupGuide {
    /// The program that they are for.
    pub program: String,
    /// In this order.
    pub steps: Vec<String>,
}

impl SetupProgram {
    /// In the order in which they are offered.
    pub const ALL: [Self; 5] = [Self::Iphone, Self::Android, Self::Thunderbird, Self::Outlook, Self::Other];

    /// Its name in forms, commands and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Iphone => "iphone",
            Self::Android => "android",
            Self::Thunderbird => "thunderbird",
            Self::Outlook => "outlook",
            Self::Other => "other",
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Iphone => tr!("iPhone, iPad or Mac"),
            Self::Android => "Android",
            Self::Thunderbird => "Thunderbird",
            Self::Outlook => "Outlook",
            Self::Other => tr!("Another program"),
        }
    }

    /// What a device with it may be called.
    #[must_use]
    pub fn device_name(self) -> &'static str {
        match self {
            Self::Iphone => "iPhone",
            Self::Android => tr!("Android phone"),
            Self::Thunderbird => "Thunderbird",
            Self::Outlook => "Outlook",
            Self::Other => tr!("Mail program"),
        }
    }

    /// The program of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|program| program.name() == name)
    }
}

impl Access {
    /// Its name in forms, commands and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
        }
    }

    /// As programs call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Imap => "IMAP",
            Self::Pop3 => "POP",
        }
    }

    /// The access of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Imap, Self::Pop3].into_iter().find(|access| access.name() == name)
    }
}

/// The steps for a program. Names of menus are those that the programs have in the language of the sentence.
#[must_use]
pub fn setup_guide(program: SetupProgram, access: Access) -> SetupGuide {
    let kind = access.title();
    let steps: Vec<String> = match program {
        SetupProgram::Iphone => [
            tr!("On the iPhone or iPad, point the camera at the code below and open the link in Safari; or open it there with the \
             button, if this page is open on the device itself. The link works once, for ten minutes."),
            tr!("Safari says that a configuration profile was downloaded: choose Allow."),
            tr!("Open Settings and tap “Profile Downloaded” near the top (on a Mac: System Settings, General, Device Management)."),
            tr!("Tap Install. It says “Not Signed”, which is true: your own server made it, for you."),
            tr!("Open Mail: your mail is there. The profile holds the password; you need not type it."),
        ]
        .map(str::to_owned)
        .to_vec(),
        SetupProgram::Android => [
            tr!("Install Thunderbird for Android, or K-9 Mail."),
            tr!("Open it. At the first start choose Import settings; otherwise open Settings, then Import settings."),
            tr!("Choose “Scan QR code” (it is meant for codes of Thunderbird on a computer, and reads this one, too)."),
            tr!("Point the camera at the code below. It holds the password, so show it to nobody."),
            tr!("Without a code: Add account, type your address and this password, and take the settings below."),
        ]
        .map(str::to_owned)
        .to_vec(),
        SetupProgram::Thunderbird => vec![
            tr!("Open the menu ☰, then Account Settings, then Account Actions, then Add Mail Account.").to_owned(),
            tr!("Type your name, your address and the password below, and choose Continue.").to_owned(),
            tr!("Thunderbird finds the servers by itself; choose {kind}, then Done.", kind = kind),
            tr!("If it does not find them, choose Configure manually and take the settings below; authentication is “Normal \
             password”.")
                .to_owned(),
        ],
        SetupProgram::Outlook => vec![
            tr!("New Outlook: open Settings (the cog), Accounts, Add account, type your address, and choose {kind}.", kind = kind),
            tr!("Classic Outlook: open File, Add Account, type your address, tick “Let me set up my account manually”, and \
                 choose {kind}.", kind = kind),
            tr!("Take the servers and ports below; encryption is SSL/TLS for both.").to_owned(),
            tr!("The password is the one below. Outgoing mail needs the same user name and password.").to_owned(),
        ],
        SetupProgram::Other => vec![
            tr!("Add an account to the program, by hand if it asks.").to_owned(),
            tr!("The kind of account is {kind}; take the settings below.", kind = kind),
            tr!("The password is the one below, for reading and for sending.").to_owned(),
        ],
    };
    SetupGuide { program: program.title().to_owned(), steps }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_steps_that_name_how_it_reads() {
        for program in SetupProgram::ALL {
            assert_eq!(SetupProgram::named(program.name()), Some(program));
            for access in [Access::Imap, Access::Pop3] {
                assert_eq!(Access::named(access.name()), Some(access));
                let guide = setup_guide(program, access);
                assert!(guide.steps.len() >= 3, "{program:?}");
                let names_it = guide.steps.iter().any(|step| step.contains(access.title()));
                // A profile and a code say it themselves.
                let by_itself = matches!(program, SetupProgram::Iphone | SetupProgram::Android);
                assert!(names_it || by_itself, "{program:?} {access:?}");
            }
        }
        assert_eq!((SetupProgram::named("pine"), Access::named("IMAP")), (None, None));
    }
}
