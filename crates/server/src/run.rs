//! A server from its start to its end: data directory, stores, services, listeners, control socket, signals, drain.

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use dns::Dns;
use hints::HintOptions;
use mailflow::MailFlow;
use queue::{Outgoing, Queue};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::{error, info, warn};
use web::Site;

use crate::Preparation;
use crate::clock::Clock;
use crate::cluster::{Begin, Cluster, Leading};
use crate::config::{Config, StorageEngine};
use crate::control::ControlSocket;
use crate::driver::Work;
use crate::hinted::Hinted;
use crate::lifecycle::{DataDir, Flood, Running, Signals, Telling, runtime};
use crate::observation::Observed;
use crate::services::{
    CertificateKeeper, Outbound, Reporting, STOP_GRACE, Services, distribute_posts, keep_indexes, keep_retention,
    keep_room, keep_signing_keys, learn_junk, offered, outgoing, read_reports, refused_hosts, remove_leavers,
    tell_of_filling, tidy, tidy_receipts, use_kept, write_counts, write_logins, write_refusals,
};
use crate::setup::SetupError;
use crate::standing::must_not_be_superseded;
use crate::stores::{Stores, hints, letterhead};
use crate::tls::Certificates;

/// What still runs after the drain (a command line that is connected) has so long.
const SHUTDOWN: Duration = Duration::from_millis(500);

/// Runs a server until SIGTERM or SIGINT. `listening` is called once all listeners are open, before a supervisor is
/// told so; if it fails the server stops again.
///
/// # Errors
/// Whatever keeps the server from starting.
pub fn run(
    config: &Config,
    listening: impl FnOnce(&Stores, &Running, Clock) -> Result<(), SetupError>,
) -> Result<(), SetupError> {
    let telling = Telling::start(config)?;
    let runtime = runtime()?;
    let context = runtime.enter();
    // From here on a signal is a stop in good order.
    let mut signals = Signals::listen()?;
    let clock = Clock::start();
    // Before anything is made: a start that fails leaves nothing behind.
    let mut prepared = Preparation::new(config, clock).map_err(|problems| SetupError::all(&problems))?;
    let config = &config.listening_on(prepared.bound.iter().map(|bound| (bound.service, bound.address)));
    let outgoing = outgoing(config, prepared.smarthost.take(), &prepared.dns);
    let data_dir = data_dir(config)?;
    let stores = Stores::open(&data_dir, config)?;
    let work = Work::start()?;
    let services = Services::new(config, &stores, clock, &work, &prepared.dns)?;
    let (dns, authority) = (prepared.dns.clone(), prepared.authority.take());
    if authority.is_some() {
        prepared.certificates = Some(certificates(config, &stores, clock)?);
    }
    let running = Running::start(config, prepared, (clock, work.clone()), &|service| services.speaks(service))?;
    services.offer(config, running.addresses());
    tokio::spawn(tell_of_floods(telling.flood.clone(), running.stopping()));
    let indexed_at = Arc::<AtomicI64>::default();
    let hints = heard(config, &data_dir, &stores)?;
    observe(&services, (&stores, &data_dir, &hints.0), &running, (dns.clone(), work, clock), &indexed_at);
    running.tell_of_refused(refused_hosts(stores.flow.refusals().clone(), clock));
    let takes_mail = !tell_of_reading_only(&stores);
    // What is handed over must be noted, or it is handed over twice.
    let outgoing = outgoing.filter(|_| takes_mail);
    let once = Once { config: config.clone(), outgoing, stores: stores.clone(), dns: dns.clone(), clock };
    let duty = once.begin(takes_mail.then(|| running.stopping()), hints)?;
    open_control(&data_dir, &stores, services.site(), &running)?;
    if takes_mail {
        keep_up(config, &data_dir, &stores, clock, &running);
        let texts = (stores.store.clone(), data_dir.disk(), stores.indexes.clone());
        tokio::spawn(keep_indexes(texts, (indexed_at, clock), running.stopping()));
        let received = stores.flow.received().clone();
        tokio::spawn(read_reports(received, dns, clock, running.stopping()));
        if let Some(authority) = authority {
            let (directory, in_use) = (stores.auth.directory().clone(), running.certificates().clone());
            let offered = offered(config, running.addresses());
            let keeper = CertificateKeeper::new(config, authority, directory, in_use, (offered, clock));
            tokio::spawn(keeper.keep(running.stopping()));
        }
    }
    tell_of_postmaster(&stores);
    listening(&stores, &running, clock)?;
    info!(data_dir = %config.data_dir.display(), version = env!("CARGO_PKG_VERSION"), "ready");

    runtime.block_on(running.until_stopped(&mut signals));
    let cluster = stop(&runtime, running, duty);
    drop(context);
    runtime.shutdown_timeout(SHUTDOWN);
    if takes_mail {
        tidy(&stores.store, &stores.queue, clock);
        // All clients have gone: nobody waits for it.
        stores.store.pack_indexes();
    }
    // Only now: what is half-way here is nobody's from then on.
    drop(cluster);
    drop(services);
    // Closes the files; what was acknowledged is durable already.
    drop(stores);
    drop(data_dir);
    info!("stopped");
    Ok(())
}

