//! What administrators of some domains see and do, and administrators of the server where both do the same.
//!
//! Whatever is not here is for administrators of the server alone: a new part of [`Administration`] is out of reach until somebody
//! says here what of it belongs to a domain.
//!
//! Invariant: who administers some domains sees and changes nothing of another: what is there is told as what is not, by the same
//! look-ups.
//! Invariant: they change no account whose owner may do what they may not, or that has something of another domain.

use crate::administration::{AccountLine, AccountsAsk, AccountsPage, Administration, unknown_account};
use crate::bulk::{BulkAnswer, BulkAsk};
use crate::done::DomainLine;
use crate::error::Error;
use crate::party::Party;
use crate::people::{AcceptedRequest, Answering, DeclinedRequest, LinkLine, RequestLine};
use crate::queue::{QueueConsole, QueueView};
use crate::refused::{self, RefusedPage};
use crate::reported::ReportsPage;
use crate::scope::Scope;
use auth::Auth;
use directory::{
    AccountInfo, Address, Alias, DOMAIN_LINKS_MAX, Directory, DomainInfo, DomainLimits, InTurn, LinkInfo, LinkMaker,
    List, NewAccount, NewLink,
};
use queue::Queue;
use reports::Wanted;
use std::collections::BTreeSet;
use store::{AccountId, Actor, Quota, Timestamp};
use wording::tr;

/// The console of an administrator, of the server or of domains.
#[derive(Clone)]
pub struct DomainAdministration {
    pub(crate) whole: Administration,
    pub(crate) scope: Scope,
    /// Whose account they are logged in to.
    by: Option<AccountId>,
}

