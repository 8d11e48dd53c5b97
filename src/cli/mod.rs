//! The command line: an enum that lists the subcommands and a dispatcher that only dispatches.

mod account;
mod accounts;
mod alias;
mod alias_file;
mod audit;
mod backup;
mod certificate;
mod check;
mod check_config;
mod completion;
mod device;
mod doctor;
mod domain;
mod export;
mod failure;
mod find;
mod forward;
mod held;
mod import;
mod import_uidl;
mod invite;
mod junk_filter;
mod language;
mod list;
mod man;
mod move_store;
mod offer;
mod owner;
mod passwd_file;
mod password;
mod place;
mod promote;
mod queue;
mod refused;
mod repair;
mod reports;
mod request;
mod restore;
mod salvage;
mod scheduled;
mod sending;
mod serve;
mod sessions;
mod setup;
mod share;
mod show;
mod size;
mod standby;
mod status;
mod story;
mod terminal;
mod test_mail;
mod timeline;
mod trial;
mod undo;
mod verify_message;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use failure::Failure;
use place::Place;
use terminal::{ask, progress, say, warn};

/// A mail server: one mailbox, every device, nothing ever lost.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  pillarbox try                                a server to play with: no root, no files, two accounts
  pillarbox setup mail.example.org you@example.org
                                               make a mail server, and say what to publish
  pillarbox check-config /etc/pillarbox.toml   is this configuration right?
  pillarbox serve --config /etc/pillarbox.toml the real thing; SIGTERM stops it, SIGHUP reads certificates again
  pillarbox doctor --config /etc/pillarbox.toml
                                               what keeps mail from coming and going?
  pillarbox status                             how does the server do, and what needs a person?
  pillarbox test-mail send alice carol@example.com
                                               does mail reach others, and what do they see of it?
  pillarbox domain add example.org             mail for example.org is ours
  pillarbox account add alice@example.org      somebody who gets mail
  pillarbox device add alice@example.org phone a password for one device only
  pillarbox timeline alice                     what each device did with Alice's mail
  pillarbox find alice invoice                 where is that mail? and bring it back
  pillarbox undo --account alice --device \"old PC\" --since \"2 days ago\"
                                               put back what it took
  pillarbox import imaps://alice@old.example.org --account alice
                                               bring mail from another server
  pillarbox backup /mnt/backup/mail            a copy of everything, while the server works

All commands from account to backup work on a running server and without one. They find it by --config or --data-dir;
without both they mean the one of `pillarbox try`, in $XDG_DATA_HOME/pillarbox if that is set, or where there is none
that of /etc/pillarbox.toml. Called by root without a running server, they work as the user that its data belong to.

Exit status: 0 done, 1 refused, 2 wrong usage, 3 a fault of the disk, the system or Pillarbox.
`pillarbox COMMAND --help` tells more about a command.";

#[derive(Debug, Subcommand)]
enum Command {
    Try(trial::Try),
    Serve(serve::Serve),
    Setup(setup::Setup),
    CheckConfig(check_config::CheckConfig),
    Doctor(doctor::Doctor),
    Status(status::Status),
    Sessions(sessions::Sessions),
    VerifyMessage(verify_message::VerifyMessage),
    Account(account::Account),
    Device(device::Device),
    Alias(alias::Alias),
    List(list::List),
    JunkFilter(junk_filter::JunkFilter),
    Language(language::Language),
    Domain(domain::Domain),
    Certificate(certificate::Certificate),
    Request(request::Request),
    Invite(invite::Invite),
    Queue(queue::Queue),
    Timeline(timeline::Timeline),
    Refused(refused::Refused),
    Audit(audit::Audit),
    Reports(reports::Reports),
    TestMail(test_mail::TestMail),
    Find(find::Find),
    Undo(undo::Undo),
    Offer(offer::Offer),
    Held(held::Held),
    Forward(forward::Forward),
    Share(share::Share),
    Scheduled(scheduled::Scheduled),
    Sending(sending::Sending),
    Import(import::Import),
    ImportUidl(import_uidl::ImportUidl),
    Export(export::Export),
    Check(check::Check),
    Salvage(salvage::Salvage),
    Repair(repair::Repair),
    Backup(backup::Backup),
    Restore(restore::Restore),
    MoveStore(move_store::MoveStore),
    Standby(standby::Standby),
    Promote(promote::Promote),
    Completion(completion::Completion),
    Man(man::Man),
}

impl Command {
    /// Whether it may open the data of a server that does not run, and change them.
    fn is_for_data(&self) -> bool {
        let makes_a_key = matches!(self, Self::Backup(command) if command.makes_a_key());
        let is_for_none = matches!(
            self,
            Self::Try(_)
                | Self::Serve(_)
                | Self::Setup(_)
                | Self::CheckConfig(_)
                | Self::VerifyMessage(_)
                | Self::Salvage(_)
                | Self::Repair(_)
                | Self::Completion(_)
                | Self::Man(_)
        );
        !makes_a_key && !is_for_none
    }

    fn run(self, place: &Place) -> Outcome {
        match self {
            Self::Try(command) => command.run(place),
            Self::Serve(command) => command.run(place),
            Self::Setup(command) => command.run(place),
            Self::CheckConfig(command) => command.run(place),
            Self::Doctor(command) => command.run(place),
            Self::Status(command) => command.run(place),
            Self::Sessions(command) => command.run(place),
            Self::VerifyMessage(command) => command.run(),
            Self::Account(command) => command.run(place),
            Self::Device(command) => command.run(place),
            Self::Alias(command) => command.run(place),
            Self::List(command) => command.run(place),
            Self::JunkFilter(command) => command.run(place),
            Self::Language(command) => command.run(place),
            Self::Domain(command) => command.run(place),
            Self::Certificate(command) => command.run(place),
            Self::Request(command) => command.run(place),
            Self::Invite(command) => command.run(place),
            Self::Queue(command) => command.run(place),
            Self::Timeline(command) => command.run(place),
            Self::Refused(command) => command.run(place),
            Self::Audit(command) => command.run(place),
            Self::Reports(command) => command.run(place),
            Self::TestMail(command) => command.run(place),
            Self::Find(command) => command.run(place),
            Self::Undo(command) => command.run(place),
            Self::Offer(command) => command.run(place),
            Self::Held(command) => command.run(place),
            Self::Forward(command) => command.run(place),
            Self::Share(command) => command.run(place),
            Self::Scheduled(command) => command.run(place),
            Self::Sending(command) => command.run(place),
            Self::Import(command) => command.run(place),
            Self::ImportUidl(command) => command.run(place),
            Self::Export(command) => command.run(place),
            Self::Check(command) => command.run(place),
            Self::Salvage(command) => command.run(place),
            Self::Repair(command) => command.run(place),
            Self::Backup(command) => command.run(place),
            Self::Restore(command) => command.run(place),
            Self::MoveStore(command) => command.run(place),
            Self::Standby(command) => command.run(place),
            Self::Promote(command) => command.run(place),
            Self::Completion(command) => command.run(Arguments::command()),
            Self::Man(command) => command.run(Arguments::command()),
        }
    }
}

/// What a subcommand ends with: nothing, or what the person at the terminal is told.
type Outcome = Result<(), Failure>;

/// Runs what the command line asks for.
pub(crate) fn run() -> ExitCode {
    let Arguments { place, command } = Arguments::parse();
    let as_owner = if command.is_for_data() { owner::become_owner(&place) } else { Ok(()) };
    let outcome = as_owner.and_then(|()| command.run(&place));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            warn(&format!("pillarbox: {failure}"));
            failure.exit_code()
        }
    }
}
