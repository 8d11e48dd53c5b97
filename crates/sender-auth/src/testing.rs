//! A DNS in memory, for tests.

use crate::{Answer, Claim, Digests, Failed, Findings, Introduction, Kind, Lists, Lookup, Pending, Record, Verifier};
use crate::{examine_introduced, introduce};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// Records by name and kind. A name that has none of any kind does not exist.
#[derive(Debug, Default)]
pub struct Table {
    records: BTreeMap<String, Vec<(Kind, Record)>>,
    names: BTreeMap<IpAddr, Vec<String>>,
    broken: Vec<String>,
    asked: Mutex<Vec<(String, Kind)>>,
}

impl Table {
    /// Adds text.
    #[must_use]
    pub fn txt(self, name: &str, text: &str) -> Self {
        self.with(name, Kind::Txt, Record::Text(text.into()))
    }

    /// Adds an address.
    #[must_use]
    pub fn address(self, name: &str, address: &str) -> Self {
        let Ok(address) = address.parse::<IpAddr>() else { return self };
        self.with(name, if address.is_ipv4() { Kind::A } else { Kind::Aaaa }, Record::Address(address))
    }

    /// Adds the name of an address.
    #[must_use]
    pub fn ptr(mut self, address: &str, name: &str) -> Self {
        let Ok(address) = address.parse() else { return self };
        self.names.entry(address).or_default().push(name.into());
        self
    }

    /// Adds a record.
    #[must_use]
    pub fn with(mut self, name: &str, kind: Kind, record: Record) -> Self {
        self.records.entry(name.to_ascii_lowercase()).or_default().push((kind, record));
        self
    }

    /// Names at or below this one get no answer.
    #[must_use]
    pub fn broken(mut self, name: &str) -> Self {
        self.broken.push(name.into());
        self
    }

    /// What was asked for, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<(String, Kind)> {
        self.asked.lock().map(|asked| asked.clone()).unwrap_or_default()
    }

    fn answer(&self, name: &str, kind: Kind) -> Answer<Vec<Record>> {
        if let Ok(mut asked) = self.asked.lock() {
            asked.push((name.to_owned(), kind));
        }
        let is_below = |broken: &String| name == broken || name.ends_with(&format!(".{broken}"));
        if self.broken.iter().any(is_below) {
            return Err(Failed::Trouble);
        }
        let all = self.records.get(name).ok_or(Failed::NoName)?;
        let found: Vec<Record> = all.iter().filter(|(of, _)| *of == kind).map(|(_, record)| record.clone()).collect();
        if found.is_empty() { Err(Failed::NoData) } else { Ok(found) }
    }
}

impl Lookup for Table {
    fn lookup<'a>(&'a self, name: &'a str, kind: Kind) -> Pending<'a, Answer<Vec<Record>>> {
        Box::pin(std::future::ready(self.answer(name, kind)))
    }

    fn names(&self, address: IpAddr) -> Pending<'_, Answer<Vec<String>>> {
        Box::pin(std::future::ready(self.names.get(&address).cloned().ok_or(Failed::NoName)))
    }
}

/// What a [`Table`] is asked as a [`Verifier`].
fn lists() -> Lists {
    Lists { block: vec!["bad.example".into()], allow: vec!["good.example".into()] }
}

impl Verifier for Table {
    fn introduce(self: Arc<Self>, claim: Claim) -> Pending<'static, Introduction> {
        Box::pin(async move { introduce(&*self, &claim, &lists()).await })
    }

    fn verify(self: Arc<Self>, known: Introduction, digests: Digests) -> Pending<'static, Findings> {
        Box::pin(async move { examine_introduced(&*self, known, &digests).await })
    }
}
