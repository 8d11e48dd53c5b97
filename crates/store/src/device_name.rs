//! What devices are called to which no person gave a name. It is kept in English, like the name that a person gave, and told to whoever
//! reads it in their language.

use crate::device::{Credential, Device};
use wording::{Later, tr_later};

const BROWSER: &str = "Browser with your main password";
const MAIL_PROGRAM: &str = "Mail program";
const OVER: &str = " with your main password over ";
const FOR_SENDING: &str = " with your main password for sending";
const IMPORT: &str = "Import from ";
pub(crate) const OTHER_DEVICES: &str = " (other devices)";

/// What a device of the main password is called, by its fingerprint: `imap:Thunderbird`, or `imap` where the program says nothing.
#[must_use]
pub fn main_password_name(fingerprint: &str) -> String {
    let (protocol, program) = fingerprint.split_once(':').unwrap_or((fingerprint, MAIL_PROGRAM));
    match protocol {
        "imap" => format!("{program}{OVER}IMAP"),
        "pop3" => format!("{program}{OVER}POP"),
        "submission" => format!("{program}{FOR_SENDING}"),
        "web" => BROWSER.to_owned(),
        other => format!("{program}{OVER}{other}"),
    }
}

/// What the device of an import is called, by what people know the place as that mail comes from.
#[must_use]
pub fn import_name(place: &str) -> String {
    format!("{IMPORT}{place}")
}

impl Device {
    /// Its name for people: one that the server gave is in the language of whoever reads it, one that a person gave is as it is.
    #[must_use]
    pub fn shown_name(&self) -> Later {
        let given = match &self.credential {
            Credential::ApplicationPassword { .. } => None,
            Credential::MainPassword { .. } => of_main_password(&self.name),
            Credential::Guest { .. } => of_guest(&self.name),
            Credential::Import { .. } => of_import(&self.name),
        };
        given.unwrap_or_else(|| Later::from(&self.name))
    }
}

/// The same of a device that gave way to others, of which only its name is known.
#[must_use]
pub fn shown_name(name: &str) -> Later {
    of_main_password(name).or_else(|| of_guest(name)).or_else(|| of_import(name)).unwrap_or_else(|| name.into())
}

fn of_main_password(name: &str) -> Option<Later> {
    if name == BROWSER {
        return Some(tr_later!("Browser with your main password"));
    }
    let program = |program: &str| match program {
        MAIL_PROGRAM => tr_later!("Mail program"),
        named => named.into(),
    };
    if let Some((named, protocol)) = name.rsplit_once(OVER) {
        let program = program(named);
        return Some(tr_later!("{program} with your main password over {protocol}", program, protocol));
    }
    let program = program(name.strip_suffix(FOR_SENDING)?);
    Some(tr_later!("{program} with your main password for sending", program))
}

fn of_guest(name: &str) -> Option<Later> {
    Some(tr_later!("{name} (other devices)", name = name.strip_suffix(OTHER_DEVICES)?))
}

fn of_import(name: &str) -> Option<Later> {
    Some(tr_later!("Import from {place}", place = name.strip_prefix(IMPORT)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, AccountSettings, DeviceId, Timestamp};
    use wording::{Language, speaking};

    const FINGERPRINTS: [&str; 7] =
        ["web", "imap", "imap:Thunderbird", "pop3", "submission", "submission:mutt", "jmap:Another"];

    type Made = fn(&str) -> Device;

    fn device(name: &str, credential: Credential) -> Device {
        Device::new(DeviceId(3), (name.to_owned(), credential), &AccountSettings::default(), Timestamp(5))
    }

    fn of_main_password(name: &str) -> Device {
        device(name, Credential::MainPassword { fingerprint: "x".to_owned() })
    }

    #[test]
    fn a_name_that_the_server_gave_is_in_the_language_of_whoever_reads_it() {
        let guest = || Credential::Guest { account: AccountId(4), device: DeviceId(0) };
        let names = FINGERPRINTS.map(|fingerprint| (main_password_name(fingerprint), of_main_password as Made));
        let others: [(String, Made); 3] = [
            (format!("{} (AUTH PLAIN)", main_password_name("pop3")), of_main_password),
            (import_name("old.example (alice)"), |name| {
                device(name, Credential::Import { source: "imap://old.example".to_owned() })
            }),
            (format!("bob@example.org{OTHER_DEVICES}"), |name| {
                device(name, Credential::Guest { account: AccountId(4), device: DeviceId(0) })
            }),
        ];
        for (name, made) in names.into_iter().chain(others) {
            let of_device = made(&name).shown_name();
            assert_eq!(of_device.to_string(), name, "English is as it is kept");
            assert_eq!(of_device, shown_name(&name));
            for language in [Language::German, Language::Japanese] {
                assert_ne!(speaking(language, || of_device.to_string()), name, "{language:?}");
            }
        }
        let german = |device: Device| speaking(Language::German, || device.shown_name().to_string());
        assert_eq!(
            german(of_main_password(&main_password_name("imap"))),
            "Mailprogramm mit Ihrem Hauptpasswort über IMAP"
        );
        assert_eq!(german(device("bob@example.org", guest())), "bob@example.org");
    }

    #[test]
    fn a_name_that_a_person_gave_is_as_it_is() {
        for name in FINGERPRINTS.map(main_password_name).into_iter().chain([import_name("x"), "phone".to_owned()]) {
            let own = device(&name, Credential::ApplicationPassword { hash: [1; 32] });
            assert_eq!(speaking(Language::German, || own.shown_name().to_string()), name);
        }
    }
}
