//! What the listeners serve: the sessions of every protocol on one store.

mod certificate;
mod distributing;
mod examination;
mod filling;
mod learning;
mod leavers;
mod logins;
mod offered;
mod outbound;
mod reading;
mod receipts;
mod refusals;
mod reporting;
mod retention;
mod room;
mod search_index;
mod signing;
mod survey;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use console::{Examination, Status, Survey};
use dns::Dns;
use imapd::MessageLimit;
use metrics::Commands;
use search::Sheets;
use sender_auth::Verifier;
use session::{Full, Jobs, Line, Owner, Roster, Session, Ticket};
use smtpd::{Common, Limits};

use crate::clock::Clock;
use crate::config::Config;
use crate::driver::{Present, SessionFactory, Work};
use crate::http::{Token, monitor, to_pages};
use crate::observation::{Counted, Observatory, Observed};
use crate::sender::SenderCheck;
use crate::service::Service;
use crate::setup::SetupError;
use crate::standby::door;
use crate::stores::{BESIDE, Stores};
use examination::Examiner;
use store::Timestamp;
use survey::Surveyor;
use web::{Site, SiteOptions};

pub(crate) use certificate::{CertificateKeeper, authority, use_kept};
pub(crate) use distributing::distribute_posts;
pub use filling::tell_of_filling;
pub(crate) use learning::learn_junk;
pub use leavers::remove_leavers;
pub(crate) use logins::write_logins;
pub use offered::offered;
pub(crate) use outbound::{Outbound, STOP_GRACE, outgoing, target, ways};
pub(crate) use reading::read_reports;
pub use receipts::{tidy, tidy_receipts};
pub(crate) use refusals::{refused_hosts, write_refusals};
pub(crate) use reporting::{Reporting, write_counts};
pub(crate) use retention::keep_retention;
pub(crate) use room::keep_room;
pub(crate) use search_index::keep_indexes;
pub(crate) use signing::keep_signing_keys;

/// What the sessions of each protocol share.
pub struct Services {
    mx: Arc<smtpd::SmtpService>,
    submission: Arc<smtpd::SmtpService>,
    lmtp: Arc<smtpd::SmtpService>,
    imap: Arc<imapd::ImapService>,
    pop3: Arc<pop3d::Pop3Service>,
    site: Site,
    /// The address of the pages.
    pages: String,
    counted: Counted,
    observatory: Observatory,
    /// What readers of metrics show.
    token: Option<Token>,
    /// What standbys meet.
    standby: Option<web::Router>,
}

/// What a service is served with.
pub enum Speaks {
    /// A session for each connection.
    Sessions(SessionFactory),
    /// Pages and the JSON API.
    Pages(web::Router),
}

