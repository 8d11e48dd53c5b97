//! Gets one message to one destination: finds its hosts, tries them in their order, and puts what they say into the states
//! of recipients. Blocks; runs on the sender's threads.

use crate::entry::{LastReply, RecipientState};
use crate::mx::{self, Dane, Found, Host};
use crate::outgoing::{Destination, Direct, Outgoing};
use crate::smarthost::{Security, Smarthost, SmarthostError};
use crate::trust::{Tls, Trust};
use crate::wire::{self, Farewell, OnConnect, Peer};
use smtp_proto::client::{Author, Stage};
use smtp_proto::{Enhanced, Failure, Message, Outcome, Reply};
use std::future::poll_fn;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::pin;
use std::task::Poll;
use store::Timestamp;
use tokio::sync::watch;

/// How destinations are reached.
pub(crate) struct Reach {
    outgoing: Outgoing,
    smarthost_tls: Tls,
    /// The time to stop in good order is over: no look-up goes on.
    cut: watch::Sender<bool>,
}

/// What a destination said.
pub(crate) struct Told {
    /// In the order of the message's recipients.
    pub(crate) states: Vec<RecipientState>,
    /// Nobody there could be talked to, and why.
    pub(crate) unreached: Option<LastReply>,
    /// To be waited for once the states are written down.
    pub(crate) farewell: Farewell,
}

impl Reach {
    pub(crate) fn new(outgoing: &Outgoing) -> Result<Self, SmarthostError> {
        let smarthost_tls = outgoing.smarthost.as_ref().map_or(Ok(Tls::Never), Smarthost::tls)?;
        Ok(Self { outgoing: outgoing.clone(), smarthost_tls, cut: watch::Sender::new(false) })
    }

    /// Ends the look-ups that run and those to come.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    pub(crate) fn deliver(
        &self,
        destination: &Destination,
        message: &Message,
        on_connect: OnConnect<'_>,
        now: Timestamp,
    ) -> Told {
        match (destination, &self.outgoing.smarthost, &self.outgoing.direct) {
            (Destination::Smarthost, Some(smarthost), _) => self.to_smarthost(smarthost, message, on_connect, now),
            (Destination::Domain(domain), _, Some(direct)) => self.to_domain(direct, domain, message, on_connect, now),
            (Destination::Refused(domain), ..) => {
                let text = match domain.as_str() {
                    "" => "this server sends no such mail to others".to_owned(),
                    domain => format!("this server sends no mail to {domain}"),
                };
                never(message, &Reply::new(550, Enhanced(5, 7, 1), text), now)
            }
            (Destination::Smarthost | Destination::Domain(_), ..) => {
                later(message, &Reply::new(451, Enhanced(4, 3, 5), "there is no such way out any more"), now)
            }
        }
    }

    fn to_smarthost(
        &self,
        smarthost: &Smarthost,
        message: &Message,
        on_connect: OnConnect<'_>,
        now: Timestamp,
    ) -> Told {
        let addresses = match (smarthost.host.as_str(), smarthost.port).to_socket_addrs() {
            Ok(addresses) => addresses.collect::<Vec<_>>(),
            Err(error) => return later(message, &lost(&error.to_string()), now),
        };
        let peer = Peer {
            addresses: &addresses,
            tls: self.smarthost_tls.clone(),
            credentials: smarthost.credentials.clone(),
            hello: &self.outgoing.hello,
            loopback_only: smarthost.security == Security::Loopback,
        };
        let (outcomes, farewell) = wire::deliver(&peer, message.clone(), on_connect);
        told(&outcomes, None, farewell, now)
    }

    fn to_domain(
        &self,
        direct: &Direct,
        domain: &str,
        message: &Message,
        on_connect: OnConnect<'_>,
        now: Timestamp,
    ) -> Told {
        let look_up = mx::hosts(&direct.dns, domain, &self.outgoing.hello, direct.port);
        let hosts = match direct.runtime.block_on(self.unless_cut(look_up)) {
            Some(Found::Hosts(hosts)) => hosts,
            Some(Found::Never(reply)) => return never(message, &reply, now),
            Some(Found::Later(reply)) => return later(message, &reply, now),
            None => return later(message, &lost("this server stops"), now),
        };
        let mut last = None;
        for host in &hosts {
            let told = self.to_host(direct, host, message, on_connect, now);
            if told.unreached.is_none() {
                return told;
            }
            last = Some(told);
        }
        // There is one host at least.
        last.unwrap_or_else(|| later(message, &lost("no host was tried"), now))
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

    fn to_host(
        &self,
        direct: &Direct,
        host: &Host,
        message: &Message,
        on_connect: OnConnect<'_>,
        now: Timestamp,
    ) -> Told {
        let addresses: Vec<SocketAddr> =
            host.addresses.iter().map(|address| SocketAddr::new(*address, direct.port)).collect();
        let trust = match &host.dane {
            Dane::None => Trust::in_anybody(&host.name).map(Tls::Opportunistic),
            Dane::Required(tlsa) => Trust::in_published(&host.name, tlsa).map(Tls::Required),
        };
        let Some(tls) = trust else {
            return later(message, &lost(&format!("{} is no name of a host", host.name)), now);
        };
        let peer = |tls| Peer {
            addresses: &addresses,
            tls,
            credentials: None,
            hello: &self.outgoing.hello,
            loopback_only: false,
        };
        let (outcomes, farewell) = wire::deliver(&peer(tls.clone()), message.clone(), on_connect);
        // RFC 7435 §3: where any protection is better than none, none is better than no mail.
        let is_tls_broken = outcomes.iter().all(|outcome| stage(outcome) == Some(Stage::StartTls));
        if is_tls_broken && matches!(tls, Tls::Opportunistic(_)) {
            let (outcomes, farewell) = wire::deliver(&peer(Tls::Never), message.clone(), on_connect);
            return told(&outcomes, Some(&host.name), farewell, now);
        }
        told(&outcomes, Some(&host.name), farewell, now)
    }
}

