//! A look at every account, in the background: which of them are not as they should be, until the next look.
//!
//! What is kept is which accounts these are and what is wrong with what is stored, not the words for it: whoever asks later gets
//! them in their own language, as the account is then.
//!
//! Invariant: one stretch of a look, and one page of what it found, is a bounded piece of work, but for one account of any size.

use crate::administration::{AccountReport, Administration, there};
use crate::devices::Light;
use crate::error::Error;
use crate::moment::shown;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::{AccountId, Timestamp};
use wording::tr;

/// A stretch has so many accounts at most ...
const STRETCH_ACCOUNTS_MAX: usize = 50;
/// ... and ends with the one with which it has so many messages.
pub(crate) const STRETCH_MESSAGES_MAX: u64 = 100_000;
/// Accounts that are kept: those in which something is stored that must not be go first.
const KEPT_ACCOUNTS_MAX: usize = 2_000;
/// Of what is wrong in an account so much is kept.
const KEPT_FINDINGS_MAX: usize = 10;
/// Accounts on a page.
const PAGE_ACCOUNTS_MAX: usize = 50;

/// What a look at all accounts has found so far, or found the last time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    begun_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    looked_at: usize,
    last: Option<AccountId>,
    flagged: BTreeMap<AccountId, Vec<String>>,
    left_out: usize,
    directory: Vec<String>,
    fault: Option<String>,
}

/// What one stretch has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    looked_at: usize,
    last: Option<AccountId>,
    /// Accounts that are not safe, with what must not be in their stores.
    flagged: Vec<(AccountId, Vec<String>)>,
    directory: Vec<String>,
    is_last: bool,
}

/// A page of what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyPage {
    /// When the look began; `None`: nobody has looked since the server was started.
    pub begun_at: Option<String>,
    /// When it ended; `None` while it goes on.
    pub ended_at: Option<String>,
    /// How many accounts were looked at so far.
    pub looked_at: usize,
    /// Those of them that are not safe, as they are now, in order of their numbers.
    pub accounts: Vec<AccountReport>,
    /// Where the next page begins, if there is one.
    pub next_after: Option<u32>,
    /// How many more are not safe, and were too many to be kept.
    pub left_out: usize,
    /// What must not be in the directory of addresses.
    pub directory: Vec<String>,
    /// Why the look ended early.
    pub fault: Option<String>,
}

impl SurveyPage {
    /// Whether it is being looked just now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.begun_at.is_some() && self.ended_at.is_none()
    }

    /// Whether all was looked at and nothing is to be shown.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.ended_at.is_some() && self.fault.is_none() && self.directory.is_empty() && self.accounts.is_empty()
    }
}

impl Survey {
    /// One that begins.
    #[must_use]
    pub fn begun(now: Timestamp) -> Self {
        Self { begun_at: Some(now), ..Self::default() }
    }

    /// Whether it has begun and not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.begun_at.is_some() && self.ended_at.is_none()
    }

    /// The account after which it goes on; `None`: at the first.
    #[must_use]
    pub fn last(&self) -> Option<AccountId> {
        self.last
    }

    /// Takes what a stretch found; whether there is more to look at.
    pub fn take(&mut self, stretch: Stretch, now: Timestamp) -> bool {
        let Stretch { looked_at, last, flagged, directory, is_last } = stretch;
        self.looked_at += looked_at;
        self.last = last.or(self.last);
        self.directory.extend(directory);
        flagged.into_iter().for_each(|(id, findings)| self.keep(id, findings));
        self.ended_at = is_last.then_some(now);
        !is_last
    }

    /// It cannot go on.
    pub fn fail(&mut self, why: String, now: Timestamp) {
        (self.fault, self.ended_at) = (Some(why), Some(now));
    }

    fn keep(&mut self, id: AccountId, mut findings: Vec<String>) {
        findings.truncate(KEPT_FINDINGS_MAX);
        if self.flagged.len() >= KEPT_ACCOUNTS_MAX {
            self.left_out += 1;
            let lesser = self.flagged.iter().find(|(_, findings)| findings.is_empty()).map(|(id, _)| *id);
            match lesser.filter(|_| !findings.is_empty()) {
                Some(lesser) => drop(self.flagged.remove(&lesser)),
                None => return,
            }
        }
        self.flagged.insert(id, findings);
    }
}

