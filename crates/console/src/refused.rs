//! What was refused, for whoever looks for a lost mail: the owner of an account sees what was for it, an administrator what was
//! for addresses that lead nowhere.

use crate::account::AccountConsole;
use crate::administration::Administration;
use crate::error::Error;
use crate::moment::shown;
use auth::Auth;
use reports::{Listed, Refusal, Refusals, Wanted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::AccountId;
use wording::{tr, trc, trn};

/// Mail that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedPage {
    /// Newest first.
    pub refused: Vec<RefusedLine>,
    /// How many refusals of the whole server were too many to be written down, in the last 30 days.
    pub not_written: u64,
}

/// A message, or several alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedLine {
    /// When, at last: `2026-11-22T22:36:40Z`.
    pub at: String,
    /// How often.
    pub times: u32,
    /// Over which protocol.
    pub protocol: String,
    /// The address of the host that brought it.
    pub client: String,
    /// The envelope's sender; empty for nobody.
    pub from: String,
    /// The envelope's recipient; empty where it did not come that far.
    pub to: String,
    /// Who wrote it, by its From; empty, as what follows, where the message itself did not come.
    pub author: String,
    /// Its subject.
    pub subject: String,
    /// Its Message-ID.
    pub message_id: String,
    /// How the log calls it.
    pub id: String,
    /// The code of the reply: from 500 on it never comes again.
    pub code: u16,
    /// Its text: why.
    pub reply: String,
    /// All of it in words.
    pub text: String,
}

impl AccountConsole {
    /// What was refused that was for this account, or that it sent. `auth`: of the same server.
    ///
    /// # Errors
    /// Faults.
    pub fn refused(&self, auth: &Auth, wanted: &Wanted) -> Result<RefusedPage, Error> {
        page(auth, Some(self.account.id()), wanted)
    }

    /// What was refused of the mail that is looked for, where it is known.
    pub(crate) fn refused_instead(&self, wanted: Wanted) -> Result<Vec<RefusedLine>, Error> {
        let Some(refusals) = &self.refusals else { return Ok(Vec::new()) };
        Ok(refusals.list(Some(self.account.id()), &wanted)?.refusals.into_iter().map(line).collect())
    }
}

impl Administration {
    /// What was refused because the address leads nowhere, and before anybody was named for whom it is.
    ///
    /// # Errors
    /// Faults.
    pub fn refused(&self, wanted: &Wanted) -> Result<RefusedPage, Error> {
        page(&self.auth, None, wanted)
    }
}

/// What was refused because an address in one of these domains (normalised) leads nowhere.
pub(crate) fn of_domains(auth: &Auth, domains: &BTreeSet<String>, wanted: &Wanted) -> Result<RefusedPage, Error> {
    let refusals = Refusals::new(auth.store(), auth.directory().clone());
    let found = refusals.list_to(domains, wanted)?;
    Ok(RefusedPage { refused: found.into_iter().map(line).collect(), not_written: 0 })
}

fn page(auth: &Auth, account: Option<AccountId>, wanted: &Wanted) -> Result<RefusedPage, Error> {
    let refusals = Refusals::new(auth.store(), auth.directory().clone());
    let Listed { refusals, not_written } = refusals.list(account, wanted)?;
    Ok(RefusedPage { refused: refusals.into_iter().map(line).collect(), not_written })
}

fn line(refusal: Refusal) -> RefusedLine {
    let text = told(&refusal);
    let Refusal { at, times, protocol, client, from, to, code, reply, id, about } = refusal;
    let one_line = |text: &str| crate::names::shown(text);
    RefusedLine {
        at: shown(at),
        times,
        protocol,
        client: client.to_string(),
        from: one_line(&from),
        to: one_line(&to),
        author: one_line(&about.author),
        subject: one_line(&about.subject),
        message_id: one_line(&about.message_id),
        id,
        code,
        reply: one_line(&reply),
        text,
    }
}

fn told(refusal: &Refusal) -> String {
    let Refusal { times, client, from, to, code, reply, about, .. } = refusal;
    let shown = crate::names::shown;
    let who = match (about.author.as_str(), from.as_str()) {
        ("", "") => trc!("who wrote a message", "nobody").to_owned(),
        ("", from) => shown(from),
        (author, _) => shown(author),
    };
    let subject = shown(&about.subject);
    let what = match (subject.is_empty(), to.is_empty()) {
        (true, true) => tr!("mail of {who}", who = who),
        (true, false) => tr!("mail of {who} to {whom}", who = who, whom = shown(to)),
        (false, true) => tr!("“{subject}” of {who}", subject = subject, who = who),
        (false, false) => tr!("“{subject}” of {who} to {whom}", subject = subject, who = who, whom = shown(to)),
    };
    let said = format!("{code} {}", shown(reply));
    let told = trn!(
        *times,
        "{what}, brought by {client}, was refused: {said}",
        "{what}, brought by {client}, was refused {n} times: {said}",
        what = what,
        client = client,
        said = said
    );
    if *code < 500 { tr!("{refused}; it may come again", refused = told) } else { told }
}