/// What is heard of other servers with the same mail, and by what.
type Heard = (Arc<Hinted>, Option<HintOptions>);

fn heard(config: &Config, data_dir: &DataDir, stores: &Stores) -> Result<Heard, SetupError> {
    let hints = hints(data_dir.path(), config)?;
    Ok((Arc::new(Hinted::new(&stores.store, hints.as_ref().map(|hints| hints.node.clone()))), hints))
}

/// The data directory, where a server may serve with it.
fn data_dir(config: &Config) -> Result<DataDir, SetupError> {
    let data_dir = DataDir::open(&config.data_dir)?;
    must_not_be_superseded(data_dir.path()).map(|()| data_dir)
}

/// The certificate that the authority gave before; until there is one, that of the own authority.
fn certificates(config: &Config, stores: &Stores, clock: Clock) -> Result<Arc<Certificates>, SetupError> {
    let certificates = Certificates::load(config.certificate_source(), clock.now().unix_millis / 1000)?;
    use_kept(stores.auth.directory(), &certificates);
    Ok(certificates)
}

/// Whether the disk takes nothing: then mail can be read, and that is all.
fn tell_of_reading_only(stores: &Stores) -> bool {
    let read_only = stores.store.read_only();
    if let Some(why) = &read_only {
        error!(
            why,
            "NOTHING CAN BE WRITTEN: mail can be read over IMAP, POP3 and on the pages, none is taken or sent, and nothing can \
             be changed; make the disk of the data directory writable and start the server again"
        );
    }
    read_only.is_some()
}

/// Without it the command line reads the files itself, as long as nobody can write them.
fn open_control(data_dir: &DataDir, stores: &Stores, site: &Site, running: &Running) -> Result<(), SetupError> {
    let control = match ControlSocket::open(data_dir) {
        Err(error) if stores.store.read_only().is_some() => {
            warn!(%error, "there is no control socket");
            return Ok(());
        }
        control => control?,
    };
    tokio::spawn(control.serve(Arc::new(site.clone()), running.stopping()));
    Ok(())
}

/// What is done once, by the only server or by the one of several that leads.
struct Once {
    config: Config,
    outgoing: Option<Outgoing>,
    stores: Stores,
    dns: Dns,
    clock: Clock,
}

/// What this server does for all that share its mail.
enum Duty {
    /// There is no other one.
    Alone(Outbound),
    /// What falls to it.
    Shared(Cluster),
}

impl Once {
    /// Sends what is in `queue`; and the rest, until `stopping`, where something can be written.
    fn start(
        &self,
        (queue, flow): (Queue, MailFlow),
        stopping: Option<watch::Receiver<bool>>,
    ) -> Result<Outbound, SetupError> {
        let Self { config, outgoing, stores, dns, clock } = self;
        let outbound = Outbound::start(outgoing.clone(), stores, queue, *clock)?;
        let Some(stopping) = stopping else { return Ok(outbound) };
        let directory = stores.auth.directory();
        tokio::spawn(keep_retention(stores.auth.clone(), config.retention_days, *clock, stopping.clone()));
        tokio::spawn(distribute_posts(flow.clone(), *clock, stopping.clone()));
        tokio::spawn(keep_signing_keys(directory.clone(), *clock, stopping.clone()));
        if let Some(reporting) = Reporting::new(config, &flow, dns) {
            tokio::spawn(reporting.keep(directory.clone(), *clock, stopping));
        }
        Ok(outbound)
    }

    /// For as long as the server runs, or, among several, whenever it leads.
    fn begin(self, stopping: Option<watch::Receiver<bool>>, hints: Heard) -> Result<Duty, SetupError> {
        match self.stores.take_node() {
            None => self.start((self.stores.queue.clone(), self.stores.flow.clone()), stopping).map(Duty::Alone),
            Some(node) => {
                let (store, (hinted, hints)) = (self.stores.store.clone(), hints);
                Cluster::start(node, (store, hinted), hints, self.for_each_term()).map(Duty::Shared)
            }
        }
    }

