//! Mail that came for an address here and goes elsewhere: to the members of an alias that are not here, to the address that the
//! owner of an account has chosen, and, as a bounce, back to whoever sent what was passed on.
//!
//! The message itself is not touched, so that signatures of others stay good. Its envelope is ours (`srs`), and the domain that
//! passes it on seals what was found out about its sender (ARC): where SPF breaks, one of the two vouches for it.
//!
//! Not passed on: what is junk, what comes in a circle, and what claims to come from one of our domains and does not. It stays
//! in the mailbox here; where there is none, it is refused.

#[cfg(test)]
mod tests;

use crate::arrival::Arrival;
use crate::flow::MailFlow;
use crate::outcome::{Got, RecipientOutcome};
use crate::outgoing::{Top, author_domains};
use crate::route::{Onward, Recipient};
use crate::srs;
use directory::Forward;
use message::content::Content;
use message::{header, trace};
use metrics::{STAGES, Stopwatch};
use queue::{NewEntry, PassedOn, ReportError, TlsWish};
use sender_auth::{ARC_SETS_MAX, DkimResult, DmarcResult, results};
use smtp_proto::{Domain, ForwardPath, Mailbox, Rcpt, RcptReports, ReversePath};
use std::sync::Arc;
use store::{Account, AccountId, Claim, EmailId, Handover, Place, Protocol, Timestamp};
use tracing::{info, trace, warn};

/// What is passed on has shares of the queue of its own (`queue::Limits`), beside those of accounts: a flood of mail for somebody
/// must not keep them from sending. Numbers that no account has.
const SHARES: u32 = 0x8000_0000;
const SHARES_OF_ADDRESSES: u32 = 0xc000_0000;

/// A message on its way elsewhere.
struct Passing<'a> {
    /// How this server calls it, if it came from outside.
    name: Option<&'a str>,
    /// What it came for.
    address: &'a str,
    to: Vec<ForwardPath>,
    /// What its sender wants to hear.
    reports: RcptReports,
    reverse_path: ReversePath,
    tls: TlsWish,
    top: Top,
    share: AccountId,
    /// Who is told what becomes of it.
    passed_on: Option<PassedOn>,
    handover: Handover,
}

/// On whose behalf a message is passed on.
#[derive(Clone, Copy)]
struct Behalf<'a> {
    share: AccountId,
    accounts: &'a [AccountId],
    by_alias: bool,
    /// The copy that the account keeps.
    email: Option<EmailId>,
}

impl Behalf<'_> {
    fn passed_on(self, address: &str, content: &[u8]) -> PassedOn {
        let Self { accounts, by_alias, email, .. } = self;
        let reports::About { message_id, subject, author } = reports::About::of(content);
        let (address, email) = (address.to_owned(), email.map(|email| email.0));
        let about = queue::About { address, by_alias, from: author, subject, message_id, email };
        PassedOn { accounts: accounts.to_vec(), about }
    }
}

impl MailFlow {
    /// Passes a message on that came for a recipient, `place`: where it goes in mailboxes here.
    pub(crate) fn pass_on_to(
        &self,
        arrival: &Arrival,
        (recipient, onward): (&Recipient, &Onward),
        content: &mut Arc<Content>,
        (place, now): (Place, Timestamp),
    ) -> Got {
        Arc::make_mut(content).set_fields(&[]);
        let stays = match onward.is_back {
            true => {
                let is_bounce = place != Place::Junk && recipient.takes(&arrival.envelope.reverse_path);
                Ok((!is_bounce).then_some(Stays::Junk))
            }
            false => self.stays(arrival, &recipient.address, content, place),
        };
        let stays = match stays {
            Ok(stays) => stays,
            Err(error) => return (RecipientOutcome::from(&error), Vec::new()),
        };
        if let Some(why) = stays {
            let outcome = match why {
                // Somebody here has it.
                _ if !recipient.accounts.is_empty() => RecipientOutcome::Delivered,
                Stays::Circle => RecipientOutcome::Loop,
                Stays::Junk | Stays::Forged => RecipientOutcome::SenderRefused,
            };
            return (outcome, Vec::new());
        }
        let share = AccountId(SHARES_OF_ADDRESSES | (number_of(&onward.addresses()) & !SHARES_OF_ADDRESSES));
        let behalf = Behalf { share, accounts: &recipient.accounts, by_alias: true, email: None };
        match self.pass_on(arrival, (recipient, onward), behalf, content, now) {
            Ok(claim) => (RecipientOutcome::Delivered, claim.into_iter().collect()),
            Err(error) => {
                warn!(id = arrival.id, to = recipient.address, %error, "not passed on");
                (outcome(&error), Vec::new())
            }
        }
    }

