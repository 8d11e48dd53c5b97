//! The command line: an enum that lists the subcommands and a dispatcher that only dispatches.

mod account;
mod accounts;
mod alias;
mod audit;
mod backup;
mod certificate;
mod check;
mod check_config;
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
mod list;
mod move_store;
mod offer;
mod password;
mod place;
mod queue;
mod refused;
mod reports;
mod request;
mod restore;
mod scheduled;
mod sending;
mod serve;
mod setup;
mod share;
mod show;
mod size;
mod status;
mod story;
mod terminal;
mod test_mail;
mod timeline;
mod trial;
mod undo;
mod verify_message;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
without both they mean the one of `pillarbox try`, in $XDG_DATA_HOME/pillarbox if that is set.

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
    VerifyMessage(verify_message::VerifyMessage),
    Account(account::Account),
    Device(device::Device),
    Alias(alias::Alias),
    List(list::List),
    JunkFilter(junk_filter::JunkFilter),
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
    Backup(backup::Backup),
    Restore(restore::Restore),
    MoveStore(move_store::MoveStore),
}

/// What a subcommand ends with: nothing, or what the person at the terminal is told.
type Outcome = Result<(), Failure>;

/// Runs what the command line asks for.
pub(crate) fn run() -> ExitCode {
    let Arguments { place, command } = Arguments::parse();
    let outcome = match command {
        Command::Try(command) => command.run(&place),
        Command::Serve(command) => command.run(&place),
        Command::Setup(command) => command.run(&place),
        Command::CheckConfig(command) => command.run(&place),
        Command::Doctor(command) => command.run(&place),
        Command::Status(command) => command.run(&place),
        Command::VerifyMessage(command) => command.run(),
        Command::Account(command) => command.run(&place),
        Command::Device(command) => command.run(&place),
        Command::Alias(command) => command.run(&place),
        Command::List(command) => command.run(&place),
        Command::JunkFilter(command) => command.run(&place),
        Command::Domain(command) => command.run(&place),
        Command::Certificate(command) => command.run(&place),
        Command::Request(command) => command.run(&place),
        Command::Invite(command) => command.run(&place),
        Command::Queue(command) => command.run(&place),
        Command::Timeline(command) => command.run(&place),
        Command::Refused(command) => command.run(&place),
        Command::Audit(command) => command.run(&place),
        Command::Reports(command) => command.run(&place),
        Command::TestMail(command) => command.run(&place),
        Command::Find(command) => command.run(&place),
        Command::Undo(command) => command.run(&place),
        Command::Offer(command) => command.run(&place),
        Command::Held(command) => command.run(&place),
        Command::Forward(command) => command.run(&place),
        Command::Share(command) => command.run(&place),
        Command::Scheduled(command) => command.run(&place),
        Command::Sending(command) => command.run(&place),
        Command::Import(command) => command.run(&place),
        Command::ImportUidl(command) => command.run(&place),
        Command::Export(command) => command.run(&place),
        Command::Check(command) => command.run(&place),
        Command::Backup(command) => command.run(&place),
        Command::Restore(command) => command.run(&place),
        Command::MoveStore(command) => command.run(&place),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            warn(&format!("pillarbox: {failure}"));
            failure.exit_code()
        }
    }
}
