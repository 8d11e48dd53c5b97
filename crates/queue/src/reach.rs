//! Gets one message to one destination: finds its hosts, tries them in their order, and puts what they say into the states
//! of recipients. Blocks; runs on the sender's threads.

use crate::entry::{LastReply, RecipientState};
use crate::mx::{self, Dane, Found};
use crate::outgoing::{Destination, Direct, Outgoing};
use crate::queue::{Fate, Queue};
use crate::smarthost::{Security, Smarthost, SmarthostError};
use crate::sts::{Mode, Policies, Policy};
use crate::target::{self, Target};
use crate::tls_outcome::TlsFailure;
use crate::trust::{Tls, Trust};
use crate::wire::{self, End, MailObject, OnConnect, Peer, Seen};
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
    pub(crate) unreached: Option<LastReply>,
    /// To be gone on with once the fates are written down.
    pub(crate) session: Session,
}

/// A connection to a host of a destination.
pub(crate) struct Session {
    end: End,
    /// `None` for the smarthost.
    host: Option<String>,
}

impl Session {
    /// With nobody.
    pub(crate) fn none() -> Self {
        Self { end: End::Gone, host: None }
    }

    /// Whether the host takes another message.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.end, End::Open(_))
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
        session: Session,
        on_connect: OnConnect<'_>,
        now: Timestamp,
    ) -> Told {
        if let Session { end: End::Open(line), host } = session {
            let (outcomes, end) = line.deliver(mail);
            if !outcomes.iter().all(is_of_the_past) {
                return told(&outcomes, host, end, now);
            }
        }
        self.deliver_anew(destination, mail, on_connect, now)
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
            (Destination::Domain(domain), _, Some(direct)) => self.to_domain(direct, domain, mail, on_connect, now),
            (Destination::Refused(domain), ..) => {
                let text = match domain.as_str() {
                    "" => "this server sends no such mail to others".to_owned(),
                    domain => format!("this server sends no mail to {domain}"),
                };
                never(mail, &Reply::new(550, Enhanced(5, 7, 1), text), now)
            }
            (Destination::Smarthost | Destination::Domain(_) | Destination::Back, ..) => {
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
        let peer = Peer {
            addresses: &addresses,
            tls: self.smarthost_tls.clone(),
            credentials: smarthost.credentials.clone(),
            hello: &self.outgoing.hello,
            loopback_only: smarthost.security == Security::Loopback,
            seen: &Seen::default(),
        };
        let (outcomes, end) = wire::deliver(&peer, mail, on_connect);
        told(&outcomes, None, end, now)
    }

    fn to_domain(
        &self,
        direct: &Direct,
        domain: &str,
        mail: &mut MailObject<'_>,
        on_connect: OnConnect<'_>,
        now: Timestamp,
    ) -> Told {
        let look_up = mx::hosts(&direct.dns, domain, &self.outgoing.hello, direct.port);
        let hosts = match direct.runtime.block_on(self.unless_cut(look_up)) {
            Some(Found::Hosts(hosts)) => hosts,
            Some(Found::Never(reply)) => return never(mail, &reply, now),
            Some(Found::Later(reply)) => return later(mail, &reply, now),
            None => return later(mail, &lost("this server stops"), now),
        };
        let policy = match direct.runtime.block_on(self.unless_cut(self.policy(direct, domain, now))) {
            Some(policy) => policy,
            None => return later(mail, &lost("this server stops"), now),
        };
        let mut last = None;
        for host in &hosts {
            let target = Target { direct, domain, host, policy: policy.as_ref() };
            let told = match self.tls(&target) {
                Ok(tls) => self.to_host(&target, tls, mail, on_connect, now),
                Err(reply) => later(mail, &reply, now),
            };
            if told.unreached.is_none() {
                return told;
            }
            last = Some(told);
        }
        // There is one host at least.
        last.unwrap_or_else(|| later(mail, &lost("no host was tried"), now))
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
    fn tls(&self, target: &Target<'_>) -> Result<Tls, Reply> {
        let Target { host, policy, .. } = *target;
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
        // RFC 7435 §3: where any protection is better than none, none is better than no mail.
        let is_tls_broken = outcomes.iter().all(|outcome| stage(outcome) == Some(Stage::StartTls));
        if is_tls_broken && matches!(tls, Tls::Opportunistic(_)) {
            let (outcomes, end) = wire::deliver(&peer(Tls::Never), mail, on_connect);
            return told(&outcomes, Some(host.name.clone()), end, now);
        }
        told(&outcomes, Some(host.name.clone()), end, now)
    }
}

/// Where a delivery ended that may go on later.
fn stage(outcome: &Outcome) -> Option<Stage> {
    match outcome {
        Outcome::Temporary(failure) => Some(failure.stage),
        Outcome::Accepted { .. } | Outcome::Permanent(_) | Outcome::NotTried => None,
    }
}

/// Whether a host had gone away since it took the last message of its session.
fn is_of_the_past(outcome: &Outcome) -> bool {
    let Outcome::Temporary(failure) = outcome else { return false };
    failure.stage == Stage::Mail && (failure.author == Author::Client || failure.reply.code == 421)
}

fn told(outcomes: &[Outcome], host: Option<String>, end: End, now: Timestamp) -> Told {
    // Who did not come as far as MAIL has not spoken of a message.
    let is_before_mail = |outcome: &Outcome| {
        matches!(stage(outcome), Some(Stage::Greeting | Stage::Hello | Stage::StartTls | Stage::Auth))
    };
    let fates: Vec<Fate> = outcomes.iter().map(|outcome| fate(outcome, host.as_deref(), now)).collect();
    let unreached = match fates.first() {
        Some(Fate::Tried(RecipientState::Waiting { last })) if outcomes.iter().all(is_before_mail) => last.clone(),
        Some(_) | None => None,
    };
    Told { fates, unreached, session: Session { end, host } }
}

fn fate(outcome: &Outcome, host: Option<&str>, now: Timestamp) -> Fate {
    let words = |reply: &Reply, by_other: bool| {
        let reply = LastReply::new(reply, by_other, now);
        LastReply { host: host.map(str::to_owned), ..reply }
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
fn never(mail: &mut MailObject<'_>, reply: &Reply, now: Timestamp) -> Told {
    let state = RecipientState::Failed { reply: LastReply::new(reply, false, now), reported: false };
    all(mail, state, None)
}

/// Nobody was talked to.
fn later(mail: &mut MailObject<'_>, reply: &Reply, now: Timestamp) -> Told {
    let last = LastReply::new(reply, false, now);
    all(mail, RecipientState::Waiting { last: Some(last.clone()) }, Some(last))
}

fn all(mail: &mut MailObject<'_>, state: RecipientState, unreached: Option<LastReply>) -> Told {
    Told { fates: vec![Fate::Tried(state); mail.envelope.recipients.len()], unreached, session: Session::none() }
}

fn lost(why: &str) -> Reply {
    Reply::new(421, Enhanced(4, 4, 2), why.to_owned())
}
