//! The sender of the outbound queue, as the configuration has it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dns::Dns;
use queue::{Direct, Entry, Notice, Outgoing, Queue, Rates, ReportError, Roots, Sender, Sts, Via, Ways};
use smtp_proto::Credentials;
use store::Timestamp;
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::config::{Config, DeliveryBy, Security, SenderRoutes, Smarthost};
use crate::private_file;
use crate::setup::SetupError;
use crate::stores::Stores;

/// Connections to the smarthost at the same time.
const CONNECTIONS_MAX: usize = 4;
/// What the file of the password holds, and the option that names it.
const PASSWORD: (&str, &str) = ("the smarthost's password", "smarthost.password_file");
/// What an attempt under way may still take at a stop; shorter than the drain of connections.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(2);

/// Mail on its way out. Where no way is configured there is none, and nothing runs.
pub(crate) struct Outbound(Option<Sender>);

impl Outbound {
    /// Starts to send what is in `queue`. Bounces come back.
    ///
    /// # Errors
    /// A smarthost that cannot be used as configured.
    pub(crate) fn start(
        outgoing: Option<Outgoing>,
        stores: &Stores,
        queue: Queue,
        clock: Clock,
    ) -> Result<Self, SetupError> {
        let Some(mut outgoing) = outgoing else { return Ok(Self(None)) };
        if let (Some(direct), Some(counts)) = (&mut outgoing.direct, stores.flow.counts().cloned()) {
            let now = move || Timestamp(clock.now().unix_millis);
            direct.tls_told = Some(Arc::new(move |outcome| counts.session(outcome, now())));
        }
        let (flow, now) = (stores.flow.clone(), move || Timestamp(clock.now().unix_millis));
        let report = move |notice: Notice<'_>| {
            if let Notice::Said(said) = &notice {
                flow.tests().said(said, now()).map_err(|error| ReportError::Never(error.to_string()))?;
            }
            let claims = flow.deliver_report(notice, now())?;
            flow.received().rejected(&notice);
            Ok(claims)
        };
        let flow = stores.flow.clone();
        let release = Arc::new(move |entry: &Entry, content| flow.release(entry, content, now()));
        let sender = Sender::start(queue, outgoing, Arc::new(report), release, Arc::new(now))
            .map_err(|error| SetupError::new(format!("mail cannot go out: {error}; correct [smarthost]")))?;
        Ok(Self(Some(sender)))
    }

    /// Stops: what is not settled then is tried again after the next start. Blocks for 3 s at most.
    pub(crate) fn stop(self) {
        self.stop_within(STOP_GRACE);
    }

    /// As [`Self::stop`]; attempts under way are cut off after `grace`.
    pub(crate) fn stop_within(self, grace: Duration) {
        if let Some(sender) = self.0 {
            sender.stop(grace);
        }
    }

    /// At once and without waiting; what is known of mail that went out is written down all the same. [`Self::stop_within`] waits for it.
    pub(crate) fn leave(&self) {
        if let Some(sender) = &self.0 {
            sender.leave();
        }
    }

    /// Nothing of it is under way any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.as_ref().is_none_or(Sender::has_ended)
    }

    /// Has it looked what is new in the queue: somebody else has changed it.
    pub(crate) fn look_for_news(&self) {
        if let Some(sender) = &self.0 {
            sender.look_for_news();
        }
    }

    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(None)
    }

    #[cfg(test)]
    pub(crate) fn of(sender: Sender) -> Self {
        Self(Some(sender))
    }
}

/// The ways out, if there is one. Must be called on a runtime, which runs the look-ups.
///
/// What TLS makes of sessions is counted later, once the data directory is open: [`Outbound::start`].
pub(crate) fn outgoing(config: &Config, smarthost: Option<queue::Smarthost>, dns: &Dns) -> Option<Outgoing> {
    if !config.has_way_out() {
        return None;
    }
    let delivery = &config.delivery;
    let direct = config.uses_mx().then(|| Direct {
        dns: dns.clone(),
        runtime: Handle::current(),
        port: delivery.port,
        connections_max: delivery.connections_max,
        per_domain_max: delivery.connections_per_domain_max,
        rates: rates(config),
        sts: delivery.mta_sts.then_some(Sts { port: delivery.mta_sts_port, roots: Roots::System }),
        tls_told: None,
    });
    Some(Outgoing { hello: config.hostname.clone(), smarthost, direct, ways: ways(config) })
}

fn rates(config: &Config) -> Rates {
    let each = config.delivery.messages_per_minute_to.iter().map(|(domain, rate)| (domain.to_lowercase(), *rate));
    Rates { default: config.delivery.messages_per_minute, domains: each.collect() }
}

