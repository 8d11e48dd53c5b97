//! An account sends far more than it ever did (`queue::pace`): its owner, and whoever runs the server, get one letter each time that
//! begins. The letters follow the commit that holds the message; if the server dies between, they follow the next message.

use crate::flow::MailFlow;
use auth::Presence;
use letter::{Head, wrapped};
use store::device::Device;
use store::{AccountId, Handover, Timestamp};
use tracing::warn;
use wording::{Later, tr};

/// A line of a letter has at most so many columns, unless one word is longer.
const COLUMNS_MAX: usize = 78;

impl MailFlow {
    /// Tells of messages that wait, unless that is done.
    pub(crate) fn tell_that_it_waits(&self, presence: &Presence, now: Timestamp) {
        let Some(queue) = &self.queue else { return };
        let login = presence.login();
        let told =
            queue.waiting(login.account, 1).map_err(|error| error.to_string()).and_then(|(waiting, first)| match first
                .first()
            {
                Some(first) if !waiting.is_told => {
                    let device = device_name(presence);
                    let is_alone = waiting.devices.contains(&login.device);
                    // Another device that begins is another matter.
                    let number = if is_alone { login.device.0 } else { 0 };
                    let first = First { id: first.id.0, device: &device, is_alone, number };
                    self.send_letters((login.account, &login.name), &first, now)?;
                    queue.told(login.account).map_err(|error| error.to_string())
                }
                Some(_) | None => Ok(()),
            });
        if let Err(error) = told {
            warn!(account = %login.account, error, "nobody could be told that mail waits");
        }
    }

    fn send_letters(
        &self,
        (account, name): (AccountId, &str),
        first: &First<'_>,
        now: Timestamp,
    ) -> Result<(), String> {
        let directory = self.auth.directory();
        let info = directory.account_by_id(account).map_err(|error| error.to_string())?;
        let address = info.map_or_else(|| name.to_owned(), |info| info.address);
        for to in [address.as_str(), "postmaster"] {
            let is_owner = to == address;
            let content = self.writing_to(to, || {
                let text = if is_owner { to_owner(&address, first) } else { to_postmaster(&address, first) };
                letter(&self.hostname, to, (first.id, &text), now)
            });
            // The same letter once more, because another message waits at the same moment, is the same: its receipt is not answered.
            let parts = [b"pace", &account.0.to_be_bytes()[..], &first.id.to_be_bytes(), &first.number.to_be_bytes()];
            let handover = Handover::new(&parts, now, 0);
            self.post(to, &content, handover, now).map(drop).map_err(|error| format!("{error:?}"))?;
        }
        Ok(())
    }
}

/// What began to wait.
struct First<'a> {
    /// The number in the queue of the oldest message that waits.
    id: u64,
    /// The name of the device that sends.
    device: &'a Later,
    /// Only what that sends waits.
    is_alone: bool,
    /// The device's; 0: all of the account waits.
    number: u32,
}

impl First<'_> {
    /// What does not wait.
    fn goes_on(&self) -> &'static str {
        match self.is_alone {
            true => tr!("What other programs of the account send goes on as usual."),
            false => "",
        }
    }
}

/// The name of the device that sends, for people.
fn device_name(presence: &Presence) -> Later {
    let devices = presence.account().devices().unwrap_or_default();
    devices.get(&presence.login().device).map(Device::shown_name).unwrap_or_default()
}

fn to_owner(address: &str, first: &First<'_>) -> String {
    let waits = tr!(
        "So this mail was taken and waits; nothing of it has left. Mail to people whom you have written to before goes on as usual."
    );
    paragraphs(&[
        &tr!(
            "{address} has begun to send mail to far more people whom it never wrote to than ever before. The program that does it \
             is called here:",
            address = address
        ),
        &format!("    {}", first.device),
        waits,
        first.goes_on(),
        tr!(
            "That was not you? Then somebody has your password: take it from that device on the page Devices, or choose a new main \
             password, and throw away what waits."
        ),
        tr!("It was you, and it is meant to go? Then let it go; as much is usual from then on."),
        tr!("Both are done with one click on the page Held, or by whoever runs this server:"),
        &format!("    pillarbox sending let-go {address}\n    pillarbox sending throw-away {address}"),
    ])
}

fn to_postmaster(address: &str, first: &First<'_>) -> String {
    paragraphs(&[
        &tr!(
            "{address} has begun to send mail to far more people whom it never wrote to than ever before. The program that does it \
             is called:",
            address = address
        ),
        &format!("    {}", first.device),
        tr!(
            "This mail was taken and waits; nothing of it has left. The owner of the account was asked. If the password is stolen, \
             whoever has it may answer, too, where it is the main password: set another one first."
        ),
        first.goes_on(),
        &format!(
            "    pillarbox sending show {address}\n    pillarbox sending let-go {address}\n    pillarbox sending throw-away {address}"
        ),
    ])
}

fn paragraphs(all: &[&str]) -> String {
    let all: Vec<&str> = all.iter().filter(|text| !text.is_empty()).copied().collect();
    wrapped(&all.join("\n\n"), COLUMNS_MAX)
}

fn letter(hostname: &str, to: &str, (first, text): (u64, &str), now: Timestamp) -> Vec<u8> {
    let to = if to.contains('@') { to.to_owned() } else { format!("{to}@{hostname}") };
    let (from, id) = (format!("Pillarbox <pillarbox@{hostname}>"), format!("waits.{first}.{}@{hostname}", now.0));
    Head { from: &from, to: &to, subject: tr!("Is this mail yours? It waits"), id: &id, at: now }.letter(text)
}
