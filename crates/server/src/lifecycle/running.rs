//! A server that accepts connections, from the first listener to the last goodbye.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use super::open_files::affordable;
use super::signals::{Request, Signals};
use super::supervisor;
use crate::Preparation;
use crate::clock::Clock;
use crate::config::Config;
use crate::driver::{Endpoint, Timeouts, Work};
use crate::http::{HttpTimeouts, Pages, with_http};
use crate::listen::{Admission, Endpoints, accept};
use crate::service::{Refusal, Service};
use crate::services::Speaks;
use crate::setup::SetupError;
use crate::tls::{Certificates, server_config};

/// How long connections may take to hear goodbye; with what comes after it a stop takes at most 5 s.
const DRAIN_MILLIS: u64 = 4_000;
/// Certificates are looked at this often, so that an own one is replaced in time.
const CERTIFICATE_CHECK_SECONDS: u64 = 12 * 3600;

/// Listeners and their connections.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<(Service, SocketAddr)>,
    certificates: Arc<Certificates>,
    admission: Arc<Admission>,
    clock: Clock,
    stop: watch::Sender<bool>,
    stops: Arc<AtomicBool>,
}

impl Running {
    /// Serves the listeners that `prepared` has opened; `speaks` says what a service is served with. Without a certificate
    /// from files an own one is loaded or made in the data directory, which must be there. Must be called on a multi-threaded
    /// runtime.
    ///
    /// # Errors
    /// A certificate that cannot be used; then nothing listens.
    pub fn start(
        config: &Config,
        prepared: Preparation,
        (clock, work): (Clock, Arc<Work>),
        speaks: &dyn Fn(Service) -> Speaks,
    ) -> Result<Self, SetupError> {
        let certificates = match prepared.certificates {
            Some(certificates) => certificates,
            None => Certificates::load(config.certificate_source(), unix_seconds(clock))?,
        };
        let tls = server_config(certificates.clone())?;
        let admission = Admission::new(affordable(config.connections), &config.proxies);
        let bound = prepared.bound;
        let addresses = bound.iter().map(|bound| (bound.service, bound.address)).collect();
        let (stop, stopping) = watch::channel(false);
        for bound in bound {
            let service = bound.service;
            let endpoint = match speaks(service) {
                Speaks::Sessions(begin) => {
                    let (tls, timeouts, work) = (tls.clone(), Timeouts::default(), work.clone());
                    Endpoints::Sessions(Arc::new(Endpoint { service, begin, tls, clock, timeouts, work }))
                }
                Speaks::Pages(router) => {
                    let tls = service.implicit_tls().then(|| with_http(&tls));
                    let challenges = certificates.challenges().clone();
                    let timeouts = HttpTimeouts::of(service);
                    Endpoints::Pages(Arc::new(Pages { router, challenges, tls, clock, timeouts }))
                }
            };
            info!(%service, address = %bound.address, "listening");
            tokio::spawn(accept(bound, endpoint, admission.clone(), stopping.clone()));
        }
        Ok(Self { addresses, certificates, admission, clock, stop, stops: Arc::default() })
    }

    /// Where it listens; with port 0 configured, the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[(Service, SocketAddr)] {
        &self.addresses
    }

    /// Tells `note` of hosts with mail that find no place.
    pub(crate) fn tell_of_refused(&self, note: impl Fn(Service, IpAddr, Refusal) + Send + Sync + 'static) {
        self.admission.tell(note);
    }

    /// Who is connected.
    pub(crate) fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// Becomes true when the server stops; whoever holds it is not waited for.
    pub(crate) fn stops(&self) -> &Arc<AtomicBool> {
        &self.stops
    }

    /// The certificate in use.
    #[must_use]
    pub fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }

    /// Becomes true when the server stops; background work that should end then holds one, and [`Running::stop`]
    /// waits for it until it drops it.
    #[must_use]
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Serves until SIGTERM or SIGINT; on SIGHUP, and now and then, looks for a new certificate.
    pub(crate) async fn until_stopped(&self, signals: &mut Signals) {
        supervisor::ready();
        loop {
            match next_event(signals).await {
                Some(Request::Stop) => return,
                Some(Request::Reload) => {
                    supervisor::reloading();
                    self.reload();
                    supervisor::ready();
                }
                None => self.reload(),
            }
        }
    }

    /// Reads the certificate again; if that fails the one in use stays, and the log says why.
    pub(crate) fn reload(&self) {
        match self.certificates.reload(unix_seconds(self.clock)) {
            Ok(()) => info!("the TLS certificate is up to date"),
            Err(error) => error!(%error, "the TLS certificate in use stays"),
        }
    }

    /// Accepts nobody any more, says goodbye to everyone and waits for them, for a while. Whether all have gone.
    pub async fn stop(self) -> bool {
        supervisor::stopping();
        info!(connections = self.admission.open(), "stopping");
        self.stops.store(true, Ordering::Relaxed);
        self.stop.send_replace(true);
        let drained = timeout(Duration::from_millis(DRAIN_MILLIS), self.stop.closed()).await.is_ok();
        if !drained {
            warn!(connections = self.admission.open(), "cutting off who has not gone");
        }
        drained
    }
}

/// A signal, or `None` when it is time to look at the certificate.
async fn next_event(signals: &mut Signals) -> Option<Request> {
    let mut signal = pin!(signals.next());
    let mut check = pin!(sleep(Duration::from_secs(CERTIFICATE_CHECK_SECONDS)));
    poll_fn(|context| match signal.as_mut().poll(context) {
        Poll::Ready(request) => Poll::Ready(Some(request)),
        Poll::Pending => check.as_mut().poll(context).map(|()| None),
    })
    .await
}

fn unix_seconds(clock: Clock) -> i64 {
    clock.now().unix_millis / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use session::{Goodbye, Moment, Session, Step, Tls};
    use std::collections::BTreeMap;
    use std::io::Read;
    use std::net::TcpStream;
    use tokio::runtime::Builder;

    struct Named(Service);

    impl Session for Named {
        fn receive(&mut self, _: &[u8]) {}
        fn step(&mut self, _: Moment, output: &mut Vec<u8>) -> Step {
            output.extend_from_slice(self.0.name().as_bytes());
            Step::Close
        }
        fn deadline_millis(&self) -> Option<u64> {
            None
        }
        fn tls_started(&mut self, _: Tls) {}
        fn shut_down(&mut self, _: Goodbye, _: &mut Vec<u8>) {}
    }

    #[test]
    fn every_listener_serves_its_service_until_the_stop() {
        let directory = tempfile::tempdir().unwrap();
        let port = |service| (service, vec!["127.0.0.1:0".parse().unwrap()]);
        let listen: BTreeMap<_, _> = [port(Service::Imap), port(Service::Pop3)].into();
        let config = Config { listen, ..Config::trial(directory.path().to_owned()) };
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let _context = runtime.enter();
        let speaks = |service| Speaks::Sessions(Box::new(move |_| Box::new(Named(service))));
        let clock = Clock::start();
        let prepared = Preparation::new(&config, clock).unwrap();
        let running = Running::start(&config, prepared, (clock, Work::start().unwrap()), &speaks).unwrap();
        let addresses = running.addresses().to_vec();
        assert_eq!(addresses.len(), 2);
        for (service, address) in &addresses {
            let mut text = String::new();
            TcpStream::connect(address).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, service.name());
        }
        running.reload();
        assert!(runtime.block_on(running.stop()));
        assert!(TcpStream::connect(addresses[0].1).is_err());
    }
}
