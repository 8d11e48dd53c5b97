//! `pillarbox account`: who gets mail here and may log in.

use std::io::{IsTerminal, stdin};

use clap::{Args, Subcommand, ValueEnum};
use console::{
    AccountDetails, AccountLine, AccountReport, AccountWithPassword, ClearAnswer, Done, HelpCard, IntegrityReport,
    Light, MailboxLine, UsageCard,
};
use web::Call;

use super::accounts::{IMPORT_HELP, List, import, list};
use super::failure::Failure;
use super::invite::made;
use super::password::NewPassword;
use super::place::Place;
use super::show::{Format, bytes, counted, or_dash, table};
use super::size::{Quota, parse_quota};
use super::{Outcome, ask, say};

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
  pillarbox account remove bob@example.org              no login, no mail; gone after 30 days
  pillarbox account keep bob@example.org                until then it can stay
  pillarbox account link bob@example.org                Bob has forgotten his password: he chooses a new one
  pillarbox account quota alice@example.org 5GB         her mailboxes hold no more than that
  pillarbox account quota bob@example.org none --messages 10000
  pillarbox account list --search \"bob example.org\"     whose address or name has both words
  pillarbox account rename ann@example.org anna@example.org     everything stays; the old address is an alias
  pillarbox account import people.csv --dry-run         what would become of each line of a list
  pillarbox account clear alice@example.org --taken-by-all-pop --older-than-days 30 --dry-run
  pillarbox account admin alice@example.org on          Alice may use the pages of administration
  pillarbox account domains bob@example.org example.org   Bob may, for what is in this domain, and for nothing else
  pillarbox account domains bob@example.org --none
  pillarbox account ask-help bob@example.org --for day    Bob cannot press the button: an administrator may look for his mail";

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
    /// List the accounts, by address
    List {
        /// Only those in whose address or name each of these words stands
        #[arg(long, value_name = "WORDS", default_value = "", hide_default_value = true)]
        search: String,
        /// From the one after this address on
        #[arg(long, value_name = "ADDRESS")]
        after: Option<String>,
        /// So many at most; without it all
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
    },
    /// Make many accounts from a list: CSV, whose first line names its columns
    #[command(after_help = IMPORT_HELP)]
    Import(List),
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
    /// Give an account another address; mail, devices and everything else stay
    Rename {
        /// Which
        address: String,
        /// Its address from now on; also the name to log in with
        new: String,
        /// The old address is free from now on; otherwise it becomes an alias
        #[arg(long)]
        drop_old: bool,
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
    /// Let its owner administer some domains on the pages, and no others
    Domains {
        /// Whose
        address: String,
        /// Which, all of them
        #[arg(value_name = "DOMAIN", required_unless_present = "none")]
        domains: Vec<String>,
        /// No domain any more
        #[arg(long, conflicts_with = "domains")]
        none: bool,
    },
    /// Let an administrator look for an account's lost mail, as `My account` does; or show whether they may
    AskHelp {
        /// Whose
        address: String,
        /// For so long; without it nothing is changed
        #[arg(long = "for", value_name = "TIME", value_parser = ["hour", "day", "week"])]
        long: Option<String>,
        /// They may read texts of messages, too
        #[arg(long, requires = "long")]
        texts: bool,
        /// Not any more
        #[arg(long, conflicts_with = "long")]
        end: bool,
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
        /// So many messages at most; without it as many as there may be octets
        #[arg(long, requires = "quota")]
        messages: Option<u64>,
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
    /// Remove an account with all its mail, after the days of removal_days; until then `keep` takes it back
    Remove {
        /// Which
        address: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// At once, and for good
        #[arg(long)]
        now: bool,
    },
    /// Keep an account that is being removed, as it was
    Keep {
        /// Which
        address: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    On,
    Off,
}

impl Account {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let Self { format, verb } = self;
        let at = |endpoint: &str, address: &str| Call::new(endpoint).at("id", address);
        let login = |address: &str, disabled: bool, done| {
            change(
                place,
                format,
                &at("POST /api/v1/admin/accounts/{id}/login", address).with("disabled", disabled),
                done,
            )
        };
        match verb {
            Verb::List { search, after, limit } => list(place, format, &search, after, limit),
            Verb::Import(list) => import(place, format, &list),
            Verb::Report => report(place, format),
            Verb::Show { address } => {
                format.each(place, &at("GET /api/v1/operator/accounts/{id}", &address), shown).map(drop)
            }
            Verb::Link { address } => {
                format.each(place, &at("POST /api/v1/admin/accounts/{id}/link", &address), made).map(drop)
            }
            Verb::Quota { address, quota: None, .. } => {
                format.each(place, &Call::new("GET /api/v1/storage").of(address), filled).map(drop)
            }
            Verb::Quota { address, quota: Some(Quota(bytes)), messages } => {
                let call = at("POST /api/v1/admin/accounts/{id}/quota", &address).with("quota_bytes", bytes);
                let call = call.with("quota_messages", messages);
                change(place, format, &call, "has a new quota")
            }
            Verb::Clear { address, taken_by_all_pop: _, older_than_days, dry_run } => {
                let endpoint = if dry_run { "GET /api/v1/storage/clear" } else { "POST /api/v1/storage/clear" };
                let call = Call::new(endpoint).of(&address).with("older_than_days", older_than_days);
                format.each(place, &call, |answer| cleared(answer, &address)).map(drop)
            }
            Verb::Remove { address, yes, now: true } => remove(place, format, &address, yes),
            Verb::Remove { address, yes, now: false } => end(place, format, &address, yes),
            Verb::Keep { address } => told(place, format, &at("POST /api/v1/admin/accounts/{id}/keep", &address)),
            Verb::Add { address, name, password } => {
                let call = Call::new("POST /api/v1/operator/accounts").with("address", address).with("name", name);
                let call = call.with("password", password.obtain()?);
                format.each(place, &call, |account| has_password(account, "was added")).map(drop)
            }
            Verb::Password { address, password } => {
                let call = at("POST /api/v1/operator/accounts/{id}/password", &address);
                let call = call.with("password", password.obtain()?);
                format.each(place, &call, |account| has_password(account, "has a new password")).map(drop)
            }
            Verb::Rename { address, new, drop_old } => {
                let call = at("POST /api/v1/admin/accounts/{id}/rename", &address).with("address", new);
                told(place, format, &call.with("keep_old", !drop_old))
            }
            Verb::Disable { address } => login(&address, true, "cannot log in any more"),
            Verb::Enable { address } => login(&address, false, "can log in again"),
            Verb::Admin { address, value } => {
                let (admin, done) = match value {
                    Switch::On => (true, "is an administrator now"),
                    Switch::Off => (false, "is no administrator any more"),
                };
                let call = at("POST /api/v1/admin/accounts/{id}/admin", &address).with("admin", admin);
                change(place, format, &call, done)
            }
            Verb::Domains { address, domains, none: _ } => set_domains(place, format, &address, &domains),
            Verb::AskHelp { address, long, texts, end } => ask_help(place, format, &address, (long, texts, end)),
            Verb::TotpOff { address } => {
                let call = at("POST /api/v1/admin/accounts/{id}/second-factor-off", &address);
                change(place, format, &call, "logs in with the password alone again")
            }
        }
    }
}

/// Changes an account, and says what is different.
fn change(place: &Place, format: Format, call: &Call, done: &str) -> Outcome {
    let mut say_so = |change: Done| match &change.account {
        Some(account) => format.show(account, |account| format!("{} {done}.\n", account.address)),
        None => format.show(&change, |change| format!("{}\n", change.text)),
    };
    place.call(call, &mut say_so)
}

/// Asks for help, ends that, or shows whether it is asked for; who has looked.
fn ask_help(place: &Place, format: Format, address: &str, (long, texts, end): (Option<String>, bool, bool)) -> Outcome {
    let call = match (&long, end) {
        (Some(long), _) => Call::new("POST /api/v1/help").with("for", long.as_str()).with("texts", texts),
        (None, true) => Call::new("POST /api/v1/help/end"),
        (None, false) => Call::new("GET /api/v1/help"),
    };
    format.each(place, &call.of(address), helped).map(drop)
}

fn helped(card: &HelpCard) -> String {
    let mut text = match (&card.until, card.texts) {
        (None, _) => "Nobody but its owner looks for mail of this account.\n".to_owned(),
        (Some(until), false) => format!("An administrator may look for its mail until {until}, and sees no text.\n"),
        (Some(until), true) => format!("An administrator may look for its mail, and read texts, until {until}.\n"),
    };
    card.looks.iter().for_each(|look| text.push_str(&format!("{}  {}\n", look.at, look.text)));
    text
}

/// Says which domains its owner administers from now on.
fn set_domains(place: &Place, format: Format, address: &str, domains: &[String]) -> Outcome {
    let call = Call::new("POST /api/v1/admin/accounts/{id}/domains").at("id", address);
    told(place, format, &call.with("domains", domains.join(" ")))
}

/// Says what was done as the server words it.
fn told(place: &Place, format: Format, call: &Call) -> Outcome {
    format.each(place, call, |done: &Done| format!("{}\n", done.text)).map(drop)
}

fn report(place: &Place, format: Format) -> Outcome {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let call = Call::new("GET /api/v1/admin/integrity").with("after", after);
        let Some(page) = place.all::<IntegrityReport>(&call)?.pop() else { break };
        for account in &page.accounts {
            if format.json {
                format.show(account, |_| String::new())?;
            }
            rows.push(row_of_report(account));
        }
        after = page.next_after;
        if after.is_none() {
            break;
        }
    }
    if format.json {
        return Ok(());
    }
    let headings = ["ADDRESS", "LIGHT", "USE POP", "HELD", "OFFERED", "RESTORABLE", "WHY"];
    say(&table(headings, &rows, "There are no accounts."));
    Ok(())
}

