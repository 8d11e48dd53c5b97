//! Who asks for something, whichever way they came: over the pages, the JSON API, or the command line.

use crate::problem::{Kind, Problem};
use crate::site::Site;
use auth::WebSession;
use console::{
    AccountConsole, Act, Administration, DomainAdministration, Operations, Party, QueueConsole, QueueView, Role, Scope,
    domains_in,
};
use directory::normalise_domain;
use posts::Posts;
use reports::{Looks, OwnComplaints, Refusals};
use session::{Full, Job, Lost, Owner};
use store::{Account, AccountId, Actor, DeviceId, Protocol, Timestamp};

/// Who asks, and what for.
pub(crate) struct Caller {
    pub(crate) site: Site,
    pub(crate) now: Timestamp,
    /// What stands in the path for `{name}`.
    pub(crate) parameters: Vec<(String, String)>,
    /// From which address of the network.
    pub(crate) from: String,
    /// How links to this site begin, for whoever asks.
    pub(crate) origin: String,
    /// The account that it is about; the operator may name none.
    pub(crate) own: Option<Own>,
    pub(crate) proof: Proof,
}

/// An account, for whoever may use it.
pub(crate) struct Own {
    /// Whose mail.
    pub(crate) account: AccountId,
    /// As which device.
    pub(crate) device: DeviceId,
    /// Their mail, for as long as that counts which they came with.
    pub(crate) mail: Account,
    /// The account's own address.
    pub(crate) address: String,
}

/// How somebody showed who they are.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// By the token of a session, in a cookie.
    Session(Box<WebSession>),
    /// By the application password of a device, with each call of the API.
    Password,
    /// By reaching the control socket, or the data directory itself.
    Operator,
}

