//! What must hold in the directory, and between it and the mailboxes.

use crate::Directory;
use crate::address::domain_of;
use crate::bounds;
use crate::lists::{List, Whose};
use crate::record::{self, AccountRecord, Counters, Leads, name_in, number_in};
use std::collections::{BTreeMap, BTreeSet};
use store::{AccountId, Error, Row, TableId};

impl Directory {
    /// What is wrong with the directory, and damaged of any table, one sentence each; nothing on a server that is well. Meant for a server that
    /// is not making or removing accounts at the moment.
    ///
    /// # Errors
    /// Faults; rows that cannot be read.
    pub fn check(&self) -> Result<Vec<String>, Error> {
        let scan = |kind: &[u8]| self.0.table.scan(kind, kind, usize::MAX);
        let domains: BTreeSet<String> = local_domains(&scan(record::DOMAIN)?)?;
        let mut accounts = BTreeMap::new();
        for row in scan(record::ACCOUNT)? {
            accounts.insert(number_in(&row.0)?, AccountRecord::of_row(&row)?.address);
        }
        let (names, aliases) = (leads(&scan(record::NAME)?)?, leads(&scan(record::ALIAS)?)?);
        let mut findings: Vec<String> = TableId::ALL.iter().flat_map(|id| self.0.store.table(*id).damage()).collect();
        for (id, address) in &accounts {
            if names.get(address).is_none_or(|ids| ids[..] != [*id]) {
                findings.push(format!("account {id} is called {address}, but that address does not lead to it"));
            }
        }
        for (name, ids) in names.iter().chain(&aliases) {
            if !domains.contains(domain_of(name)) {
                findings.push(format!("{name} is in no local domain"));
            }
            let lost = ids.iter().filter(|id| !accounts.contains_key(id));
            findings.extend(lost.map(|id| format!("{name} leads to account {id}, which is not there")));
        }
        findings.extend(bounds::check(&scan(record::ROLE)?, &accounts, &domains)?);
        for row in scan(record::LIST)? {
            let list = List::of_row(&row)?;
            if !domains.contains(list.domain()) {
                findings.push(format!("the list {} is in no local domain", list.address));
            }
            let members = list.members.iter().filter_map(|member| match &member.whose {
                Whose::Account(id) => Some(id),
                Whose::Outside(_) => None,
            });
            let lost = list.owners.iter().chain(members).filter(|id| !accounts.contains_key(id));
            findings.extend(lost.map(|id| format!("the list {} names account {id}, which is not there", list.address)));
        }
        self.check_counters([domains.len(), accounts.len(), aliases.len()], &accounts, &mut findings)?;
        self.check_mailboxes(&accounts, &mut findings)?;
        Ok(findings)
    }

    fn check_counters(
        &self,
        found: [usize; 3],
        accounts: &BTreeMap<AccountId, String>,
        findings: &mut Vec<String>,
    ) -> Result<(), Error> {
        let Counters { next_account, domains, accounts: count, aliases } = Counters::of_table(&self.0.table)?;
        for (counted, found, what) in
            [(domains, found[0], "domains"), (count, found[1], "accounts"), (aliases, found[2], "aliases")]
        {
            if usize::try_from(counted) != Ok(found) {
                findings.push(format!("{found} {what} are there, but {counted} were counted"));
            }
        }
        if let Some((last, _)) = accounts.last_key_value().filter(|(last, _)| last.0 >= next_account) {
            findings.push(format!("account {last} is there, but {next_account} is the next number to be given"));
        }
        Ok(())
    }

    fn check_mailboxes(&self, accounts: &BTreeMap<AccountId, String>, findings: &mut Vec<String>) -> Result<(), Error> {
        let unfinished: BTreeSet<AccountId> = self.unfinished()?.into_iter().collect();
        let mailboxes: BTreeSet<AccountId> = self.0.store.accounts()?.into_iter().collect();
        let without = accounts.iter().filter(|(id, _)| !mailboxes.contains(id));
        findings.extend(without.map(|(id, address)| format!("account {id}, {address}, has no mailbox")));
        let nobodys = mailboxes.iter().filter(|id| !accounts.contains_key(id) && !unfinished.contains(id));
        findings.extend(nobodys.map(|id| format!("mailbox {id} belongs to no account")));
        Ok(())
    }
}

fn local_domains(rows: &[Row]) -> Result<BTreeSet<String>, Error> {
    rows.iter().map(|(key, _)| name_in(key).map(str::to_owned)).collect()
}

fn leads(rows: &[Row]) -> Result<BTreeMap<String, Vec<AccountId>>, Error> {
    rows.iter().map(|row| Ok((name_in(&row.0)?.to_owned(), Leads::of_row(row)?.accounts))).collect()
}