    /// Where the owner of an account has a message forwarded to; nowhere if it is one that stays here.
    pub(crate) fn forward_of(
        &self,
        arrival: &Arrival,
        recipient: &Recipient,
        account: &Account,
        (content, place): (&[u8], Place),
        now: Timestamp,
    ) -> Option<Forward> {
        let forward = self.auth.directory().forward(account.id()).and_then(|forward| {
            let from = match forward {
                Some(_) => self.reverse_path(arrival, &recipient.address, now)?,
                None => ReversePath::Null,
            };
            Ok(match forward {
                // What no way leads to is kept here.
                Some(forward) if !self.is_open(&from, &forward) => None,
                Some(_) if self.stays(arrival, &recipient.address, content, place)?.is_some() => None,
                forward => forward,
            })
        });
        forward.unwrap_or_else(|error| {
            warn!(id = arrival.id, account = %account.id(), %error, "not forwarded, because it is not known where to");
            None
        })
    }

    /// Whether mail leaves for the address that an owner has chosen.
    fn is_open(&self, from: &ReversePath, forward: &Forward) -> bool {
        forward.address.parse().is_ok_and(|mailbox| self.closed(from, &ForwardPath::Mailbox(mailbox)).is_none())
    }

    /// Forwards instead of keeping; `None` if it is to be kept after all.
    pub(crate) fn forward_instead(
        &self,
        arrival: &Arrival,
        recipient: &Recipient,
        (account, forward): (&Account, &Forward),
        content: &mut Arc<Content>,
        now: Timestamp,
    ) -> Option<Vec<Claim>> {
        // It came before, and was kept.
        if !matches!(account.first_handover(&arrival.handover, now), Ok(None)) {
            return None;
        }
        match self.forward(arrival, recipient, (account.id(), None, forward), content, now) {
            Ok(claim) => Some(claim.into_iter().collect()),
            Err(error) => {
                warn!(id = arrival.id, account = %account.id(), %error, "not forwarded, and kept here");
                None
            }
        }
    }

    /// Forwards what is kept here, too: as this message.
    pub(crate) fn forward_too(
        &self,
        arrival: &Arrival,
        recipient: &Recipient,
        (account, email, forward): (AccountId, EmailId, &Forward),
        content: &mut Arc<Content>,
        (got, now): (&mut Got, Timestamp),
    ) {
        if !forward.keeps_copy {
            return;
        }
        match self.forward(arrival, recipient, (account, Some(email), forward), content, now) {
            Ok(claim) => got.1.extend(claim),
            Err(error) => {
                warn!(id = arrival.id, %account, %error, "not forwarded");
                // What limits forbid they forbid the next time, too: mail for here does not wait for that.
                if matches!(error, queue::Error::Store(_) | queue::Error::Damaged(_)) {
                    got.0 = outcome(&error);
                }
            }
        }
    }

    fn forward(
        &self,
        arrival: &Arrival,
        recipient: &Recipient,
        (account, email, forward): (AccountId, Option<EmailId>, &Forward),
        content: &mut Arc<Content>,
        now: Timestamp,
    ) -> Result<Option<Claim>, queue::Error> {
        let Some(onward) = Onward::to_members(std::slice::from_ref(&forward.address)) else { return Ok(None) };
        Arc::make_mut(content).set_fields(&[]);
        let share = AccountId(SHARES | account.0);
        let behalf = Behalf { share, accounts: &[account], by_alias: false, email };
        self.pass_on(arrival, (recipient, &onward), behalf, content, now)
    }

