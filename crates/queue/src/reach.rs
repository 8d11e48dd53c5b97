//! Gets one message to one destination: finds its hosts, tries them in their order, and puts what they say into the states
//! of recipients. Blocks; runs on the sender's threads.

use crate::destinations::Unreached;
use crate::entry::{LastReply, RecipientState};
use crate::mx::{self, Dane, Found, Host};
use crate::outgoing::{Destination, Direct, Outgoing};
use crate::queue::{Fate, Queue};
use crate::report::Protection;
use crate::smarthost::{Security, Smarthost, SmarthostError};
use crate::sts::{Mode, Policies, Policy};
use crate::target::{self, Target};
use crate::tls_outcome::TlsFailure;
use crate::trust::{Tls, Trust};
use crate::wire::{self, End, MailObject, OnConnect, Peer, Seen, Shake};
use smtp_proto::client::{Author, Stage};
use smtp_proto::{Enhanced, Failure, Outcome, Reply, ReversePath};
use std::future::poll_fn;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::pin;
use std::task::Poll;
use store::Timestamp;
use tokio::sync::watch;
use tracing::warn;

/// How destinations are reached.
pub(crate) struct Reach {
    outgoing: Outgoing,
    smarthost_tls: Tls,
    /// `None`: nobody is asked for any.
    policies: Option<Policies>,
    /// The time to stop in good order is over: no look-up goes on.
    cut: watch::Sender<bool>,
}

/// What a destination said.
pub(crate) struct Told {
    /// In the order of the message's recipients.
    pub(crate) fates: Vec<Fate>,
    /// Nobody there could be talked to, and why.
    pub(crate) unreached: Option<Unreached>,
    /// How its session was protected.
    pub(crate) protection: Protection,
    /// To be gone on with once somebody writes the fates down.
    pub(crate) session: Session,
}

/// A connection to a host of a destination.
pub(crate) struct Session {
    end: End,
    /// `None` for the smarthost.
    way: Option<Way>,
    /// Whether it has proven who it is.
    is_proven: bool,
    protection: Protection,
    /// When it began.
    since: Timestamp,
}

/// Why a host was talked to as it was.
struct Way {
    host: Host,
    policy: Option<Policy>,
    /// When that was found.
    found_at: Timestamp,
}

/// A connection is used for no longer.
const SESSION_MILLIS_MAX: i64 = 5 * 60 * 1000;
/// For so long what was found of a domain is not looked up again: what is in the DNS changes by the second.
const FOUND_MILLIS: i64 = 1000;

/// RFC 8689 §8.4 (RFC 3463, X.7.30): a host that is fit for REQUIRETLS is needed.
const UNPROTECTED: Enhanced = Enhanced(5, 7, 30);

impl Told {
    /// Whether the message would not have stayed protected there.
    fn is_unprotected(&self) -> bool {
        let is_so = |fate: &Fate| match fate {
            Fate::Tried(RecipientState::Failed { reply, .. }) => {
                !reply.by_smarthost && reply.status == UNPROTECTED.to_string()
            }
            Fate::Tried(_) | Fate::Postponed { .. } => false,
        };
        self.fates.iter().all(is_so)
    }
}

impl Session {
    /// With nobody.
    pub(crate) fn none() -> Self {
        Self { end: End::Gone, way: None, is_proven: false, protection: Protection::None, since: Timestamp(0) }
    }

    /// Whether the host takes another message.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.end, End::Open(_))
    }

    /// Whether it is good enough for a message to the same destination.
    fn is_fit_for(&self, mail: &MailObject<'_>, now: Timestamp) -> bool {
        (self.is_proven || !mail.is_strict()) && now.0.saturating_sub(self.since.0) < SESSION_MILLIS_MAX
    }

    fn host(&self) -> Option<&str> {
        self.way.as_ref().map(|way| way.host.name.as_str())
    }

    /// Ends it in good order, which may take seconds.
    pub(crate) fn close(self) {
        self.end.close();
    }
}