    fn for_each_term(self) -> Begin {
        let runtime = Handle::current();
        Box::new(move |term| {
            let _context = runtime.enter();
            let queue = self.stores.queue.lead(term);
            let queue = queue.map_err(|error| SetupError::new(format!("the queue cannot be taken over: {error}")))?;
            let flow = self.stores.flow.in_term(queue.clone(), term);
            let flow = flow.map_err(|error| SetupError::new(format!("posts cannot be taken over: {error}")))?;
            let (stop, stopping) = watch::channel(false);
            Ok(Leading { outbound: self.start((queue, flow), Some(stopping))?, stop })
        })
    }
}

/// What each server does without anybody asking for it.
fn keep_up(config: &Config, data_dir: &DataDir, stores: &Stores, clock: Clock, running: &Running) {
    let store = &stores.store;
    let head = letterhead(config);
    let flow = (stores.flow.clone(), config.junk.rspamd_controller.clone());
    tokio::spawn(learn_junk(flow, store.clone(), clock, running.stopping()));
    tokio::spawn(tell_of_filling(store.clone(), head.clone(), clock, running.stopping()));
    tokio::spawn(tidy_receipts(store.clone(), stores.queue.clone(), clock, running.stopping()));
    tokio::spawn(write_logins(stores.auth.clone(), clock, running.stopping()));
    tokio::spawn(remove_leavers(stores.auth.directory().clone(), clock, running.stopping()));
    let noted = (stores.flow.refusals().clone(), stores.flow.strangers().clone());
    tokio::spawn(write_refusals(noted, clock, running.stopping()));
    if let Some(counts) = stores.flow.counts() {
        tokio::spawn(write_counts(counts.clone(), running.stopping()));
    }
    let room = (store.clone(), data_dir.disk(), head);
    let is_mail_here = config.engine == StorageEngine::Sqlite || config.database.bucket_url_file.is_none();
    tokio::spawn(keep_room(room, is_mail_here, clock, running.stopping()));
}

/// Lines that strangers make without end are left out of the log; how many is told.
async fn tell_of_floods(flood: Arc<Flood>, stop: watch::Receiver<bool>) {
    flood.keep_telling(stop).await;
}

/// From now on it is told how the server does.
fn observe(
    services: &Services,
    (stores, data_dir, hinted): (&Stores, &DataDir, &Arc<Hinted>),
    running: &Running,
    (dns, work, clock): (Dns, Arc<Work>, Clock),
    indexed_at: &Arc<AtomicI64>,
) {
    let observed = Observed {
        store: stores.store.clone(),
        auth: stores.auth.clone(),
        queue: stores.queue.clone(),
        flow: stores.flow.clone(),
        data_dir: stores.directory().to_owned(),
        disk: data_dir.disk(),
        work,
        admission: running.admission().clone(),
        certificates: running.certificates().clone(),
        dns,
        counted: services.counted().clone(),
        indexed_at: indexed_at.clone(),
        feed: stores.standby.as_ref().map(|(_, feed)| feed.clone()),
        hinted: hinted.clone(),
        stops: running.stops().clone(),
        clock,
        started_at: clock.now().unix_millis / 1000,
        census: Mutex::default(),
    };
    // A server runs once.
    let _first = services.observatory().set(observed);
}

/// RFC 5321 §4.5.1: somebody reads mail to the postmaster; where nobody was chosen for it the operator is to know who.
fn tell_of_postmaster(stores: &Stores) {
    let directory = stores.auth.directory();
    if !directory.has_administrator().is_ok_and(|has_one| !has_one) {
        return;
    }
    let Ok(domains) = directory.domains() else { return };
    if let Some((domain, readers)) = domains.into_iter().find_map(|domain| {
        let readers = directory.postmasters(&domain.name).ok().filter(|readers| !readers.is_empty())?;
        Some((domain.shown, readers.join(", ")))
    }) {
        warn!(
            %domain,
            %readers,
            "there is no administrator: mail to postmaster and abuse reaches whoever was there first; \
             `pillarbox account admin ADDRESS on` makes one, `pillarbox domain list` shows who reads it"
        );
    }
}

/// Connections and the sender drain side by side, so that both fit into the time of a stop. Gives back what has to be left.
fn stop(runtime: &tokio::runtime::Runtime, running: Running, duty: Duty) -> Option<Cluster> {
    let end = move || match duty {
        Duty::Alone(outbound) => {
            outbound.stop();
            None
        }
        Duty::Shared(cluster) => {
            cluster.retire(STOP_GRACE);
            Some(cluster)
        }
    };
    let sending = thread::Builder::new().name("outbound-stop".to_owned()).spawn(end);
    runtime.block_on(running.stop());
    if let Ok(Ok(cluster)) = sending.map(thread::JoinHandle::join) {
        return cluster;
    }
    // The sender went with the thread; nothing is lost, an attempt is repeated after the next start.
    warn!("the sender did not stop in good order");
    None
}