    /// Passes a letter of the server on to whom a recipient leads elsewhere.
    pub(crate) fn pass_on_report(
        &self,
        recipient: &Recipient,
        content: &[u8],
        handover: Handover,
        now: Timestamp,
    ) -> Result<Vec<Claim>, ReportError> {
        let mut claims = Vec::new();
        let mut ways: Vec<(Onward, u32)> =
            recipient.onward.iter().map(|onward| (onward.clone(), SHARES_OF_ADDRESSES)).collect();
        for account in &recipient.accounts {
            let forward = self.auth.directory().forward(*account).ok().flatten();
            let forward = forward.filter(|forward| self.is_open(&ReversePath::Null, forward));
            let onward = forward.and_then(|forward| Onward::to_members(&[forward.address]));
            ways.extend(onward.map(|onward| (onward, SHARES | account.0)));
        }
        for (onward, share) in ways {
            let passing = Passing {
                name: None,
                address: &recipient.address,
                handover: again(b"report", &onward, handover),
                to: onward.to,
                reports: RcptReports::default(),
                reverse_path: ReversePath::Null,
                tls: TlsWish::Usual,
                top: Top::signed(Vec::new()),
                share: AccountId(share),
                passed_on: None,
            };
            let later = |error: queue::Error| ReportError::Later(error.to_string());
            claims.extend(self.send_on(passing, Arc::new(Content::new(content.to_vec())), now).map_err(later)?.1);
        }
        Ok(claims)
    }

    fn pass_on(
        &self,
        arrival: &Arrival,
        (recipient, onward): (&Recipient, &Onward),
        behalf: Behalf<'_>,
        content: &mut Arc<Content>,
        now: Timestamp,
    ) -> Result<Option<Claim>, queue::Error> {
        let address = recipient.address.as_str();
        let domain = domain_of(address);
        let mut trace = match onward.is_back {
            true => Vec::new(),
            false => trace::delivered_to(address),
        };
        trace.extend(arrival.received(&self.hostname, Some(address), now));
        let reverse_path = match onward.is_back {
            true => ReversePath::Null,
            false => self.reverse_path(arrival, address, now)?,
        };
        // RFC 3461 §5.2.7.1: of one address that stands for another, what its sender wants goes along; the members of an alias are
        // nobody's business.
        let reports = match onward.to.len() {
            1 => recipient.reports.clone(),
            _ => RcptReports::default(),
        };
        let passing = Passing {
            name: Some(&arrival.id),
            address,
            to: onward.to.clone(),
            reports,
            reverse_path,
            tls: arrival.envelope.tls(),
            top: proven(arrival, trace, domain, (content, &self.hostname)),
            share: behalf.share,
            // To whom a bounce goes back is nobody's business here.
            passed_on: (!onward.is_back).then(|| behalf.passed_on(address, content)),
            handover: again(b"passed on", onward, arrival.handover),
        };
        let stopwatch = Stopwatch::start();
        let (queue, claim) = self.send_on(passing, Arc::clone(content), now)?;
        let (id, from, recipients) = (&arrival.id, &arrival.from, onward.to.len());
        trace!(target: STAGES, id, took = stopwatch.micros(), %queue, to = address, recipients, "passed on");
        info!(id, %queue, from, to = address, recipients, "passed on");
        Ok(claim)
    }

    fn send_on(
        &self,
        passing: Passing<'_>,
        content: Arc<Content>,
        now: Timestamp,
    ) -> Result<(queue::QueueId, Option<Claim>), queue::Error> {
        let Passing { name, address, to, reports, reverse_path, tls, top, share, passed_on, handover } = passing;
        let header = content.get(..header::end(&content)).unwrap_or_default();
        let is_ascii = |path: &ForwardPath| path.to_string().is_ascii();
        let smtputf8 = !header.is_ascii() || !reverse_path.to_string().is_ascii() || !to.iter().all(is_ascii);
        let recipients = to.into_iter().map(|forward_path| Rcpt { forward_path, reports: reports.clone() }).collect();
        let entry = |content| NewEntry {
            name: name.map(str::to_owned),
            smtputf8,
            tls,
            account: Some(share),
            passed_on: passed_on.clone(),
            handover: Some(handover),
            ..NewEntry::new(reverse_path, recipients, content)
        };
        match self.send_out(content, top, entry, now)? {
            Some(queued) => Ok((queued.id, queued.claim)),
            None => Err(queue::Error::Full(format!("{address} leads elsewhere, and this server has no way out"))),
        }
    }

    fn reverse_path(&self, arrival: &Arrival, address: &str, now: Timestamp) -> Result<ReversePath, store::Error> {
        self.passed_on_from((&arrival.envelope.reverse_path, is_own(arrival)), address, now)
    }

