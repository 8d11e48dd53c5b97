//! The connection to NATS, on a thread of its own: tells what is committed here, hears what others say, and connects again.

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_nats::{Client, ConnectError, ConnectOptions, Event, ServerAddr, Subscriber};
use futures::StreamExt;
use futures::future::{Either, select};
use metrics::Counts;
use rustls::ClientConfig;
use store::Store;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::address::{Address, Secret};
use crate::message::{HEADS_MAX, Hint, encode};
use crate::tls;

/// A server says at least so often that it is there.
pub const BEAT: Duration = Duration::from_secs(1);
/// From one hint to the next: what is committed meanwhile is told together.
const MOMENT: Duration = Duration::from_millis(1);
/// A connection that does not come about is given up after this time, ...
const CONNECT: Duration = Duration::from_secs(5);
/// ... and the next one is tried after this time.
const RETRY: Duration = Duration::from_secs(1);
/// More hints than this within a second are none of ours, whether they were heard or dropped, ...
const HINTS_PER_SECOND_MAX: u64 = 20_000;
/// ... nor more heads in them, ...
const HEADS_PER_SECOND_MAX: u64 = 200_000;
/// ... nor more octets, ...
const OCTETS_PER_SECOND_MAX: u64 = 16 * 1024 * 1024;
/// ... and for so long none are listened to.
const FLOODED: Duration = Duration::from_secs(10);
/// So many hints wait to be heard; further ones are dropped.
const HEARD_MAX: usize = 256;
/// So much is read at once.
const READ_BYTES: u16 = 8192;
/// So many wait to be sent.
const SENT_MAX: usize = 64;

/// Where hints go.
#[derive(Clone, Debug)]
pub struct HintOptions {
    /// Where NATS is.
    pub address: Address,
    /// A PEM file with who vouches for it; `None`: those of the system.
    pub authority: Option<PathBuf>,
    /// Where hints of this storage are, and of no other.
    pub subject: String,
    /// What this server is called, at most [`crate::NODE_BYTES_MAX`] octets.
    pub node: String,
}

/// Who hears what others say. Called on the thread that speaks to NATS: it must not be kept waiting.
pub trait Hearer: Send + Sync + 'static {
    /// Somebody says so. What this server says itself comes as well.
    fn heard(&self, hint: &Hint<'_>);
    /// Nothing comes any more, and why; it is tried again.
    fn lost(&self, why: String);
}