impl Reach {
    pub(crate) fn new(outgoing: &Outgoing, queue: &Queue) -> Result<Self, SmarthostError> {
        let smarthost_tls = outgoing.smarthost.as_ref().map_or(Ok(Tls::Never), Smarthost::tls)?;
        let sts = outgoing.direct.as_ref().and_then(|direct| direct.sts.as_ref());
        let policies = match sts.map(|sts| Policies::new(sts, queue.clone())).transpose() {
            Ok(policies) => policies,
            Err(error) => {
                warn!(%error, "policies of MTA-STS are not asked for");
                None
            }
        };
        Ok(Self { outgoing: outgoing.clone(), smarthost_tls, policies, cut: watch::Sender::new(false) })
    }

    /// Ends the look-ups that run and those to come.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Over a session that is open with the destination, or a new one.
    pub(crate) fn deliver(
        &self,
        destination: &Destination,
        mail: &mut MailObject<'_>,
        mut session: Session,
        on_connect: OnConnect<'_>,
        now: Timestamp,
    ) -> Told {
        let is_fit = session.is_open()
            && session.is_fit_for(mail, now)
            && self.leads_there(destination, &mut session, mail.may_come_back, now);
        match session {
            Session { end: End::Open(line), way, is_proven, protection, since } if is_fit => {
                let (outcomes, end) = line.deliver(mail);
                if !outcomes.iter().all(is_of_the_past) {
                    return told(&outcomes, Session { end, way, is_proven, protection, since }, now);
                }
            }
            session => session.close(),
        }
        self.deliver_anew(destination, mail, on_connect, now)
    }

    /// Whether a new session with a destination would be of the same kind: its domain still names the host, and asks for the same of
    /// TLS. Where it cannot be asked now a new one says why.
    fn leads_there(
        &self,
        destination: &Destination,
        session: &mut Session,
        may_come_back: bool,
        now: Timestamp,
    ) -> bool {
        let (Destination::Domain { name, .. }, Some(direct)) = (destination, &self.outgoing.direct) else {
            return true;
        };
        let Some(way) = &mut session.way else { return false };
        if (0..FOUND_MILLIS).contains(&now.0.saturating_sub(way.found_at.0)) {
            return true;
        }
        way.found_at = now;
        match self.find(direct, (name, may_come_back), now) {
            Ok((hosts, policy)) => {
                let is_same = |host: &Host| {
                    (&host.name, &host.dane, host.is_signed) == (&way.host.name, &way.host.dane, way.host.is_signed)
                };
                policy == way.policy && hosts.iter().any(is_same)
            }
            Err(_) => false,
        }
    }

    fn deliver_anew(
        &self,
        destination: &Destination,
        mail: &mut MailObject<'_>,
        on_connect: OnConnect<'_>,
        now: Timestamp,
    ) -> Told {
        match (destination, &self.outgoing.smarthost, &self.outgoing.direct) {
            (Destination::Smarthost, Some(smarthost), _) => self.to_smarthost(smarthost, mail, on_connect, now),
            (Destination::Domain { name, .. }, _, Some(direct)) => {
                self.to_domain((direct, name), mail, on_connect, now)
            }
            (Destination::Refused(why), ..) => never(mail, &Reply::new(550, Enhanced(5, 7, 1), why.clone()), now),
            (Destination::Smarthost | Destination::Domain { .. } | Destination::Release | Destination::Back, ..) => {
                later(mail, &Reply::new(451, Enhanced(4, 3, 5), "there is no such way out any more"), now)
            }
        }
    }

    fn to_smarthost(
        &self,
        smarthost: &Smarthost,
        mail: &mut MailObject<'_>,
        on_connect: OnConnect<'_>,
        now: Timestamp,
    ) -> Told {
        let addresses = match (smarthost.host.as_str(), smarthost.port).to_socket_addrs() {
            Ok(addresses) => addresses.collect::<Vec<_>>(),
            Err(error) => return later(mail, &lost(&error.to_string()), now),
        };
        let seen = Seen::default();
        let peer = Peer {
            addresses: &addresses,
            tls: self.smarthost_tls.clone(),
            credentials: smarthost.credentials.clone(),
            hello: &self.outgoing.hello,
            loopback_only: smarthost.security == Security::Loopback,
            seen: &seen,
        };
        let (outcomes, end) = wire::deliver(&peer, mail, on_connect);
        let (is_proven, protection) = (self.smarthost_tls.is_proof(), protection(&seen, &self.smarthost_tls, None));
        told(&outcomes, Session { end, way: None, is_proven, protection, since: now }, now)
    }