impl Caller {
    /// What stands in the path for `{name}`.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.as_str())
    }

    /// A number in the path; what is none leads nowhere.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<T, Problem> {
        self.parameter(name).parse().map_err(|_| Problem::not_found())
    }

    /// A path of this site, as a link.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The account that it is about.
    pub(crate) fn own(&self) -> Result<&Own, Problem> {
        self.own.as_ref().ok_or_else(|| Problem::bad(tr!("Say which account it is about.")))
    }

    /// The console of that account.
    pub(crate) fn console(&self) -> Result<AccountConsole, Problem> {
        let posts = Posts::of(self.site.auth().store());
        let complaints = OwnComplaints::of(self.site.auth().store());
        let looks = Looks::of(self.site.auth().store());
        let console = AccountConsole::new(self.own()?.mail.clone(), self.actor());
        Ok(console
            .with_queue(self.site.queue().clone())
            .with_posts(posts)
            .with_directory(self.site.auth().directory().clone())
            .with_complaints(complaints)
            .with_looks(looks)
            .with_refusals(self.refusals()))
    }

    /// What was refused, to be looked through for a lost mail.
    pub(crate) fn refusals(&self) -> Refusals {
        Refusals::new(self.site.auth().store(), self.site.auth().directory().clone())
    }

    /// The console of another account, for whoever may administer it.
    pub(crate) fn console_of(&self, account: Account) -> AccountConsole {
        AccountConsole::new(account, self.actor())
    }

    /// The console of an administrator of the server, if they are one.
    pub(crate) fn administration(&self) -> Result<Administration, Problem> {
        Ok(Administration::of(&self.party(), self.site.auth().clone(), self.actor())?)
    }

    /// The console of an administrator, of the server or of some domains, if they are one. It keeps to these.
    pub(crate) fn domain_administration(&self) -> Result<DomainAdministration, Problem> {
        Ok(DomainAdministration::of(&self.party(), self.site.auth().clone(), self.actor())?)
    }

    /// What waits of what their accounts sent, to be looked at by such an administrator.
    pub(crate) fn queue_view(&self) -> Result<QueueView, Problem> {
        Ok(self.domain_administration()?.queue(self.site.queue().clone(), self.now))
    }

    /// The outbound queue, for an administrator of the server.
    pub(crate) fn queue(&self) -> Result<QueueConsole, Problem> {
        Ok(QueueConsole::of(&self.party(), self.site.queue().clone(), self.now)?)
    }

    /// The console of the operator, if that is who asks.
    pub(crate) fn operations(&self) -> Result<Operations, Problem> {
        Ok(Operations::of(&self.party(), self.site.auth().clone(), self.actor())?)
    }

    /// Does what hashes a password, in the line of those that are verified: whoever logs in meanwhile waits for one of them, and as many
    /// processors are taken as for log-ins.
    pub(crate) fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let owner = Owner::Account(self.own.as_ref().map_or(0, |own| own.account.0.into()));
        match Job::in_turn(self.site.jobs(), owner, |_turn| work()).map(Job::sit) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(Lost)) => Err(Problem::fault("a password was not hashed in turn")),
            Err(Full) => Err(Problem::hashing()),
        }
    }

    /// Writes down what they did as an administrator or as the operator. It is done: that it cannot be written down is told in the
    /// log, and nobody is told that it failed.
    pub(crate) fn did(&self, what: &str) {
        // Who reads it may speak another language.
        let what = &wording::english(what);
        let who = match (&self.proof, &self.own) {
            (Proof::Session(_) | Proof::Password, Some(own)) => own.address.clone(),
            (_, _) => "operator".to_owned(),
        };
        let (from, what, domains) = (self.from.clone(), what.to_owned(), self.concerned(what));
        let act = reports::Act { at: self.now, who, from, what, domains };
        if let Err(error) = reports::Acts::new(self.site.auth().store()).note(&act) {
            tracing::error!(who = act.who, what = act.what, %error, "what was done is not in the audit");
        }
    }

    /// The domains here that an act concerns: those of addresses in its words, and those that are named themselves, as where somebody is
    /// given some to administer; of whoever administers some, these where nothing else is said.
    fn concerned(&self, what: &str) -> Vec<String> {
        let directory = self.site.auth().directory();
        let scope = self.party().scope().unwrap_or(Scope::Server);
        let is_here = |domain: &String| directory.is_local_domain(domain).unwrap_or(true) && scope.has_domain(domain);
        let words = what.split(|c: char| c.is_whitespace() || ",:;“”()".contains(c)).filter(|word| !word.contains('@'));
        let alone = words.filter_map(|word| normalise_domain(word.trim_end_matches('.')));
        let mut named: Vec<String> = domains_in(what).into_iter().chain(alone).filter(is_here).collect();
        named.sort();
        named.dedup();
        match scope {
            Scope::Domains(own) if named.is_empty() => own.iter().cloned().collect(),
            Scope::Domains(_) | Scope::Server => named,
        }
    }

    /// Whether they may do that.
    pub(crate) fn may(&self, act: Act) -> Result<(), Problem> {
        Ok(self.party().may(&act)?)
    }

    /// The session that asks; an application password is none, and decides about none.
    pub(crate) fn session(&self) -> Result<&WebSession, Problem> {
        match &self.proof {
            Proof::Session(session) => Ok(session),
            Proof::Password | Proof::Operator => {
                Err(Problem::new(Kind::Forbidden, tr!("This needs a session: log in on the pages.")))
            }
        }
    }

    fn party(&self) -> Party {
        let (account, device) = self.own.as_ref().map_or((AccountId(0), DeviceId(0)), |own| (own.account, own.device));
        match &self.proof {
            Proof::Session(session) => {
                Party::Person { account, role: Role::of(session.is_admin, &session.administers) }
            }
            Proof::Password => Party::Program { account, device },
            Proof::Operator => Party::Operator,
        }
    }

    pub(crate) fn actor(&self) -> Actor {
        let device = self.own.as_ref().map_or(DeviceId(0), |own| own.device);
        let protocol = if self.proof == Proof::Operator { Protocol::Cli } else { Protocol::Web };
        Actor { device, protocol, now: self.now }
    }
}
