//! `pillarbox device`: a password of its own for each program, and what POP3 deletions of it do.

use clap::{Args, Subcommand, ValueEnum};
use console::{AddedDevice, Defaults, DeviceCard, NewToken, PopChoice, TOKEN_DAYS};
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::{Format, or_dash, table};

/// Add, list and revoke the devices of an account
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Device {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
A device is a program with a password of its own. Lost the phone? Revoke it; nothing else has to be changed. Programs
that log in with the main password are listed too, told apart by protocol and by what they call themselves.

What a POP3 program deletes leaves its own list for good. What that does to the mailbox is the device's policy:
  keep-when-shared        nothing, as long as another device reads the account; else delete means delete (the default)
  keep                    nothing
  mark-read               the message is marked as read
  archive, trash          the message goes to that mailbox
  expunge                 it is deleted for everybody
  expunge-after-days(30)  it is deleted for everybody so many days later
  expunge-when-all-pop-devices-have-it
                          it is deleted for everybody once every device that uses POP3 has taken or deleted it
A policy is about what the program deletes from then on.

Which mail it lists is the device's window and scope:
  --window everything (the default), from-now-on, last-days(30)
  --scope inbox-and-filed  INBOX, and what came there since the device was added and another device filed away before
                           this one took it (the default)
          inbox            INBOX only
          all-but-special  everything but Junk, Trash, Sent and Drafts
A user name of recent:alice@example.org lists the last 30 days, alice+Archive@example.org the mailbox Archive.

What a device sends is saved to Sent, once: a copy that its program files there itself takes the place of the server's.
`pillarbox device sent` with off leaves Sent to the program.

A token opens the door for a program that logs in by OAuth (OAUTHBEARER, XOAUTH2) and takes one that it is given. It
counts for some days, and is taken back with its device.

Examples:
  pillarbox device add alice@example.org phone                     shows the password, once
  pillarbox device add alice@example.org \"old PC\" --policy expunge
  pillarbox device policy alice@example.org \"old PC\" archive --window \"last-days(90)\"
  pillarbox device defaults alice@example.org keep                 for devices that are still to come
  pillarbox device sent alice@example.org printer off
  pillarbox device token alice@example.org script --days 30        shows the token, once
  pillarbox device list alice@example.org
  pillarbox device revoke alice@example.org phone";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add a device; its password is generated and shown once
    Add {
        /// Whose
        account: String,
        /// Its name, for you
        name: String,
        /// What its POP3 deletions do to the mailbox
        #[arg(long, value_name = "POLICY", value_parser = policy)]
        policy: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
    /// List the devices of an account
    List {
        /// Whose
        account: String,
        /// Also those that were revoked
        #[arg(long)]
        revoked: bool,
    },
    /// Give a device a token, in place of the one that it had; it is shown once
    Token {
        /// Whose
        account: String,
        /// Its name or number
        device: String,
        /// For how many days it counts
        #[arg(long, default_value_t = TOKEN_DAYS)]
        days: u16,
    },
    /// Take a device's right to log in, at once
    Revoke {
        /// Whose
        account: String,
        /// Its name or number
        device: String,
    },
    /// Choose whether what a device sends is saved to Sent
    Sent {
        /// Whose
        account: String,
        /// Its name or number
        device: String,
        /// on: it is; off: it is not
        saved: Switch,
    },
    /// Say that it is one POP3 program, which was updated, where two seem to log in with the main password
    OneProgram {
        /// Whose
        account: String,
        /// Its name or number
        device: String,
    },
    /// Choose what new devices of an account begin with, or show it
    Defaults {
        /// Whose
        account: String,
        /// What their POP3 deletions do
        #[arg(value_parser = policy)]
        policy: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
    /// Change what a device's POP3 deletions do to the mailbox
    Policy {
        /// Whose
        account: String,
        /// Its name or number
        device: String,
        /// What they do
        #[arg(value_parser = policy)]
        policy: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// Which mail a POP3 device lists
#[derive(Debug, Args)]
struct Listed {
    /// From when on it lists mail
    #[arg(long, value_parser = window)]
    window: Option<String>,
    /// Which mailboxes it lists mail from
    #[arg(long, value_parser = scope)]
    scope: Option<String>,
}

fn policy(name: &str) -> Result<String, String> {
    PopChoice { policy: Some(name.to_owned()), ..PopChoice::default() }.check().map(|()| name.to_owned())
}

fn window(name: &str) -> Result<String, String> {
    PopChoice { window: Some(name.to_owned()), ..PopChoice::default() }.check().map(|()| name.to_owned())
}

fn scope(name: &str) -> Result<String, String> {
    PopChoice { scope: Some(name.to_owned()), ..PopChoice::default() }.check().map(|()| name.to_owned())
}

impl Listed {
    fn with(self, policy: Option<String>, call: Call) -> Call {
        call.with("policy", policy).with("window", self.window).with("scope", self.scope)
    }
}

impl Device {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let Self { format, verb } = self;
        let of = |endpoint: &str, account: String, device: String| Call::new(endpoint).of(account).at("id", device);
        let change = "POST /api/v1/devices/{id}";
        match verb {
            Verb::Add { account, name, policy, listed } => {
                let call = Call::new("POST /api/v1/operator/devices").of(account).with("name", name);
                format.each(place, &listed.with(policy, call), added).map(drop)
            }
            Verb::List { account, revoked } => {
                format.list(place, &Call::new("GET /api/v1/devices").of(account).with("revoked", revoked), table_of)
            }
            Verb::Token { account, device, days } => {
                let call = of("POST /api/v1/devices/{id}/token", account, device).with("days", days);
                format.each(place, &call, has_token).map(drop)
            }
            Verb::Revoke { account, device } => {
                format.each(place, &of("POST /api/v1/devices/{id}/revoke", account, device), revoked).map(drop)
            }
            Verb::Sent { account, device, saved } => {
                let call = of(change, account, device).with("saves_sent", saved == Switch::On);
                format.each(place, &call, has_sent).map(drop)
            }
            Verb::OneProgram { account, device } => format
                .each(place, &of("POST /api/v1/devices/{id}/one-program", account, device), is_one_program)
                .map(drop),
            Verb::Defaults { account, policy, listed } => {
                let call = listed.with(policy, Call::new("POST /api/v1/defaults").of(account));
                format.each(place, &call, begins_with).map(drop)
            }
            Verb::Policy { account, device, policy, listed } => {
                format.each(place, &listed.with(policy, of(change, account, device)), has_policy).map(drop)
            }
        }
    }
}

fn added(device: &AddedDevice) -> String {
    let AddedDevice { card, password } = device;
    format!("Device {} “{}” was added.\nPassword (shown only now): {password}\n", card.id, card.name)
}

fn has_token(made: &NewToken) -> String {
    let NewToken { card, token, expires_at } = made;
    format!("Device {} “{}” has a token until {expires_at}.\nToken (shown only now): {token}\n", card.id, card.name)
}

fn revoked(device: &DeviceCard) -> String {
    let DeviceCard { id, name, own_password, is_import, .. } = device;
    let again = if *is_import {
        "The next import of the same mail begins from nothing.\n"
    } else if *own_password {
        ""
    } else {
        "It knows the main password and comes back with its next login; `pillarbox account password` keeps it out.\n"
    };
    format!("Device {id} “{name}” was revoked.\n{again}")
}

fn has_policy(device: &DeviceCard) -> String {
    let DeviceCard { id, name, policy, window, scope, .. } = device;
    format!("Device {id} “{name}”: policy {policy}, window {window}, scope {scope}, from its next POP3 login on.\n")
}

fn has_sent(device: &DeviceCard) -> String {
    let DeviceCard { id, name, saves_sent, .. } = device;
    let is = if *saves_sent { "is" } else { "is not" };
    format!("Device {id} “{name}”: what it sends {is} saved to Sent.\n")
}

fn is_one_program(device: &DeviceCard) -> String {
    let DeviceCard { id, name, .. } = device;
    format!("Device {id} “{name}” is one program.\n")
}

fn begins_with(defaults: &Defaults) -> String {
    let Defaults { policy, window, scope, .. } = defaults;
    format!("New devices begin with policy {policy}, window {window}, scope {scope}.\n")
}

fn table_of(devices: &[DeviceCard]) -> String {
    let row = |device: &DeviceCard| {
        let last = match (&device.last_seen_at, &device.last_seen_from) {
            (Some(at), Some(from)) => format!("{at} from {from}"),
            (Some(at), None) => at.clone(),
            (None, _) => "never".to_owned(),
        };
        let state = device.revoked_at.as_ref().map_or_else(|| device.policy.clone(), |at| format!("revoked {at}"));
        let protocols = or_dash(Some(&device.protocols.join(",").to_lowercase()));
        let credential = match (device.own_password, &device.token_until) {
            (false, _) if device.is_import => "nothing: an import",
            (true, None) => "application password",
            (true, Some(_)) => "application password, token",
            (false, _) => "main password",
        };
        [device.id.to_string(), device.name.clone(), credential.to_owned(), protocols, state, last]
    };
    let rows: Vec<_> = devices.iter().map(row).collect();
    let none = "There are no devices; one is added by `pillarbox device add`, or by a login with the main password.";
    table(["ID", "NAME", "LOGS IN WITH", "USED", "POLICY", "LAST LOGIN"], &rows, none)
}