impl DomainAdministration {
    /// For whoever administers something.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn of(party: &Party, auth: Auth, actor: Actor) -> Result<Self, Error> {
        Ok(Self { scope: party.scope()?, by: party.person(), whole: Administration { auth, actor } })
    }

    /// In the name of whom links are made.
    fn maker(&self) -> LinkMaker<'_> {
        LinkMaker { account: self.by, domains: self.scope.domains() }
    }

    /// Whether they administer it still: for what takes long, or waited for its turn.
    fn still(&self) -> Result<(), Error> {
        let Some(by) = self.by else { return Ok(()) };
        let info = self.directory().account_by_id(by)?.filter(|info| !info.disabled);
        let has = |domains: &BTreeSet<String>, info: &AccountInfo| domains.is_subset(&info.administers);
        match info {
            Some(info) if info.admin || self.scope.domains().is_some_and(|own| has(own, &info)) => Ok(()),
            Some(_) | None => Err(less()),
        }
    }

    /// Over what.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(crate) fn directory(&self) -> &Directory {
        self.whole.auth.directory()
    }

    /// A page of the accounts, as [`Administration::accounts`].
    ///
    /// # Errors
    /// Faults.
    pub fn accounts(&self, ask: &AccountsAsk<'_>) -> Result<AccountsPage, Error> {
        let page = self.whole.accounts_in(ask, self.scope.domains())?;
        Ok(AccountsPage { accounts: page.accounts.into_iter().map(|line| self.seen(line)).collect(), ..page })
    }

    /// The account that a number or an address means, to look at it.
    ///
    /// # Errors
    /// [`Error::Unknown`], the same for one that is not theirs; faults.
    pub fn find(&self, wanted: &str) -> Result<AccountInfo, Error> {
        if self.scope == Scope::Server {
            return self.whole.find(wanted);
        }
        let wanted = wanted.trim();
        // All of it whatever is found; never by a part of the address, which would tell whether others have the same.
        let by_address = self.directory().account(wanted)?;
        let by_number = wanted.parse().ok().map(|number| self.directory().account_by_id(AccountId(number)));
        let found = by_address.or(by_number.transpose()?.flatten());
        found.filter(|info| self.scope.has_address(&info.address)).ok_or_else(|| unknown_account(wanted))
    }

    /// The same, to change something of it.
    ///
    /// # Errors
    /// The same; [`Error::Forbidden`] where its owner may do more than they do.
    pub fn find_to_change(&self, wanted: &str) -> Result<AccountInfo, Error> {
        let info = self.find(wanted)?;
        self.may_change(&info)?;
        Ok(info)
    }

    /// Whether they may change an account that they see: whoever sets the password of another has what the other may do.
    ///
    /// # Errors
    /// [`Error::Forbidden`], faults.
    pub fn may_change(&self, info: &AccountInfo) -> Result<(), Error> {
        let Some(domains) = self.scope.domains() else { return Ok(()) };
        match self.may_more(info)? || self.directory().reached_from_outside(domains)?.contains(&info.id) {
            true => Err(more()),
            false => Ok(()),
        }
    }

    /// Whether the owner of an account may do what they may not, or reads mail to the server's postmaster.
    fn may_more(&self, info: &AccountInfo) -> Result<bool, Error> {
        let Some(domains) = self.scope.domains() else { return Ok(false) };
        let is_more = info.admin || !info.administers.is_subset(domains);
        Ok(is_more || self.directory().is_postmaster(Some(info.id), &info.address)?)
    }

    /// Whether an account, an alias or a list may be made of that address, or removed there.
    ///
    /// # Errors
    /// It is no address, or in another domain, whether that is local or not; mail for it is the server's, or of somebody who may
    /// do more than they.
    pub fn may_hold(&self, address: &str) -> Result<(), Error> {
        let Some(domains) = self.scope.domains() else { return Ok(()) };
        let parsed = Address::parse(address).map_err(Error::Refused)?;
        if !domains.contains(&parsed.domain) {
            return Err(Error::refused(tr!(
                "{address} is in none of the domains that you administer",
                address = parsed.text()
            )));
        }
        if self.directory().is_postmaster(None, &parsed.text())? {
            return Err(Error::refused(tr!(
                "mail for {address} is for whoever runs this server; only they change where it goes",
                address = parsed.text()
            )));
        }
        let mut holders = self.directory().led_to(&parsed.text())?;
        // What is sent to a part of somebody's mail is theirs.
        if let Some((name, _)) = parsed.local_part.split_once('+') {
            let whole = format!("{name}@{}", parsed.domain);
            holders.extend(self.directory().account(&whole)?);
            holders.extend(self.directory().led_to(&whole)?);
        }
        for holder in holders {
            if self.may_more(&holder)? {
                return Err(more());
            }
        }
        Ok(())
    }

    /// Whether an account may get that address: it takes its quota along.
    ///
    /// # Errors
    /// [`Self::may_hold`]; it holds more than accounts in that domain may; faults.
    pub fn may_rename(&self, info: &AccountInfo, address: &str) -> Result<(), Error> {
        self.may_hold(address)?;
        let domain = |address: &str| Address::parse(address).map(|address| address.domain).ok();
        if self.scope == Scope::Server || domain(&info.address) == domain(address) {
            return Ok(());
        }
        self.fits(address, self.whole.auth.store().account(info.id).usage()?.quota.bytes)
    }

    /// Whether accounts may be named as what they own or get: only those of their domains, and nothing tells which others there are.
    ///
    /// # Errors
    /// One is elsewhere.
    pub fn may_name(&self, addresses: &[&str]) -> Result<(), Error> {
        match addresses.iter().find(|address| !self.scope.has_address(address)) {
            Some(other) => {
                Err(Error::refused(tr!("{other} is in none of the domains that you administer", other = other)))
            }
            None => Ok(()),
        }
    }

    /// What the list says of an account.
    ///
    /// # Errors
    /// It was removed meanwhile.
    pub fn line(&self, info: AccountInfo) -> Result<AccountLine, store::Error> {
        self.whole.line(info).map(|line| self.seen(line))
    }

    /// Nothing of it tells of other domains.
    fn seen(&self, mut line: AccountLine) -> AccountLine {
        line.administers.retain(|domain| self.scope.has_domain(domain));
        line
    }

    /// Changes how much the mailboxes of an account hold, within what its domain lets it.
    ///
    /// # Errors
    /// More than that; faults.
    pub fn set_quota(&self, info: &AccountInfo, quota: Quota) -> Result<(), Error> {
        self.fits(&info.address, quota.bytes)?;
        self.whole.set_quota(info.id, quota)
    }

    /// Whether an account may hold so much. Whoever administers the server decides that themselves.
    fn fits(&self, address: &str, bytes: Option<u64>) -> Result<(), Error> {
        if self.scope == Scope::Server {
            return Ok(());
        }
        let (_, domain) = address.trim().rsplit_once('@').unwrap_or_default();
        match self.directory().domain_limits(domain)?.quota_bytes {
            Some(max) if bytes.is_none_or(|bytes| bytes > max) => Err(Error::refused(tr!(
                "an account in {domain} holds {limit} at most; whoever administers the server can let it hold more",
                domain = domain,
                limit = crate::words::bytes(max)
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Makes the accounts of a list, as [`Administration::import`]; a line that is not theirs to make is told with the others.
    ///
    /// # Errors
    /// The same.
    pub fn import(&self, ask: &BulkAsk<'_>, in_turn: InTurn<'_>) -> Result<BulkAnswer, Error> {
        let may = |account: &NewAccount<'_>| {
            self.may_hold(account.address)?;
            account.aliases.iter().try_for_each(|alias| self.may_hold(alias))?;
            account.quota_bytes.map_or(Ok(()), |bytes| self.fits(account.address, bytes))
        };
        // Before each password that is hashed: a thousand take minutes.
        let in_turn_still = |password| {
            self.still().map_err(|error| directory::Error::refused(error.to_string()))?;
            in_turn(password)
        };
        self.whole.import_where(ask, &in_turn_still, &may)
    }

    /// Requests for accounts in their domains.
    ///
    /// # Errors
    /// Faults.
    pub fn requests(&self) -> Result<Vec<RequestLine>, Error> {
        let mut requests = self.whole.requests()?;
        requests.retain(|request| self.scope.has_address(&request.address));
        for request in &mut requests {
            if request.state == "accepted" {
                request.answer = request.answer.take().filter(|address| self.scope.has_address(address));
            }
        }
        Ok(requests)
    }

    /// Accepts one, as [`Administration::accept`].
    ///
    /// # Errors
    /// The same.
    pub fn accept(
        &self,
        number: u32,
        address: Option<&str>,
        answering: &Answering<'_>,
    ) -> Result<AcceptedRequest, Error> {
        self.still()?;
        self.may_link(self.whole.actor.now)?;
        if let Some(wished) = self.wished(number)? {
            self.may_hold(address.unwrap_or(&wished))?;
        }
        // What another administrator has begun may be elsewhere.
        self.whole.accept_where(number, address, answering, (&self.maker(), &|made| self.scope.has_address(made)))
    }

    /// Declines one, as [`Administration::decline`].
    ///
    /// # Errors
    /// The same.
    pub fn decline(&self, number: u32, reason: &str, answering: &Answering<'_>) -> Result<DeclinedRequest, Error> {
        self.wished(number)?;
        self.whole.decline(number, reason, answering)
    }

    /// The wished address of a request that is theirs to answer; nothing for whoever answers all.
    fn wished(&self, number: u32) -> Result<Option<String>, Error> {
        if self.scope == Scope::Server {
            return Ok(None);
        }
        let found = self.requests()?.into_iter().find(|request| request.number == number);
        found.map(|request| Some(request.address)).ok_or_else(|| auth::no_such_request(number).into())
    }

    /// Links that were made and not used yet, and lead into their domains only.
    ///
    /// # Errors
    /// Faults.
    pub fn links(&self, now: Timestamp) -> Result<Vec<LinkLine>, Error> {
        let mut links: Vec<LinkLine> = self.directory().links(now)?.into_iter().map(LinkLine::from).collect();
        if let Some(domains) = self.scope.domains() {
            let reached = self.directory().reached_from_outside(domains)?;
            let is_theirs = links.iter().map(|link| self.is_theirs(link, &reached));
            let is_theirs: Vec<bool> = is_theirs.collect::<Result<_, _>>()?;
            let mut is_theirs = is_theirs.into_iter();
            links.retain(|_| is_theirs.next().unwrap_or(false));
        }
        Ok(links)
    }

    /// Whether a link leads into their domains only, and not to the password of an account that they do not change. `reached`: those
    /// that have something of other domains.
    fn is_theirs(&self, link: &LinkLine, reached: &BTreeSet<AccountId>) -> Result<bool, Error> {
        let Some(address) = &link.address else { return Ok(self.scope.has_all(&link.domains)) };
        let Some(info) = self.directory().account(address)? else { return Ok(self.scope.has_address(address)) };
        Ok(self.scope.has_address(address) && !reached.contains(&info.id) && !self.may_more(&info)?)
    }

    /// Whether one more can be made, before something is done that leads to one; what counts is found when it is made.
    ///
    /// # Errors
    /// They have as many as may be; faults.
    pub fn may_link(&self, now: Timestamp) -> Result<(), Error> {
        if self.scope != Scope::Server && self.links(now)?.len() >= DOMAIN_LINKS_MAX {
            return Err(Error::refused(tr!(
                "{most} links for your domains are open, the most there can be; take some back",
                most = DOMAIN_LINKS_MAX
            )));
        }
        Ok(())
    }

    /// A link for the password of an account, unless its owner may do more than they once it is made.
    ///
    /// # Errors
    /// [`Error::Forbidden`], too many links, faults.
    pub fn password_link(&self, info: &AccountInfo, now: Timestamp) -> Result<(String, LinkInfo), Error> {
        let link = self.directory().password_link_by(&info.address, now, &self.maker())?;
        // Somebody may have given its owner a role just before: what was made after that is taken back here, what was made before it
        // ended with it.
        let since = self.find_to_change(&info.id.to_string());
        if let Err(error) = since {
            self.directory().take_link_back(&link.info.id)?;
            return Err(error);
        }
        Ok((link.token, link.info))
    }

    /// Takes a link back.
    ///
    /// # Errors
    /// There is none of that name, or it is not theirs; faults.
    pub fn take_link_back(&self, id: &str, now: Timestamp) -> Result<(), Error> {
        if self.scope != Scope::Server && !self.links(now)?.iter().any(|link| link.id == id) {
            return Err(directory::no_such_link(id).into());
        }
        Ok(self.directory().take_link_back(id)?)
    }

    /// The domains.
    ///
    /// # Errors
    /// Faults.
    pub fn domains(&self) -> Result<Vec<DomainInfo>, Error> {
        let domains = self.directory().domains()?.into_iter();
        Ok(domains.filter(|domain| self.scope.has_domain(&domain.name)).collect())
    }

    /// The same with who reads mail to their postmaster and who administers them, as far as these are theirs to see.
    ///
    /// # Errors
    /// Faults.
    pub fn domain_lines(&self) -> Result<Vec<DomainLine>, Error> {
        self.domains()?.into_iter().map(|domain| self.domain_line(domain)).collect()
    }

    fn domain_line(&self, domain: DomainInfo) -> Result<DomainLine, Error> {
        let directory = self.directory();
        let mut postmasters = directory.postmasters(&domain.name)?;
        postmasters.retain(|address| self.scope.has_address(address));
        let mut administrators = Vec::new();
        for id in directory.administrators_of(&domain.name)? {
            let address = directory.account_by_id(id)?.map(|info| info.address);
            administrators.extend(address.filter(|address| self.scope.has_address(address)));
        }
        let DomainLimits { accounts, quota_bytes } = directory.domain_limits(&domain.name)?;
        let DomainInfo { name: domain, shown } = domain;
        Ok(DomainLine {
            domain,
            shown,
            postmasters,
            administrators,
            accounts_max: accounts,
            quota_bytes_max: quota_bytes,
        })
    }

    /// The aliases of the domains.
    ///
    /// # Errors
    /// Faults.
    pub fn aliases(&self) -> Result<Vec<Alias>, Error> {
        let aliases = self.directory().aliases()?.into_iter();
        Ok(aliases.filter(|alias| self.scope.has_address(&alias.address)).collect())
    }

    /// Makes an alias. Addresses in domains that are not theirs are what addresses elsewhere are: nothing tells whether there is
    /// such an account.
    ///
    /// # Errors
    /// [`Self::may_hold`]; as [`Directory::add_alias`].
    pub fn add_alias(&self, alias: &str, targets: &[&str]) -> Result<(), Error> {
        self.may_hold(alias)?;
        match self.scope.domains() {
            None => Ok(self.directory().add_alias(alias, targets)?),
            Some(domains) => Ok(self.directory().add_alias_within(alias, targets, domains)?),
        }
    }

    /// Removes one.
    ///
    /// # Errors
    /// [`Self::may_hold`]; there is none.
    pub fn remove_alias(&self, alias: &str) -> Result<(), Error> {
        self.may_hold(alias)?;
        Ok(self.directory().remove_alias(alias)?)
    }

    /// Whether a list is in their domains.
    #[must_use]
    pub fn has_list(&self, list: &List) -> bool {
        self.scope.has_domain(list.domain())
    }

    /// What was refused because an address of theirs leads nowhere; for administrators of the server also what came to no recipient.
    ///
    /// # Errors
    /// Faults.
    pub fn refused(&self, wanted: &Wanted) -> Result<RefusedPage, Error> {
        match self.scope.domains() {
            None => self.whole.refused(wanted),
            Some(domains) => refused::of_domains(&self.whole.auth, domains, wanted),
        }
    }

    /// What others reported of their domains, and of mail of their accounts.
    ///
    /// # Errors
    /// Faults.
    pub fn reports(&self, days: u32, now: Timestamp) -> Result<ReportsPage, Error> {
        let mut page = self.whole.reports(days, now)?;
        if self.scope != Scope::Server {
            page.mail.retain(|mail| self.scope.has_domain(&mail.domain));
            page.tls.retain(|tls| self.scope.has_domain(&tls.domain));
            let is_theirs = |account: &Option<String>| account.as_deref().is_some_and(|a| self.scope.has_address(a));
            page.complaints.retain(|complaint| is_theirs(&complaint.account));
            page.rejections.clear();
        }
        Ok(page)
    }

    /// How many domains refused our mail in the last week; administrators of domains are told of none.
    ///
    /// # Errors
    /// Faults.
    pub fn rejecting_domains(&self, now: Timestamp) -> Result<usize, Error> {
        if self.scope == Scope::Server { self.whole.rejecting_domains(now) } else { Ok(0) }
    }

    /// What their accounts sent and has not left yet.
    #[must_use]
    pub fn queue(&self, queue: Queue, now: Timestamp) -> QueueView {
        QueueView::new(QueueConsole::unasked(queue, now), self.scope.clone(), self.directory().clone())
    }

    /// Invites somebody, to an account of that address or into domains ([`Self::inviting`]).
    ///
    /// # Errors
    /// [`Self::may_hold`]; too many links; as [`Directory::invite`].
    pub fn invite(&self, address: Option<&str>, domains: &[&str], days: u16, now: Timestamp) -> Result<NewLink, Error> {
        address.map_or(Ok(()), |address| self.may_hold(address))?;
        Ok(self.directory().invite_by(address, domains, days, now, &self.maker())?)
    }

    /// Domains into which somebody is to be invited: those that are named, or for administrators of domains all of theirs.
    ///
    /// # Errors
    /// One is not theirs.
    pub fn inviting(&self, wanted: &[&str]) -> Result<Vec<String>, Error> {
        let Some(own) = self.scope.domains() else { return Ok(wanted.iter().map(|d| (*d).to_owned()).collect()) };
        if let Some(other) = wanted.iter().find(|domain| !self.scope.has_domain(domain)) {
            return Err(Error::refused(tr!("{other} is none of the domains that you administer", other = other)));
        }
        Ok(if wanted.is_empty() {
            own.iter().cloned().collect()
        } else {
            wanted.iter().map(|d| (*d).to_owned()).collect()
        })
    }
}

/// Why they do not change an account that is theirs.
fn more() -> Error {
    Error::Forbidden(tr!(
        "The owner of this account may do more on this server than you, or has something of a domain that is not yours. Only an \
         administrator of the whole server changes anything of it."
    ))
}

/// What they administer was looked up before, and is different by now.
fn less() -> Error {
    Error::Forbidden(tr!("You administer less than you did a moment ago, so nothing more was done."))
}