/// Tells and hears until it is dropped.
#[derive(Debug)]
pub struct Line {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

struct Speaker {
    options: HintOptions,
    servers: Vec<ServerAddr>,
    tls: ClientConfig,
    store: Store,
    hearer: Arc<dyn Hearer>,
    counts: Counts<1>,
}

/// Why a connection has ended, and when to try again.
struct Ended {
    why: String,
    rest: Duration,
}

impl Line {
    /// Begins; nobody waits for NATS.
    ///
    /// # Errors
    /// A file that cannot be read, or no thread: a sentence.
    pub fn open(
        options: HintOptions,
        store: Store,
        hearer: Arc<dyn Hearer>,
        counts: Counts<1>,
    ) -> Result<Self, String> {
        let servers = options.address.servers().map_err(|error| error.to_string())?;
        let tls = tls::client(options.authority.as_deref())?;
        let no_thread = |error| format!("the system gives no threads: {error}");
        let runtime = Builder::new_current_thread().enable_io().enable_time().build().map_err(no_thread)?;
        let (stop, stopping) = watch::channel(false);
        let speaker = Speaker { options, servers, tls, store, hearer, counts };
        let speak = move || speaker.speak(runtime, stopping);
        let thread = thread::Builder::new().name("node-hints".to_owned()).spawn(speak).map_err(no_thread)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Speaker {
    fn speak(&self, runtime: Runtime, mut stopping: watch::Receiver<bool>) {
        let serve = async {
            loop {
                let Ended { why, rest } = self.serve().await;
                self.store.announcements().leave();
                self.hearer.lost(why);
                sleep(rest).await;
            }
        };
        runtime.block_on(async {
            let (serve, stopped) = (pin!(serve), pin!(stopping.wait_for(|stops| *stops)));
            select(serve, stopped).await;
        });
        self.store.announcements().leave();
        // A name that is being looked up is not waited for.
        runtime.shutdown_background();
    }

    /// One connection, from its beginning to its end.
    async fn serve(&self) -> Ended {
        let (told, mut ended) = mpsc::channel(1);
        let address = &self.options.address;
        let client = match self.connect(told).await {
            Ok(client) => client,
            Err(error) => return Ended::soon(format!("cannot connect to {address}: {error}")),
        };
        let heard = match client.subscribe(self.options.subject.clone()).await {
            Ok(heard) => heard,
            Err(error) => return Ended::soon(format!("cannot listen at {address}: {error}")),
        };
        let over = || Ended::soon(format!("{address}: the connection has ended"));
        let gone = pin!(async { ended.recv().await.unwrap_or_else(over) });
        let (hear, tell) = (pin!(self.hear(heard, &client)), pin!(self.tell(&client)));
        match select(gone, select(hear, tell)).await {
            Either::Left((ended, _)) | Either::Right((Either::Left((ended, _)) | Either::Right((ended, _)), _)) => {
                ended
            }
        }
    }

    /// `told` hears why the connection has ended.
    async fn connect(&self, told: mpsc::Sender<Ended>) -> Result<Client, ConnectError> {
        let Address { secret, .. } = &self.options.address;
        let options = match secret {
            Secret::None => ConnectOptions::new(),
            Secret::Token(token) => ConnectOptions::with_token(token.clone()),
            Secret::Password { user, password } => {
                ConnectOptions::with_user_and_password(user.clone(), password.clone())
            }
        };
        let address = self.options.address.to_string();
        let ends = move |event: Event| {
            let ended = |why: &str| Some(Ended::soon(format!("{address}: {why}")));
            let ended = match event {
                Event::Connected | Event::Draining | Event::SlowConsumer(_) => None,
                Event::Disconnected | Event::Closed => ended("the connection has ended"),
                Event::LameDuckMode => ended("NATS stops"),
                Event::ServerError(error) => ended(&error.to_string()),
                Event::ClientError(error) => ended(&error.to_string()),
            };
            // The first one counts.
            ended.into_iter().for_each(|ended| drop(told.try_send(ended)));
            std::future::ready(())
        };
        options
            .name("pillarbox")
            // Also where NATS names others of its cluster: what is secret goes to those hosts only that were named here.
            .require_tls(self.options.address.is_tls())
            .ignore_discovered_servers()
            .tls_client_config(self.tls.clone())
            .connection_timeout(CONNECT)
            .subscription_capacity(HEARD_MAX)
            // Of what comes faster than it is heard, not more at a time than leaves the rest its turn.
            .read_buffer_capacity(READ_BYTES)
            .client_capacity(SENT_MAX)
            .event_callback(ends)
            // Once each: then it is told that there is none, and tried again here.
            .max_reconnects(self.servers.len())
            .connect(self.servers.clone())
            .await
    }

    async fn hear(&self, mut messages: Subscriber, client: &Client) -> Ended {
        let address = &self.options.address;
        // Those that were dropped as well.
        let statistics = client.statistics();
        let all = || [&statistics.in_messages, &statistics.in_bytes].map(|count| count.load(Ordering::Relaxed));
        let (mut since, mut before, mut heads) = (Instant::now(), all(), 0);
        while let Some(message) = messages.next().await {
            let [messages, octets] = [0, 1].map(|which| all()[which].saturating_sub(before[which]));
            if messages > HINTS_PER_SECOND_MAX || octets > OCTETS_PER_SECOND_MAX || heads > HEADS_PER_SECOND_MAX {
                return Ended { why: format!("somebody floods {address} with hints"), rest: FLOODED };
            }
            if since.elapsed() >= Duration::from_secs(1) {
                (since, before, heads) = (Instant::now(), all(), 0);
            }
            match Hint::decode(&message.payload) {
                Some(hint) => {
                    self.counts.inc(["heard"]);
                    heads += hint.heads().count() as u64;
                    self.hearer.heard(&hint);
                }
                None => self.counts.inc(["malformed"]),
            }
        }
        Ended::soon(format!("{address}: the connection has ended"))
    }

    async fn tell(&self, client: &Client) -> Ended {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let HintOptions { subject, node, .. } = &self.options;
        loop {
            let heads = {
                let news = poll_fn(|context| self.store.announcements().poll_take(context));
                let beat = pin!(beats.tick());
                match select(news, beat).await {
                    Either::Left((heads, _)) => heads,
                    // It is there.
                    Either::Right(_) => Vec::new(),
                }
            };
            let hints = match heads.len() {
                0 => vec![encode(node, &[])],
                _ => heads.chunks(HEADS_MAX).map(|heads| encode(node, heads)).collect(),
            };
            for hint in hints {
                self.counts.inc(["said"]);
                if let Err(error) = client.publish(subject.clone(), hint.into()).await {
                    return Ended::soon(format!("{}: {error}", self.options.address));
                }
            }
            sleep(MOMENT).await;
        }
    }
}

impl Ended {
    fn soon(why: String) -> Self {
        Self { why, rest: RETRY }
    }
}
