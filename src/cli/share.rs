//! `pillarbox share`: mailboxes that accounts share.

use clap::{Args, Subcommand};
use console::{ShareCard, ShareCards};
use std::fmt::Write as _;
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::Format;

/// Show and change which mailboxes accounts share
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Share {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Others find it as Shared/alice/INBOX. What they have read is their own affair; what else they do there is done for everybody,
stands in the owner's timeline under their name, and can be taken back.

Examples:
  pillarbox share list alice                     what alice shares, and what others share with her
  pillarbox share set alice INBOX bob read       bob reads her INBOX
  pillarbox share set alice Work bob edit        bob marks, files and deletes there, too
  pillarbox share set alice Work bob lrswi       the same by letters of RFC 4314
  pillarbox share set alice Work bob none        bob does nothing there any more";

#[derive(Debug, Subcommand)]
enum Verb {
    /// What an account shares, and what others share with it
    List {
        /// Whose; alice is enough where there is one only
        account: String,
    },
    /// Say what somebody may do in a mailbox
    Set {
        /// Whose; alice is enough where there is one only
        account: String,
        /// Which
        mailbox: String,
        /// Who; an account of this server
        with: String,
        /// What: read, edit, manage, none, or letters of RFC 4314
        rights: String,
    },
}

impl Share {
    pub(super) fn run(self, place: &Place) -> Outcome {
        match self.verb {
            Verb::List { account } => {
                let call = Call::new("GET /api/v1/shares").of(account);
                self.format.each(place, &call, |cards: &ShareCards| list(cards)).map(drop)
            }
            Verb::Set { account, mailbox, with, rights } => {
                let call = Call::new("POST /api/v1/shares").of(account);
                let call = call.with("mailbox", mailbox).with("with", with).with("rights", rights);
                self.format.each(place, &call, |card: &ShareCard| line(card)).map(drop)
            }
        }
    }
}

fn list(cards: &ShareCards) -> String {
    let mut text = String::new();
    for card in &cards.shared {
        text.push_str(&line(card));
    }
    for ShareCard { mailbox, with, rights, .. } in &cards.from_others {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{mailbox}  of {with}  {rights}");
    }
    if text.is_empty() { "Nothing is shared.\n".to_owned() } else { text }
}

fn line(card: &ShareCard) -> String {
    let ShareCard { mailbox, with, rights, text } = card;
    let rights = if rights.is_empty() { String::new() } else { format!(" ({rights})") };
    format!("{mailbox}: {with} {text}{rights}\n")
}