impl Services {
    /// All services of `config` on `stores`; what no thread of a request does, is done by `work`; who
    /// mail comes from is asked of `dns`.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(
        config: &Config,
        stores: &Stores,
        clock: Clock,
        work: &Arc<Work>,
        dns: &Dns,
    ) -> Result<Self, SetupError> {
        let counted = Counted::default();
        let common = common(config, stores, dns, &counted);
        let trusted = Common {
            limits: Limits { message_bytes_max: message_bytes(config), ..Limits::trusted() },
            ..common.clone()
        };
        let observatory = Observatory::default();
        let observed = observatory.clone();
        let status = Box::new(move || observed.get().map(Observed::status));
        let examiner = Examiner::new(config, dns, stores.auth.directory(), clock);
        let surveyor = Surveyor::new(&stores.auth, clock);
        let looks = Looks {
            examine: Box::new(move |look| examiner.ask(look)),
            survey: Box::new(move |look| surveyor.ask(look)),
            roster: Some(Arc::new(Present::new(work.clone(), clock))),
            commands: counted.commands.clone(),
        };
        Ok(Self {
            site: site(config, stores, (clock, work.clone()), (looks, status))?,
            pages: config.pages(),
            observatory,
            token: config.metrics_token_file.as_deref().map(Token::read).transpose()?,
            standby: standby(config, stores, clock)?,
            mx: smtpd::SmtpService::mx(common.clone()),
            submission: smtpd::SmtpService::submission(common, stores.auth.clone()),
            lmtp: smtpd::SmtpService::lmtp(trusted, Vec::new()),
            imap: Arc::new(imapd::ImapService {
                auth: stores.auth.clone(),
                hostname: config.hostname.clone(),
                tls_available: true,
                message_bytes_max: config.message_bytes_max,
                spool: stores.spool.clone(),
                indexes: Some(stores.indexes.clone()),
                sheets: Arc::new(Sheets::new(config.sort_memory_bytes_max)),
                limits: imapd::Limits { messages: message_limit(config), ..imapd::Limits::default() },
                commands: counted.commands.clone(),
            }),
            pop3: Arc::new(pop3d::Pop3Service {
                auth: stores.auth.clone(),
                hostname: config.hostname.clone(),
                tls_available: true,
                login_delay: pop3d::LoginDelay::new(config.pop3_login_delay_secs),
                commands: counted.commands.clone(),
            }),
            counted,
        })
    }

    /// Says on the pages what mail programs can use: what listens on `addresses`.
    pub fn offer(&self, config: &Config, addresses: &[(Service, SocketAddr)]) {
        self.site.offer(offered(config, addresses));
    }

    /// The pages, and all that can be asked of the server.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// What the sessions count.
    pub(crate) fn counted(&self) -> &Counted {
        &self.counted
    }

    /// Where it is told how the server does; to be filled once it runs.
    pub(crate) fn observatory(&self) -> &Observatory {
        &self.observatory
    }

    /// What a service is served with.
    #[must_use]
    pub fn speaks(&self, service: Service) -> Speaks {
        Speaks::Sessions(match service {
            Service::Smtp => smtp(&self.mx),
            Service::Submission | Service::Submissions => smtp(&self.submission),
            Service::Lmtp => smtp(&self.lmtp),
            Service::Imap | Service::Imaps => {
                let service = self.imap.clone();
                Box::new(move |peer| -> Box<dyn Session> { Box::new(imapd::ImapSession::new(service.clone(), peer)) })
            }
            Service::Pop3 | Service::Pop3s => {
                let service = self.pop3.clone();
                Box::new(move |peer| -> Box<dyn Session> { Box::new(pop3d::Pop3Session::new(service.clone(), peer)) })
            }
            Service::Https | Service::Http => return Speaks::Pages(self.site.router()),
            Service::Redirect => return Speaks::Pages(to_pages(&self.pages)),
            Service::Metrics => return Speaks::Pages(monitor(self.observatory.clone(), self.token.clone())),
            Service::Standby => return Speaks::Pages(self.standby.clone().unwrap_or_default()),
        })
    }
}

/// What standbys meet, where they may come.
fn standby(config: &Config, stores: &Stores, clock: Clock) -> Result<Option<web::Router>, SetupError> {
    let Some(((source, _), file)) = stores.standby.clone().zip(config.standby_token_file.as_deref()) else {
        return Ok(None);
    };
    Ok(Some(door(source, Token::of_standby(file)?, stores.directory().to_owned(), clock)))
}

/// All that can be asked of a server that does not run, on `stores`: nobody visits its pages.
///
/// # Errors
/// The system gives no random numbers.
pub fn stopped_site(config: &Config, stores: &Stores, clock: Clock) -> Result<Site, SetupError> {
    site(config, stores, (clock, Arc::new(NoJobs)), (Looks::none(), Box::new(|| None)))
}