fn row_of_report(account: &AccountReport) -> [String; 7] {
    let light = match account.light {
        Light::Green => "green",
        Light::Amber => "amber",
        Light::Red => "red",
    };
    [
        account.address.clone(),
        light.to_owned(),
        format!("{} of {}", account.pop_devices.len(), account.devices),
        account.held.to_string(),
        account.offered.to_string(),
        bytes(account.retained_bytes),
        account.verdict.clone(),
    ]
}

fn filled(card: &UsageCard) -> String {
    let offer = card.clearable.as_ref().map(|offer| format!("{}\n", offer.text)).unwrap_or_default();
    format!("{}\n{}\n{offer}", card.text, card.retained.text)
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

fn remove(place: &Place, format: Format, address: &str, yes: bool) -> Outcome {
    if !yes && stdin().is_terminal() {
        let details = details(place, address)?;
        let mailboxes = details.iter().flat_map(|details| &details.mailboxes);
        let messages: u64 = mailboxes.map(|mailbox| u64::from(mailbox.messages)).sum();
        confirm(
            address,
            &format!("This removes {address} and its {} for good", counted(messages, "message", "messages")),
        )?;
    }
    let call = Call::new("POST /api/v1/operator/accounts/{id}/remove").at("id", address);
    format.done(place, &call, &format!("{address} was removed with all its mail.\n"))
}

/// Ends an account, which goes when its time comes.
fn end(place: &Place, format: Format, address: &str, yes: bool) -> Outcome {
    let details = details(place, address)?;
    if !yes && stdin().is_terminal() {
        confirm(address, &format!("This ends {address}, and removes it when its time comes"))?;
    }
    // The operator may name it by its number, or by its local part.
    let whole = details.first().map_or(address, |details| details.account.address.as_str());
    let call = Call::new("POST /api/v1/admin/accounts/{id}/remove").at("id", address);
    told(place, format, &call.with("confirm", whole))
}

fn details(place: &Place, address: &str) -> Result<Vec<AccountDetails>, Failure> {
    place.all(&Call::new("GET /api/v1/operator/accounts/{id}").at("id", address))
}

/// A person is asked; a script means what it says.
fn confirm(address: &str, question: &str) -> Outcome {
    ask(&format!("{question}. Type the address to go on: "));
    let mut answer = String::new();
    stdin().read_line(&mut answer).map_err(|error| Failure::Fault(format!("the answer cannot be read: {error}")))?;
    if answer.trim() == address { Ok(()) } else { Err(Failure::Refused("nothing was removed".to_owned())) }
}

fn has_password(account: &AccountWithPassword, done: &str) -> String {
    let address = &account.account.address;
    match &account.password {
        Some(password) => format!("{address} {done}.\nPassword (shown only now): {password}\n"),
        None => format!("{address} {done}.\n"),
    }
}

fn shown(details: &AccountDetails) -> String {
    let AccountDetails { account, aliases, retained, mailboxes } = details;
    let AccountLine { number, second_factor, devices, .. } = account;
    let messages = account.quota_messages.map(|messages| counted(messages, "message", "messages"));
    let limits: Vec<String> = account.quota_bytes.map(bytes).into_iter().chain(messages).collect();
    let quota = if limits.is_empty() { "none".to_owned() } else { limits.join(", ") };
    let login = match (&account.goes_at, account.disabled, second_factor) {
        (Some(at), _, _) => format!("no, it is being removed\nGoes      {at}"),
        (None, true, _) => "no, it is disabled".to_owned(),
        (None, false, true) => "yes, with a second factor; programs need application passwords".to_owned(),
        (None, false, false) => "yes".to_owned(),
    };
    let admin = match (account.admin, account.administers.is_empty()) {
        (true, _) => "yes".to_owned(),
        (false, true) => "no".to_owned(),
        (false, false) => format!("of {}", account.administers.join(", ")),
    };
    let row = |mailbox: &MailboxLine| {
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