    /// The hosts of a domain, and its policy; else why there are none.
    fn find(
        &self,
        direct: &Direct,
        (domain, may_come_back): (&str, bool),
        now: Timestamp,
    ) -> Result<(Vec<Host>, Option<Policy>), Reply> {
        let own = Some(self.outgoing.hello.as_str()).filter(|_| !may_come_back);
        let look_up = mx::hosts(&direct.dns, domain, own, direct.port);
        let stops = || lost("this server stops");
        let hosts = match direct.runtime.block_on(self.unless_cut(look_up)).ok_or_else(stops)? {
            Found::Hosts(hosts) => hosts,
            Found::Never(reply) | Found::Later(reply) => return Err(reply),
        };
        let policy = direct.runtime.block_on(self.unless_cut(self.policy(direct, domain, now))).ok_or_else(stops)?;
        Ok((hosts, policy))
    }

    fn to_domain(
        &self,
        (direct, domain): (&Direct, &str),
        mail: &mut MailObject<'_>,
        on_connect: OnConnect<'_>,
        now: Timestamp,
    ) -> Told {
        let (hosts, policy) = match self.find(direct, (domain, mail.may_come_back), now) {
            Ok(found) => found,
            Err(reply) if reply.is_permanent() => return never(mail, &reply, now),
            Err(reply) => return later(mail, &reply, now),
        };
        let (mut last, mut is_for_tls): (Option<Told>, bool) = (None, false);
        for host in &hosts {
            let target = Target { direct, domain, host, policy: policy.as_ref() };
            let told = match self.tls(&target, mail) {
                Ok(tls) => self.to_host(&target, tls, mail, on_connect, now),
                Err(reply) if reply.is_permanent() => never(mail, &reply, now),
                Err(reply) => unfit(mail, &reply, now),
            };
            is_for_tls |= told.unreached.as_ref().is_some_and(|unreached| unreached.is_for_tls);
            let is_unfit = mail.is_strict() && told.is_unprotected();
            let is_over = told.unreached.is_none() && !is_unfit;
            // One that could not be reached may be fit for it.
            let goes_before = last.as_ref().is_some_and(|last| is_unfit && last.unreached.is_some());
            if let Some(other) = if goes_before { Some(told) } else { last.replace(told) } {
                other.session.close();
            }
            if is_over {
                break;
            }
        }
        // There is one host at least.
        let mut told = last.unwrap_or_else(|| later(mail, &lost("no host was tried"), now));
        if let Some(unreached) = &mut told.unreached {
            unreached.is_for_tls = is_for_tls;
        }
        told
    }