/// Where a delivery ended that may go on later.
fn stage(outcome: &Outcome) -> Option<Stage> {
    match outcome {
        Outcome::Temporary(failure) => Some(failure.stage),
        Outcome::Accepted { .. } | Outcome::Permanent(_) | Outcome::NotTried => None,
    }
}

fn told(outcomes: &[Outcome], host: Option<&str>, farewell: Farewell, now: Timestamp) -> Told {
    // Who did not come as far as MAIL has not spoken of a message.
    let is_before_mail = |outcome: &Outcome| {
        matches!(stage(outcome), Some(Stage::Greeting | Stage::Hello | Stage::StartTls | Stage::Auth))
    };
    let states: Vec<RecipientState> = outcomes.iter().map(|outcome| state(outcome, host, now)).collect();
    let unreached = match states.first() {
        Some(RecipientState::Waiting { last }) if outcomes.iter().all(is_before_mail) => last.clone(),
        Some(_) | None => None,
    };
    Told { states, unreached, farewell }
}

fn state(outcome: &Outcome, host: Option<&str>, now: Timestamp) -> RecipientState {
    let words = |reply: &Reply, by_other: bool| {
        let reply = LastReply::new(reply, by_other, now);
        LastReply { host: host.map(str::to_owned), ..reply }
    };
    let of = |failure: &Failure| words(&failure.reply, failure.author == Author::Server);
    match outcome {
        Outcome::Accepted { reply, .. } => RecipientState::Delivered { reply: words(reply, true), untold: false },
        Outcome::Temporary(failure) => RecipientState::Waiting { last: Some(of(failure)) },
        Outcome::Permanent(failure) => RecipientState::Failed { reply: of(failure), reported: false },
        Outcome::NotTried => RecipientState::Waiting { last: None },
    }
}

/// Nobody was talked to, and nobody will be.
fn never(message: &Message, reply: &Reply, now: Timestamp) -> Told {
    let state = RecipientState::Failed { reply: LastReply::new(reply, false, now), reported: false };
    Told { states: vec![state; message.recipients.len()], unreached: None, farewell: Farewell::none() }
}

/// Nobody was talked to.
fn later(message: &Message, reply: &Reply, now: Timestamp) -> Told {
    let last = LastReply::new(reply, false, now);
    let state = RecipientState::Waiting { last: Some(last.clone()) };
    Told { states: vec![state; message.recipients.len()], unreached: Some(last), farewell: Farewell::none() }
}

fn lost(why: &str) -> Reply {
    Reply::new(421, Enhanced(4, 4, 2), why.to_owned())
}