impl Administration {
    /// Looks at the next accounts after `after`, and at the directory before the first: reads every record of them, not the bodies.
    ///
    /// # Errors
    /// Faults.
    pub fn look(&self, after: Option<AccountId>) -> Result<Stretch, Error> {
        let directory = self.auth.directory();
        let mut accounts = directory.accounts_by_number(after, STRETCH_ACCOUNTS_MAX + 1)?;
        let mut stretch = Stretch { is_last: accounts.len() <= STRETCH_ACCOUNTS_MAX, ..Stretch::default() };
        accounts.truncate(STRETCH_ACCOUNTS_MAX);
        if after.is_none() {
            stretch.directory = directory.check()?;
        }
        let (count, mut messages) = (accounts.len(), 0);
        for (index, info) in accounts.into_iter().enumerate() {
            let id = info.id;
            match there(self.account_report(info)) {
                Ok(Some(report)) if report.light != Light::Green => stretch.flagged.push((id, report.findings)),
                Ok(_) => {}
                // One account that is damaged hides no other.
                Err(Error::Store(store::Error::Damaged(what))) => stretch.flagged.push((id, vec![what])),
                Err(error) => return Err(error),
            }
            stretch.looked_at += 1;
            stretch.last = Some(id);
            messages += self.messages_of(id);
            if messages >= STRETCH_MESSAGES_MAX && index + 1 < count {
                stretch.is_last = false;
                break;
            }
        }
        Ok(stretch)
    }

    /// A page of what a look found, of the accounts after number `after`. Those that are safe meanwhile are left out.
    ///
    /// # Errors
    /// Faults.
    pub fn survey(&self, survey: &Survey, after: Option<u32>) -> Result<SurveyPage, Error> {
        let after = after.map_or(0, |after| after.saturating_add(1));
        let mut flagged = survey.flagged.range(AccountId(after)..);
        let mut accounts = Vec::new();
        let mut last = None;
        for (id, findings) in flagged.by_ref().take(PAGE_ACCOUNTS_MAX) {
            last = Some(id.0);
            let Some(info) = self.auth.directory().account_by_id(*id)? else { continue };
            let (number, address) = (info.id.0, info.address.clone());
            match there(self.judged(info, findings.clone())) {
                Ok(report) => accounts.extend(report.filter(|report| report.light != Light::Green)),
                Err(Error::Store(store::Error::Damaged(_))) => accounts.push(unreadable(number, address, findings)),
                Err(error) => return Err(error),
            }
        }
        Ok(SurveyPage {
            begun_at: survey.begun_at.map(shown),
            ended_at: survey.ended_at.map(shown),
            looked_at: survey.looked_at,
            accounts,
            next_after: last.filter(|_| flagged.next().is_some()),
            left_out: survey.left_out,
            directory: survey.directory.clone(),
            fault: survey.fault.clone(),
        })
    }
}