    async fn unless_cut<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut told = self.cut.subscribe();
        let (mut future, mut cut) = (pin!(future), pin!(told.wait_for(|cut| *cut)));
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => cut.as_mut().poll(context).map(|_| None),
        })
        .await
    }

    /// The policy of a domain, to be enforced or in testing.
    async fn policy(&self, direct: &Direct, domain: &str, now: Timestamp) -> Option<Policy> {
        self.policies.as_ref()?.of((&direct.dns, direct.tls_told.as_ref()), domain, now).await
    }

    /// How a host is talked to; `Err`: not at all.
    fn tls(&self, target: &Target<'_>, mail: &MailObject<'_>) -> Result<Tls, Reply> {
        let Target { host, policy, .. } = *target;
        if mail.waives_tls {
            // RFC 8689 §3.
            let tls = Trust::in_anybody(&host.name).map(Tls::Opportunistic);
            return tls.ok_or_else(|| lost(&format!("{} is no name of a host", host.name)));
        }
        if mail.is_strict() {
            return self.strict_tls(target);
        }
        let roots = self.policies.as_ref().map(|policies| &policies.roots);
        let tls = match (&host.dane, policy, roots) {
            // RFC 8461 §2: what is signed goes before.
            (Dane::Required(tlsa), ..) => Trust::in_published(&host.name, tlsa).map(Tls::Required),
            // RFC 8461 §5: a policy in testing changes nothing for the mail; what it finds wrong is told.
            (Dane::None, Some(Policy { mode: Mode::Testing | Mode::None, .. }), Some(roots)) => {
                Trust::in_anybody_but_noting(&host.name, roots).map(Tls::Opportunistic)
            }
            (Dane::None, Some(policy), _) if !policy.names(&host.name) => {
                target.tell(&Seen::default(), Err(TlsFailure::Invalid));
                let text = format!("{} is none of the hosts that the policy of its domain (MTA-STS) names", host.name);
                return Err(Reply::new(451, Enhanced(4, 7, 5), text));
            }
            (Dane::None, Some(_), Some(roots)) => Trust::in_roots(&host.name, roots).map(Tls::Required),
            (Dane::None, ..) => Trust::in_anybody(&host.name).map(Tls::Opportunistic),
        };
        tls.ok_or_else(|| lost(&format!("{} is no name of a host", host.name)))
    }

    /// For a message that goes to nobody who does not prove who it is (RFC 8689 §4.2.1). That the host takes mail for the domain has
    /// to be beyond doubt as well, or whoever forges the DNS names one of their own.
    fn strict_tls(&self, target: &Target<'_>) -> Result<Tls, Reply> {
        let Target { host, policy, domain, .. } = *target;
        if let Dane::Required(tlsa) = &host.dane
            && let Some(trust) = Trust::in_published(&host.name, tlsa).filter(Trust::is_proof)
        {
            return Ok(Tls::Required(trust));
        }
        let is_named = host.is_signed || policy.is_some_and(|policy| policy.names(&host.name));
        let trust = self.policies.as_ref().and_then(|policies| Trust::in_roots(&host.name, &policies.roots));
        trust.filter(|_| is_named).map(Tls::Required).ok_or_else(|| {
            let text = format!("nothing proves that {} takes mail for {domain}, as REQUIRETLS asks for", host.name);
            Reply::new(550, UNPROTECTED, text)
        })
    }

    fn to_host(
        &self,
        target: &Target<'_>,
        tls: Tls,
        mail: &mut MailObject<'_>,
        on_connect: OnConnect<'_>,
        now: Timestamp,
    ) -> Told {
        let host = target.host;
        let addresses: Vec<SocketAddr> =
            host.addresses.iter().map(|address| SocketAddr::new(*address, target.direct.port)).collect();
        let seen = Seen::default();
        let peer = |tls| Peer {
            addresses: &addresses,
            tls,
            credentials: None,
            hello: &self.outgoing.hello,
            loopback_only: false,
            seen: &seen,
        };
        let (outcomes, end) = wire::deliver(&peer(tls.clone()), mail, on_connect);
        let is_told = mail.envelope.reverse_path != ReversePath::Null;
        if let Some(result) = target::result(&seen, &outcomes).filter(|_| is_told) {
            target.tell(&seen, result);
        }
        let way = || Way { host: host.clone(), policy: target.policy.cloned(), found_at: now };
        let protection = protection(&seen, &tls, Some(target));
        let session = |end, is_proven, protection| Session { end, way: Some(way()), is_proven, protection, since: now };
        // RFC 7435 §3: where any protection is better than none, none is better than no mail.
        let is_tls_broken = outcomes.iter().all(|outcome| stage(outcome) == Some(Stage::StartTls));
        if is_tls_broken && matches!(tls, Tls::Opportunistic(_)) {
            let (outcomes, end) = wire::deliver(&peer(Tls::Never), mail, on_connect);
            return told(&outcomes, session(end, false, Protection::None), now);
        }
        if is_tls_broken && mail.is_strict() && is_final(&seen, &outcomes) {
            // Of other mail it says nothing.
            let text = format!("{} speaks no TLS, or does not prove who it is, as REQUIRETLS asks for", host.name);
            return never(mail, &Reply::new(550, UNPROTECTED, text), now);
        }
        told(&outcomes, session(end, tls.is_proof(), protection), now)
    }
}

/// How a session is protected that was talked to with `tls`; `target`: where that is no smarthost.
fn protection(seen: &Seen, tls: &Tls, target: Option<&Target<'_>>) -> Protection {
    let is_policy = |target: &&Target<'_>| target.policy.is_some_and(|policy| policy.mode == Mode::Enforce);
    match (seen.shake(), target) {
        (Shake::None | Shake::Broken(_), _) => Protection::None,
        (Shake::Done(_), _) if !tls.is_proof() => Protection::Unproven,
        (Shake::Done(_), Some(Target { host: Host { dane: Dane::Required(_), .. }, .. })) => Protection::Published,
        (Shake::Done(_), Some(target)) if is_policy(&target) => Protection::Policy,
        (Shake::Done(_), _) => Protection::Authority,
    }
}