    /// From whom a message is passed on that came for an address: from one in the same domain, to which its bounces come back.
    pub(crate) fn passed_on_from(
        &self,
        (from, is_own): (&ReversePath, bool),
        address: &str,
        now: Timestamp,
    ) -> Result<ReversePath, store::Error> {
        let Some(sender) = from.mailbox() else { return Ok(ReversePath::Null) };
        // An account sends it, under an address of its own.
        if is_own {
            return Ok(ReversePath::Mailbox(sender.clone()));
        }
        let domain = domain_of(address);
        let directory = self.auth.directory();
        let rewritten = srs::rewrite(sender, domain, &|parts| directory.hash_of_sender(parts), now);
        // One that would be too long: whoever runs the domain gets its bounces.
        let postmaster = || Mailbox::new("postmaster", domain.parse::<Domain>().ok()?).ok();
        Ok(rewritten.or_else(postmaster).map_or(ReversePath::Null, ReversePath::Mailbox))
    }

    /// Why a message is not passed on for an address here, if so.
    fn stays(
        &self,
        arrival: &Arrival,
        address: &str,
        content: &[u8],
        place: Place,
    ) -> Result<Option<Stays>, store::Error> {
        if place == Place::Junk {
            return Ok(Some(Stays::Junk));
        }
        let was_here =
            |field: header::Field<'_>| String::from_utf8_lossy(&field.unfolded()).trim().eq_ignore_ascii_case(address);
        if header::find_all(content, "Delivered-To").any(was_here) {
            warn!(id = arrival.id, to = address, "not passed on again: it runs in a circle");
            return Ok(Some(Stays::Circle));
        }
        Ok(self.is_forged(arrival, content)?.then_some(Stays::Forged))
    }

    /// Whether a stranger's message says that it comes from a domain of ours. Passed on from that domain, it would pass for true.
    fn is_forged(&self, arrival: &Arrival, content: &[u8]) -> Result<bool, store::Error> {
        if !arrival.sender.as_ref().is_some_and(|sender| sender.dmarc.result != DmarcResult::Pass) {
            return Ok(false);
        }
        for domain in author_domains(content) {
            let mut rest = Some(domain.as_str());
            while let Some(name) = rest {
                if self.auth.directory().is_local_domain(name)? {
                    return Ok(true);
                }
                rest = name.split_once('.').map(|(_, above)| above);
            }
        }
        Ok(false)
    }
}

/// Why a message is not passed on.
#[derive(Clone, Copy)]
enum Stays {
    Junk,
    Circle,
    Forged,
}

/// An account here sends it, or a list: who its author is, was looked at, and bounces come back to an address of ours.
fn is_own(arrival: &Arrival) -> bool {
    matches!(arrival.envelope.source.protocol, Protocol::Submission | Protocol::Server)
}

fn proven(arrival: &Arrival, trace: Vec<u8>, domain: &str, (content, hostname): (&[u8], &str)) -> Top {
    if is_own(arrival) {
        return Top::signed(trace);
    }
    match &arrival.sender {
        // RFC 8617 §5.1: a chain that does not hold gets no seal more; nor one of which not all was seen.
        Some(sender)
            if matches!(sender.arc.result, DkimResult::None | DkimResult::Pass)
                && sender.arc.sets < ARC_SETS_MAX
                && header::find_all(content, "ARC-Seal").count() == sender.arc.sets =>
        {
            Top::sealed(trace, domain, results::line(hostname, sender))
        }
        Some(_) | None => Top::plain(trace),
    }
}

/// Empty for `postmaster`.
fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// The same message on another way.
fn again(what: &[u8], onward: &Onward, handover: Handover) -> Handover {
    let Handover { digest, at, serial } = handover;
    Handover::new(&[what, onward.addresses().join(" ").as_bytes(), &digest], at, serial)
}

/// The same number for the same addresses.
fn number_of(addresses: &[String]) -> u32 {
    let digest = Handover::new(&[addresses.join(" ").as_bytes()], Timestamp(0), 0).digest;
    u32::from_be_bytes(digest.first_chunk().copied().unwrap_or_default())
}

pub(crate) fn outcome(error: &queue::Error) -> RecipientOutcome {
    match error {
        queue::Error::Store(error) => RecipientOutcome::from(error),
        queue::Error::Full(_) => RecipientOutcome::NoSpace,
        queue::Error::Share(_) | queue::Error::Rate(_) | queue::Error::Scheduled(_) => RecipientOutcome::Unavailable,
        queue::Error::NoSuchEntry
        | queue::Error::Held
        | queue::Error::Underway
        | queue::Error::Superseded
        | queue::Error::Damaged(_) => RecipientOutcome::Fault,
    }
}