/// An account of which nothing more can be said.
fn unreadable(number: u32, address: String, findings: &[String]) -> AccountReport {
    AccountReport {
        number,
        address,
        light: Light::Red,
        verdict: tr!("It cannot be read.").to_owned(),
        devices: 0,
        pop_devices: Vec::new(),
        offered: 0,
        held: 0,
        retained: 0,
        retained_bytes: 0,
        findings: findings.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, administration};
    use crate::words;
    use store::device::{Credential, LastLogin};
    use store::removal::RemovalPolicy;
    use store::{Actor, DeviceId, Protocol};

    /// Gives an account a second device over POP that deletes for all.
    fn endanger(administration: &Administration, number: u32) {
        let account = administration.auth.store().account(AccountId(number));
        for (protocol, removal) in [(Protocol::Imap, RemovalPolicy::Keep), (Protocol::Pop3, RemovalPolicy::Expunge)] {
            let actor = Actor { device: DeviceId(0), protocol: Protocol::Web, now: NOW };
            let credential = Credential::ApplicationPassword { hash: [number as u8; 32] };
            let device =
                account.add_device(actor, words::protocol(protocol), credential, Some(removal.into())).unwrap();
            let login = LastLogin { at: NOW, protocol, address: "192.0.2.7".to_owned(), tls: None, program: None };
            account.note_login(device, login).unwrap();
        }
    }

    #[test]
    fn a_page_read_every_record_of_fifty_accounts_and_listed_the_safe_ones() {
        let administration = administration(STRETCH_ACCOUNTS_MAX + 5);
        let last = 16 + u32::try_from(STRETCH_ACCOUNTS_MAX).unwrap() + 4;
        let mut survey = Survey::default();
        assert_eq!(administration.survey(&survey, None).unwrap(), SurveyPage::default(), "a page looks at nothing");
        for number in [20, last] {
            endanger(&administration, number);
        }
        survey = Survey::begun(NOW);
        assert!(survey.take(administration.look(None).unwrap(), NOW), "the first stretch is not all");
        let page = administration.survey(&survey, None).unwrap();
        assert!(page.is_running() && !page.is_well());
        assert_eq!((page.looked_at, page.accounts.len()), (STRETCH_ACCOUNTS_MAX, 1));
        assert!(!survey.take(administration.look(survey.last()).unwrap(), NOW));
        let page = administration.survey(&survey, None).unwrap();
        let found: Vec<(u32, Light)> = page.accounts.iter().map(|account| (account.number, account.light)).collect();
        assert_eq!((found, page.looked_at), (vec![(20, Light::Red), (last, Light::Red)], STRETCH_ACCOUNTS_MAX + 5));
        assert!(!page.is_running() && page.ended_at.is_some());
        assert_eq!(administration.survey(&survey, Some(20)).unwrap().accounts.len(), 1);
        // What is mended meanwhile is not shown any more.
        for number in [20, last] {
            let account = administration.auth.store().account(AccountId(number));
            let actor = Actor { device: DeviceId(0), protocol: Protocol::Web, now: NOW };
            for device in account.devices().unwrap().keys() {
                account.revoke_device(actor, *device).unwrap();
            }
        }
        assert!(administration.survey(&survey, None).unwrap().is_well());
    }

    #[test]
    fn what_is_kept_is_bounded_and_damage_goes_first() {
        let mut survey = Survey::begun(NOW);
        let stretch = |ids: std::ops::Range<usize>, findings: &[String]| Stretch {
            looked_at: ids.len(),
            flagged: ids.map(|id| (AccountId(id as u32), findings.to_vec())).collect(),
            ..Stretch::default()
        };
        survey.take(stretch(0..KEPT_ACCOUNTS_MAX, &[]), NOW);
        let findings = vec!["x".to_owned(); KEPT_FINDINGS_MAX + 1];
        survey.take(stretch(KEPT_ACCOUNTS_MAX..KEPT_ACCOUNTS_MAX + 1, &findings), NOW);
        survey.take(stretch(KEPT_ACCOUNTS_MAX + 1..KEPT_ACCOUNTS_MAX + 2, &[]), NOW);
        assert_eq!((survey.flagged.len(), survey.left_out), (KEPT_ACCOUNTS_MAX, 2));
        assert_eq!(survey.flagged[&AccountId(KEPT_ACCOUNTS_MAX as u32)].len(), KEPT_FINDINGS_MAX);
        survey.fail("the disk is gone".to_owned(), NOW);
        assert!(!survey.is_running());
    }
}