/// Where a delivery ended that may go on later.
fn stage(outcome: &Outcome) -> Option<Stage> {
    match outcome {
        Outcome::Temporary(failure) => Some(failure.stage),
        Outcome::Accepted { .. } | Outcome::Permanent(_) | Outcome::NotTried => None,
    }
}

/// Whether TLS will be no different the next time: none is offered, or the certificate does not prove who the host is.
fn is_final(seen: &Seen, outcomes: &[Outcome]) -> bool {
    let is_not_offered = |outcome: &Outcome| match outcome {
        Outcome::Temporary(failure) => failure.reply.enhanced == Some(Enhanced(4, 7, 10)),
        Outcome::Accepted { .. } | Outcome::Permanent(_) | Outcome::NotTried => false,
    };
    match seen.shake() {
        Shake::None => outcomes.iter().all(is_not_offered),
        Shake::Done(_) | Shake::Broken(TlsFailure::Invalid) => false,
        Shake::Broken(_) => true,
    }
}

/// Whether a host had gone away since it took the last message of its session.
fn is_of_the_past(outcome: &Outcome) -> bool {
    let Outcome::Temporary(failure) = outcome else { return false };
    failure.stage == Stage::Mail && (failure.author == Author::Client || failure.reply.code == 421)
}

fn told(outcomes: &[Outcome], session: Session, now: Timestamp) -> Told {
    // Who did not come as far as MAIL has not spoken of a message.
    let is_before_mail = |outcome: &Outcome| {
        matches!(stage(outcome), Some(Stage::Greeting | Stage::Hello | Stage::StartTls | Stage::Auth))
    };
    let fates: Vec<Fate> = outcomes.iter().map(|outcome| fate(outcome, &session, now)).collect();
    let is_for_tls = outcomes.iter().all(|outcome| stage(outcome) == Some(Stage::StartTls));
    let unreached = match fates.first() {
        Some(Fate::Tried(RecipientState::Waiting { last })) if outcomes.iter().all(is_before_mail) => {
            last.clone().map(|last| Unreached { last, is_for_tls })
        }
        Some(_) | None => None,
    };
    Told { fates, unreached, protection: session.protection, session }
}

fn fate(outcome: &Outcome, session: &Session, now: Timestamp) -> Fate {
    let words = |reply: &Reply, by_other: bool| {
        let reply = LastReply::new(reply, by_other, now);
        LastReply { host: session.host().map(str::to_owned), tls: session.protection != Protection::None, ..reply }
    };
    let of = |failure: &Failure| words(&failure.reply, failure.author == Author::Server);
    Fate::Tried(match outcome {
        Outcome::Accepted { reply, reports } => {
            RecipientState::Delivered { reply: words(reply, true), untold: !reports }
        }
        Outcome::Temporary(failure) => RecipientState::Waiting { last: Some(of(failure)) },
        Outcome::Permanent(failure) => RecipientState::Failed { reply: of(failure), reported: false },
        Outcome::NotTried => return Fate::Postponed { last: None, until: now },
    })
}

/// Nobody was talked to, and nobody will be.
fn never(mail: &MailObject<'_>, reply: &Reply, now: Timestamp) -> Told {
    let state = RecipientState::Failed { reply: LastReply::new(reply, false, now), reported: false };
    all(mail, state, None)
}

/// Nobody was talked to.
fn later(mail: &MailObject<'_>, reply: &Reply, now: Timestamp) -> Told {
    let last = LastReply::new(reply, false, now);
    all(mail, RecipientState::Waiting { last: Some(last.clone()) }, Some(Unreached { last, is_for_tls: false }))
}

/// Nobody was talked to, because of what the message needs of TLS.
fn unfit(mail: &MailObject<'_>, reply: &Reply, now: Timestamp) -> Told {
    let told = later(mail, reply, now);
    Told { unreached: told.unreached.map(|unreached| Unreached { is_for_tls: true, ..unreached }), ..told }
}

fn all(mail: &MailObject<'_>, state: RecipientState, unreached: Option<Unreached>) -> Told {
    let fates = vec![Fate::Tried(state); mail.envelope.recipients.len()];
    Told { fates, unreached, protection: Protection::None, session: Session::none() }
}

fn lost(why: &str) -> Reply {
    Reply::new(421, Enhanced(4, 4, 2), why.to_owned())
}