/// What is looked at when somebody asks: in the background, with what was found the last time, or at once.
struct Looks {
    examine: Box<dyn Fn(bool) -> Examination + Send + Sync>,
    survey: Box<dyn Fn(bool) -> Arc<Survey> + Send + Sync>,
    /// Who is connected.
    roster: Option<Arc<dyn Roster>>,
    /// Where how long answers took is counted.
    commands: Commands,
}

impl Looks {
    /// Nobody looks.
    fn none() -> Self {
        let (examine, survey) = (Box::new(|_| Examination::default()), Box::new(|_| Arc::default()));
        Self { examine, survey, roster: None, commands: Commands::default() }
    }
}

type TellStatus = Box<dyn Fn() -> Option<Status> + Send + Sync>;

/// Nobody has a password verified: what computes stands in no line.
struct NoJobs;

impl Jobs for NoJobs {
    fn compute(&self, _: Owner, _: Line, work: Box<dyn FnOnce() + Send>) -> Result<Ticket, Full> {
        work();
        Ok(Box::new(()))
    }

    fn wait(&self, _: Owner, _: Pin<Box<dyn Future<Output = ()> + Send>>) -> Result<Ticket, Full> {
        Err(Full)
    }
}

fn site(
    config: &Config,
    stores: &Stores,
    (clock, jobs): (Clock, Arc<dyn Jobs>),
    (looks, status): (Looks, TellStatus),
) -> Result<Site, SetupError> {
    let now = Box::new(move || Timestamp(clock.now().unix_millis));
    let flow = stores.flow.clone();
    let post = Box::new(move |to: &str, content: &[u8], now| flow.send_letter(to, content, now));
    let flow = stores.flow.clone();
    let send_test = Box::new(move |account, (from, to): (&str, &str), now| flow.send_test(account, from, to, now));
    let (hostname, queue, language) = (config.hostname.clone(), stores.queue.clone(), config.language);
    let message_bytes_max = config.message_bytes_max;
    let beside = (stores.directory().to_owned(), BESIDE);
    let options = SiteOptions {
        hostname,
        language,
        message_bytes_max,
        now,
        post,
        send_test,
        queue,
        jobs,
        beside,
        examine: looks.examine,
        survey: looks.survey,
        status,
        roster: looks.roster,
        node: config.node.clone(),
        commands: looks.commands,
    };
    Site::new(stores.auth.clone(), options)
        .map_err(|error| SetupError::new(format!("the pages cannot be served: {error}")))
}

fn smtp(service: &Arc<smtpd::SmtpService>) -> SessionFactory {
    let service = service.clone();
    Box::new(move |peer| Box::new(smtpd::SmtpSession::new(service.clone(), peer)))
}

fn common(config: &Config, stores: &Stores, dns: &Dns, counted: &Counted) -> Common {
    let verifier = config
        .sender
        .check
        .then(|| -> Arc<dyn Verifier> { SenderCheck::new(dns.clone(), config.sender.lists.clone()) });
    Common {
        hostname: config.hostname.clone(),
        flow: stores.flow.clone(),
        limits: Limits {
            message_bytes_max: message_bytes(config),
            greeting_pause_millis: config.sender.greeting_pause_millis,
            tarpit_millis_max: config.tarpit_millis_max,
            networks: config.networks,
            ..Limits::default()
        },
        spool: stores.spool.clone(),
        starttls: true,
        verifier,
        scanner: config.junk.filters(),
        trusted_relays: config.sender.trusted_relays.clone(),
        commands: counted.commands.clone(),
        refusals: counted.refusals.clone(),
    }
}

/// RFC 9738
fn message_limit(config: &Config) -> MessageLimit {
    match (config.per_command.messages_max, config.per_command.messages_saved_max) {
        (Some(max), _) => MessageLimit::Every(max),
        (None, Some(max)) => MessageLimit::Saving(max),
        (None, None) => MessageLimit::None,
    }
}

fn message_bytes(config: &Config) -> usize {
    usize::try_from(config.message_bytes_max).unwrap_or(usize::MAX)
}