/// Which way mail takes.
pub(crate) fn ways(config: &Config) -> Ways {
    let delivery = &config.delivery;
    let default = match delivery.by {
        Some(DeliveryBy::Mx) => Via::Mx,
        Some(DeliveryBy::Smarthost) => Via::Smarthost,
        None if config.smarthost.is_some() => Via::Smarthost,
        None => Via::Refuse,
    };
    let routes =
        [(&delivery.mx_for, Via::Mx), (&delivery.smarthost_for, Via::Smarthost), (&delivery.refuse_for, Via::Refuse)];
    let SenderRoutes { mx, smarthost, refuse } = &delivery.from;
    let senders = [(mx, Via::Mx), (smarthost, Via::Smarthost), (refuse, Via::Refuse)];
    let each = |some: [(&Vec<String>, Via); 3]| {
        some.into_iter().flat_map(|(names, via)| names.iter().map(move |name| (name.to_lowercase(), via))).collect()
    };
    Ways { default, routes: each(routes), senders: each(senders), hostname: config.hostname.to_lowercase() }
}

/// The smarthost as the sender wants it, with its password read.
///
/// # Errors
/// A password file that cannot be read.
pub(crate) fn target(config: &Config, smarthost: &Smarthost) -> Result<queue::Smarthost, SetupError> {
    let on_loopback =
        smarthost.host == "localhost" || smarthost.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let security = match smarthost.security {
        Security::StartTls => queue::Security::StartTls,
        Security::Tls => queue::Security::Tls,
        Security::None if on_loopback => queue::Security::Loopback,
        Security::None => queue::Security::Cleartext,
    };
    let credentials = match (&smarthost.user, &smarthost.password_file) {
        (Some(user), Some(file)) => {
            Some(Credentials { user: user.clone(), password: private_file::first_line(file, PASSWORD)? })
        }
        (Some(_), None) | (None, Some(_)) | (None, None) => None,
    };
    Ok(queue::Smarthost {
        host: smarthost.host.clone(),
        port: smarthost.port(),
        security,
        roots: Roots::System,
        credentials,
        hello: config.hostname.clone(),
        connections_max: CONNECTIONS_MAX,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_file_says_which_way_whose_mail_takes() {
        let directory = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let path = directory.path().join("pillarbox.toml");
            std::fs::write(&path, text).unwrap();
            Config::load(Path::new(&path)).map(|config| (config.uses_mx(), ways(&config)))
        };
        let (uses_mx, found) = read(
            "hostname = 'Mail.example.org'\n[delivery]\nrefuse_for = ['far.example']\nmx_from = ['Example.net']\n\
             smarthost_from = ['Ada@Example.net', '\"x\"@example.org']\nrefuse_from = ['x.example']\n\
             [smarthost]\nhost = 'relay.example'\n",
        )
        .unwrap();
        let named = |names: &[(&str, Via)]| names.iter().map(|(name, via)| ((*name).to_owned(), *via)).collect();
        let senders = named(&[
            ("example.net", Via::Mx),
            ("ada@example.net", Via::Smarthost),
            ("x@example.org", Via::Smarthost),
            ("x.example", Via::Refuse),
        ]);
        let routes = named(&[("far.example", Via::Refuse)]);
        assert_eq!(found, Ways { default: Via::Smarthost, routes, senders, hostname: "mail.example.org".to_owned() });
        assert!(uses_mx);
        for wrong in ["mx_from = ['a b']", "refuse_from = ['@example.org']", "smarthost_from = ['example.org']"] {
            assert!(read(&format!("[delivery]\n{wrong}\n")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_security_is_cleartext_unless_it_stays_on_this_machine() {
        fn check(host: &str, security: Security, expected: queue::Security) {
            let smarthost = Smarthost { host: host.to_owned(), security, ..Smarthost::default() };
            let config = Config::trial("/nowhere".into());
            assert_eq!(target(&config, &smarthost).unwrap().security, expected, "{host}");
        }
        check("smtp.example.net", Security::StartTls, queue::Security::StartTls);
        check("smtp.example.net", Security::Tls, queue::Security::Tls);
        check("smtp.example.net", Security::None, queue::Security::Cleartext);
        check("192.0.2.1", Security::None, queue::Security::Cleartext);
        check("localhost", Security::None, queue::Security::Loopback);
        check("127.0.0.1", Security::None, queue::Security::Loopback);
        check("::1", Security::None, queue::Security::Loopback);
    }
}
