//! `pillarbox account`: who gets mail here and may log in.

use std::io::{IsTerminal, Write, stderr, stdin};

use clap::{Args, Subcommand, ValueEnum};
use server::admin::{
    AccountDetails, AccountItem, AccountLine, AccountRequest, ClearAnswer, ClearAsk, Item, Light, PeopleRequest,
    Request,
};

use super::failure::Failure;
use super::invite::made;
use super::password::NewPassword;
use super::place::Place;
use super::request::link;
use super::show::{Format, bytes, or_dash, table};
use super::size::{Quota, parse_quota};
use super::{Outcome, say};

/// Add, list, show, change and remove accounts
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Account {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  pillarbox domain add example.org                      first: mail for example.org is ours
  pillarbox account add alice@example.org --generate    make an account, with a password that is shown once
  pillarbox account add bob@example.org --name Bob      asks for the password
  echo SECRET | pillarbox account password bob@example.org --password-stdin
  pillarbox account list --json | jq .address
  pillarbox account disable bob@example.org             no login; mail goes on to arrive
  pillarbox account link bob@example.org                Bob has forgotten his password: he chooses a new one
  pillarbox account quota alice@example.org 5GB         her mailboxes hold no more than that
  pillarbox account clear alice@example.org --taken-by-all-pop --older-than-days 30 --dry-run
  pillarbox account admin alice@example.org on          Alice may use the pages of administration";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make an account; its domain must be local
    Add {
        /// Such as alice@example.org; also the name to log in with
        address: String,
        /// Its owner's name
        #[arg(long, default_value = "", hide_default_value = true)]
        name: String,
        #[command(flatten)]
        password: NewPassword,
    },
    /// List all accounts
    List,
    /// Tell for all accounts whether a device takes mail from the others, and whether what is stored is sound
    Report,
    /// Show an account: its mailboxes, aliases, number of devices
    Show {
        /// Which
        address: String,
    },
    /// Set the main password; sessions that are open go on
    Password {
        /// Whose
        address: String,
        #[command(flatten)]
        password: NewPassword,
    },
    /// Make a link with which its owner chooses a new password, once
    Link {
        /// Whose
        address: String,
    },
    /// Take the right to log in; mail goes on to arrive
    Disable {
        /// Whose
        address: String,
    },
    /// Give back the right to log in
    Enable {
        /// Whose
        address: String,
    },
    /// Let its owner do on the pages what an operator does here
    Admin {
        /// Whose
        address: String,
        /// Whether the owner is an administrator from now on
        value: Switch,
    },
    /// Switch the second factor off, for an owner who has lost it
    TotpOff {
        /// Whose
        address: String,
    },
    /// Show how full the mailboxes are, or change how much they may hold
    Quota {
        /// Whose
        address: String,
        /// 5GB, 500MiB or none; without it nothing is changed
        #[arg(value_parser = parse_quota)]
        quota: Option<Quota>,
    },
    /// Make room: remove mail that need not be kept; it can be taken back
    Clear {
        /// Whose
        address: String,
        /// What every POP device has taken, but not what is flagged
        #[arg(long, required = true)]
        taken_by_all_pop: bool,
        /// Only what arrived more than so many days ago
        #[arg(long, value_name = "DAYS")]
        older_than_days: Option<u16>,
        /// Only tell what would happen
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove an account with all its mail, for good
    Remove {
        /// Which
        address: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    On,
    Off,
}

impl Account {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let (request, done) = match self.verb {
            Verb::List => return list(place, self.format),
            Verb::Report => return report(place, self.format),
            Verb::Show { address } => return show(place, address, self.format),
            Verb::Link { address } => {
                let items = place.collect(&Request::People(PeopleRequest::PasswordLink { address }))?;
                return self.format.show(&items, |items| items.iter().filter_map(link).map(made).collect());
            }
            Verb::Quota { address, quota: None } => return usage(place, address, self.format),
            Verb::Clear { address, taken_by_all_pop: _, older_than_days, dry_run } => {
                return clear(place, address, ClearAsk { older_than_days, dry_run }, self.format);
            }
            Verb::Quota { address, quota: Some(Quota(bytes)) } => {
                (AccountRequest::SetQuota { address, bytes }, "has a new quota")
            }
            Verb::Remove { address, yes } => return remove(place, address, yes),
            Verb::Add { address, name, password } => {
                (AccountRequest::Add { address, name, password: password.obtain()? }, "was added")
            }
            Verb::Password { address, password } => {
                (AccountRequest::Password { address, password: password.obtain()? }, "has a new password")
            }
            Verb::Disable { address } => {
                (AccountRequest::SetDisabled { address, disabled: true }, "cannot log in any more")
            }
            Verb::Admin { address, value } => {
                let (admin, done) = match value {
                    Switch::On => (true, "is an administrator now"),
                    Switch::Off => (false, "is no administrator any more"),
                };
                (AccountRequest::SetAdmin { address, admin }, done)
            }
            Verb::TotpOff { address } => {
                (AccountRequest::SecondFactorOff { address }, "logs in with the password alone again")
            }
            Verb::Enable { address } => (AccountRequest::SetDisabled { address, disabled: false }, "can log in again"),
        };
        let items = place.collect(&Request::Account(request))?;
        self.format
            .show(&items, |items| items.iter().filter_map(account).map(|account| changed(account, done)).collect())
    }
}

fn report(place: &Place, format: Format) -> Outcome {
    let items = place.collect(&Request::Account(AccountRequest::Report))?;
    format.show(&items, |items| {
        let row = |item: &Item| {
            let Item::Report(account) = item else { return None };
            let light = match account.light {
                Light::Green => "green",
                Light::Amber => "amber",
                Light::Red => "red",
            };
            let (pop, devices) = (account.pop_devices.len(), account.devices);
            Some([
                account.address.clone(),
                light.to_owned(),
                format!("{pop} of {devices}"),
                account.held.to_string(),
                account.offered.to_string(),
                bytes(account.retained_bytes),
                account.verdict.clone(),
            ])
        };
        let rows: Vec<_> = items.iter().filter_map(row).collect();
        let headings = ["ADDRESS", "LIGHT", "USE POP", "HELD", "OFFERED", "RESTORABLE", "WHY"];
        table(headings, &rows, "There are no accounts.")
    })
}

fn list(place: &Place, format: Format) -> Outcome {
    let items = place.collect(&Request::Account(AccountRequest::List))?;
    format.show(&items, |items| {
        let row = |AccountItem { account, .. }: &AccountItem| {
            let login = match (&account.damage, account.disabled) {
                (Some(_), _) => "DAMAGED",
                (None, true) => "no",
                (None, false) => "yes",
            };
            let quota = or_dash(account.quota_bytes.map(bytes).as_deref());
            let (name, used) = (or_dash(Some(&account.name)), bytes(account.used_bytes));
            [account.address.clone(), name, login.to_owned(), used, quota, account.created_at.clone()]
        };
        let rows: Vec<_> = items.iter().filter_map(account).map(row).collect();
        table(
            ["ADDRESS", "NAME", "LOGIN", "USED", "QUOTA", "CREATED"],
            &rows,
            "There are no accounts; `pillarbox account add` makes one.",
        )
    })
}

fn show(place: &Place, address: String, format: Format) -> Outcome {
    let items = place.collect(&Request::Account(AccountRequest::Show { address }))?;
    format.show(&items, |items| {
        let details = |item: &Item| if let Item::AccountDetails(details) = item { Some(shown(details)) } else { None };
        items.iter().filter_map(details).collect()
    })
}

fn usage(place: &Place, address: String, format: Format) -> Outcome {
    let items = place.collect(&Request::Account(AccountRequest::Usage { address }))?;
    format.show(&items, |items| {
        let card = |item: &Item| {
            let Item::Usage(card) = item else { return String::new() };
            let offer = card.clearable.as_ref().map(|offer| format!("{}\n", offer.text)).unwrap_or_default();
            format!("{}\n{}\n{offer}", card.text, card.retained.text)
        };
        items.iter().map(card).collect()
    })
}

fn clear(place: &Place, address: String, ask: ClearAsk, format: Format) -> Outcome {
    let items = place.collect(&Request::Account(AccountRequest::Clear { address: address.clone(), ask }))?;
    format.show(&items, |items| {
        items
            .iter()
            .map(|item| if let Item::Cleared(answer) = item { cleared(answer, &address) } else { String::new() })
            .collect()
    })
}

fn cleared(answer: &ClearAnswer, address: &str) -> String {
    let lines: String = answer.text.iter().map(|line| format!("  {line}\n")).collect();
    match (answer.messages, answer.dry_run, answer.entry) {
        (0, _, _) => "There is nothing that every POP device has taken.\n".to_owned(),
        (_, true, _) => format!("This would happen:\n{lines}Leave out --dry-run to do it.\n"),
        (_, false, Some(entry)) => {
            format!("Done:\n{lines}It can be undone: pillarbox undo --account {address} --entry {entry}\n")
        }
        (_, false, None) => lines,
    }
}

fn remove(place: &Place, address: String, yes: bool) -> Outcome {
    if !yes && stdin().is_terminal() {
        confirm(place, &address)?;
    }
    place.collect(&Request::Account(AccountRequest::Remove { address: address.clone() }))?;
    say(&format!("{address} was removed with all its mail.\n"));
    Ok(())
}

/// A person is asked; a script means what it says.
fn confirm(place: &Place, address: &str) -> Outcome {
    let items = place.collect(&Request::Account(AccountRequest::Show { address: address.to_owned() }))?;
    let count = |item: &Item| {
        if let Item::AccountDetails(details) = item {
            details.mailboxes.iter().map(|mailbox| u64::from(mailbox.messages)).sum()
        } else {
            0
        }
    };
    let messages: u64 = items.iter().map(count).sum();
    let question = format!("This removes {address} and its {messages} messages for good. Type the address to go on: ");
    // Who does not see the question may still answer.
    let _unseen = write!(stderr(), "{question}").and_then(|()| stderr().flush());
    let mut answer = String::new();
    stdin().read_line(&mut answer).map_err(|error| Failure::Fault(format!("the answer cannot be read: {error}")))?;
    if answer.trim() == address { Ok(()) } else { Err(Failure::Refused("nothing was removed".to_owned())) }
}

fn account(item: &Item) -> Option<&AccountItem> {
    if let Item::Account(account) = item { Some(account) } else { None }
}

fn changed(item: &AccountItem, done: &str) -> String {
    let address = &item.account.address;
    match &item.password {
        Some(password) => format!("{address} {done}.\nPassword (shown only now): {password}\n"),
        None => format!("{address} {done}.\n"),
    }
}

fn shown(details: &AccountDetails) -> String {
    let AccountDetails { account, aliases, retained, mailboxes } = details;
    let AccountLine { number, second_factor, devices, .. } = account;
    let quota = account.quota_bytes.map_or("none".to_owned(), bytes);
    let login = match (account.disabled, second_factor) {
        (true, _) => "no, it is disabled",
        (false, true) => "yes, with a second factor; programs need application passwords",
        (false, false) => "yes",
    };
    let admin = if account.admin { "yes" } else { "no" };
    let row = |mailbox: &server::admin::MailboxItem| {
        let counts = [mailbox.messages, mailbox.unseen].map(|count| count.to_string());
        let [messages, unseen] = counts;
        [mailbox.name.clone(), messages, unseen, bytes(mailbox.bytes)]
    };
    let rows: Vec<_> = mailboxes.iter().map(row).collect();
    format!(
        "Address   {}\nName      {}\nNumber    {number}\nLogin     {login}\nAdmin     {admin}\nCreated   {}\nAliases   {}\nDevices   {devices}\nUsed      {}\nQuota     {quota}\nRemoved   {}\n\n{}",
        account.address,
        or_dash(Some(&account.name)),
        account.created_at,
        or_dash(Some(&aliases.join(", "))),
        bytes(account.used_bytes),
        retained.text,
        table(["MAILBOX", "MESSAGES", "UNREAD", "SIZE"], &rows, "It has no mailboxes."),
    )
}
