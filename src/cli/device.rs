//! `pillarbox device`: a password of its own for each program, and what POP3 deletions of it do.

use clap::{Args, Subcommand, ValueEnum};
use server::admin::{Defaults, DeviceItem, DeviceRequest, Item, PopChoice, Request};

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

Examples:
  pillarbox device add alice@example.org phone                     shows the password, once
  pillarbox device add alice@example.org \"old PC\" --policy expunge
  pillarbox device policy alice@example.org \"old PC\" archive --window \"last-days(90)\"
  pillarbox device defaults alice@example.org keep                 for devices that are still to come
  pillarbox device sent alice@example.org printer off
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
    fn with(self, policy: Option<String>) -> PopChoice {
        PopChoice { policy, window: self.window, scope: self.scope }
    }
}

impl Device {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let ask = |request| place.collect(&Request::Device(request));
        let each =
            |text: fn(&DeviceItem) -> String| move |items: &[Item]| items.iter().filter_map(device).map(text).collect();
        match self.verb {
            Verb::Add { account, name, policy, listed } => {
                let pop = listed.with(policy);
                self.format.show(&ask(DeviceRequest::Add { account, name, pop })?, each(added))
            }
            Verb::List { account, revoked } => {
                self.format.show(&ask(DeviceRequest::List { account, revoked })?, table_of)
            }
            Verb::Revoke { account, device } => {
                self.format.show(&ask(DeviceRequest::Revoke { account, device })?, each(revoked))
            }
            Verb::Sent { account, device, saved } => {
                let saved = saved == Switch::On;
                self.format.show(&ask(DeviceRequest::Sent { account, device, saved })?, each(has_sent))
            }
            Verb::OneProgram { account, device } => {
                self.format.show(&ask(DeviceRequest::OneProgram { account, device })?, each(is_one_program))
            }
            Verb::Defaults { account, policy, listed } => {
                let pop = listed.with(policy);
                self.format.show(&ask(DeviceRequest::Defaults { account, pop })?, |items| {
                    items.iter().map(begins_with).collect()
                })
            }
            Verb::Policy { account, device, policy, listed } => {
                let pop = listed.with(policy);
                self.format.show(&ask(DeviceRequest::Policy { account, device, pop })?, each(has_policy))
            }
        }
    }
}

fn device(item: &Item) -> Option<&DeviceItem> {
    if let Item::Device(device) = item { Some(device) } else { None }
}

fn added(device: &DeviceItem) -> String {
    let DeviceItem { id, name, password, .. } = device;
    let password = or_dash(password.as_deref());
    format!("Device {id} “{name}” was added.\nPassword (shown only now): {password}\n")
}

fn revoked(device: &DeviceItem) -> String {
    let DeviceItem { id, name, credential, .. } = device;
    let again = if credential == "main password" {
        "It knows the main password and comes back with its next login; `pillarbox account password` keeps it out.\n"
    } else {
        ""
    };
    format!("Device {id} “{name}” was revoked.\n{again}")
}

fn has_policy(device: &DeviceItem) -> String {
    let DeviceItem { id, name, policy, window, scope, .. } = device;
    format!("Device {id} “{name}”: policy {policy}, window {window}, scope {scope}, from its next POP3 login on.\n")
}

fn has_sent(device: &DeviceItem) -> String {
    let DeviceItem { id, name, saves_sent, .. } = device;
    let is = if *saves_sent { "is" } else { "is not" };
    format!("Device {id} “{name}”: what it sends {is} saved to Sent.\n")
}

fn is_one_program(device: &DeviceItem) -> String {
    let DeviceItem { id, name, .. } = device;
    format!("Device {id} “{name}” is one program.\n")
}

fn begins_with(item: &Item) -> String {
    let Item::Defaults(Defaults { policy, window, scope }) = item else { return String::new() };
    format!("New devices begin with policy {policy}, window {window}, scope {scope}.\n")
}

fn table_of(items: &[Item]) -> String {
    let row = |device: &DeviceItem| {
        let last = match (&device.last_login_at, &device.last_login_from) {
            (Some(at), Some(from)) => format!("{at} from {from}"),
            (Some(at), None) => at.clone(),
            (None, _) => "never".to_owned(),
        };
        let state = device.revoked_at.as_ref().map_or_else(|| device.policy.clone(), |at| format!("revoked {at}"));
        let protocols = or_dash(Some(&device.protocols.join(",")));
        [device.id.to_string(), device.name.clone(), device.credential.clone(), protocols, state, last]
    };
    let rows: Vec<_> = items.iter().filter_map(device).map(row).collect();
    let none = "There are no devices; one is added by `pillarbox device add`, or by a login with the main password.";
    table(["ID", "NAME", "LOGS IN WITH", "USED", "POLICY", "LAST LOGIN"], &rows, none)
}
