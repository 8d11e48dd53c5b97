//! A site in memory, and a browser that keeps cookies and follows nothing by itself.

use crate::asset;
use crate::setup::{Offered, OfferedService};
use crate::{Peer, Router, Site, SiteOptions};
use auth::{Auth, AuthOptions};
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Request, StatusCode};
use directory::{DirectoryOptions, PasswordCost};
use http_body_util::BodyExt;
use session::testing::{TestJobs, TestRoster};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use store::sim::{SIM_EPOCH, SimEngine, SimObjects};
use store::{Account, Store, StoreOptions, Timestamp};
use tokio::runtime::Builder;
use tower::ServiceExt;

pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const ALICE: &str = "alice@example.org";
/// Asks for the language in which each letter of a sentence is another.
pub(crate) const PSEUDO: &str = "x-pseudo";
pub(crate) const HOSTNAME: &str = "mail.example.org";

/// A server with Alice and Bob in it.
pub(crate) struct World {
    pub(crate) auth: Auth,
    pub(crate) router: Router,
    pub(crate) site: Site,
    pub(crate) queue: queue::Queue,
    /// Letters that went out: to whom, and what.
    pub(crate) letters: Letters,
    /// Who is connected.
    pub(crate) roster: Arc<TestRoster>,
    clock: Arc<AtomicI64>,
}

pub(crate) type Letters = Arc<Mutex<Vec<(String, String)>>>;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// A browser.
pub(crate) struct Browser<'a> {
    world: &'a World,
    cookies: BTreeMap<String, String>,
    pub(crate) peer: Peer,
    pub(crate) host: String,
    /// Sent with every request.
    pub(crate) extra: Vec<(&'static str, String)>,
}

/// All services on their usual ports.
pub(crate) fn offered() -> Offered {
    use crate::setup::Protocol::{Imap, Pop3, Submission};
    use crate::setup::Security::{StartTls, Tls};
    let service = |(protocol, security, port)| OfferedService { protocol, security, port };
    let services = [
        (Imap, Tls, 993),
        (Imap, StartTls, 143),
        (Pop3, Tls, 995),
        (Pop3, StartTls, 110),
        (Submission, Tls, 465),
        (Submission, StartTls, 587),
    ];
    Offered {
        host: HOSTNAME.to_owned(),
        services: services.map(service).to_vec(),
        pages_port: Some(443),
        keys_stay: false,
    }
}

/// Looks at all accounts at once when it is told to.
fn survey(auth: Auth) -> Box<dyn Fn(bool) -> Arc<console::Survey> + Send + Sync> {
    let last = Mutex::new(Arc::default());
    Box::new(move |look| {
        let mut last = last.lock().unwrap();
        if look {
            let actor = store::Actor { device: store::DeviceId(0), protocol: store::Protocol::Web, now: SIM_EPOCH };
            let administration = console::Administration::of(&console::Party::Operator, auth.clone(), actor).unwrap();
            let mut survey = console::Survey::begun(SIM_EPOCH);
            while survey.take(administration.look(survey.last()).unwrap(), SIM_EPOCH) {}
            *last = Arc::new(survey);
        }
        Arc::clone(&last)
    })
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(AuthOptions { account_requests: true, ..AuthOptions::default() }, TestJobs::at_once())
    }

    /// One in which strangers may not ask for an account.
    pub(crate) fn without_requests() -> Self {
        Self::with_jobs(TestJobs::at_once())
    }

    /// One in which passwords are verified when `jobs` does it.
    pub(crate) fn with_jobs(jobs: Arc<TestJobs>) -> Self {
        Self::with(AuthOptions::default(), jobs)
    }

    fn with(options: AuthOptions, jobs: Arc<TestJobs>) -> Self {
        Self::offering(options, jobs, offered())
    }

    /// One that listens elsewhere.
    pub(crate) fn listening_on(offered: Offered) -> Self {
        Self::offering(AuthOptions::default(), TestJobs::at_once(), offered)
    }

    fn offering(options: AuthOptions, jobs: Arc<TestJobs>, offered: Offered) -> Self {
        let (hostname, pages) = (HOSTNAME.to_owned(), format!("https://{HOSTNAME}"));
        let head = console::Letterhead { hostname, pages, ..console::Letterhead::default() };
        let for_store = StoreOptions { asks_owner: Some(Arc::new(head)), ..StoreOptions::default() };
        let store = Store::with_options(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()), for_store);
        let directory = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
        let options = AuthOptions { directory, ..options };
        let auth = Auth::open(store, [7; 32], options).unwrap();
        auth.directory().add_domain("example.org").unwrap();
        for (address, name) in [(ALICE, "Alice"), ("bob@example.org", "Bob")] {
            auth.directory().add_account(address, PASSWORD, name, SIM_EPOCH).unwrap();
        }
        let clock = Arc::new(AtomicI64::new(SIM_EPOCH.0 + 60_000));
        let reads = clock.clone();
        let now = Box::new(move || Timestamp(reads.load(Ordering::Relaxed)));
        let letters: Letters = Arc::default();
        let keeps = letters.clone();
        let post = Box::new(move |to: &str, content: &[u8], _| {
            keeps.lock().unwrap().push((to.to_owned(), String::from_utf8(content.to_vec()).unwrap()));
            true
        });
        let hostname = HOSTNAME.to_owned();
        let queue = queue::Queue::open(auth.store(), queue::Policy::default());
        let examine = Box::new(|look: bool| console::Examination {
            at: (!look).then(|| "2026-11-28T17:00:00Z".to_owned()),
            is_running: look,
            findings: vec![
                console::Finding::new(tr_later!("clock"), tr_later!("mail for the domain comes here")),
                console::Finding::new(
                    tr_later!("{kind} of {name}", kind = "MX", name = "example.org"),
                    tr_later!("mail for the domain comes here"),
                )
                .found("<b>10</b>")
                .but(console::State::Wrong, tr_later!("ask again later")),
            ],
        });
        let survey = survey(auth.clone());
        let tests = reports::TestMails::of(auth.store());
        let send_test = Box::new(move |account, (from, to): (&str, &str), now| {
            let begun = tests.begin(account, (from, to), from == to, now);
            begun.map(|test| test.token).map_err(|why| why.to_string())
        });
        let beside: (PathBuf, &[&str]) = (PathBuf::new(), &[]);
        let status = Box::new(|| Some(console::Status { version: "0.1.0".to_owned(), ..Default::default() }.judged()));
        let roster = Arc::<TestRoster>::default();
        let options = SiteOptions {
            hostname,
            language: wording::Language::English,
            message_bytes_max: 1024 * 1024,
            now,
            post,
            send_test,
            jobs,
            queue: queue.clone(),
            beside,
            examine,
            survey,
            status,
            roster: Some(roster.clone()),
            node: None,
            commands: metrics::Commands::default(),
        };
        let site = Site::new(auth.clone(), options).unwrap();
        site.offer(offered);
        Self { auth, router: site.router(), site, queue, letters, roster, clock }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.clock.load(Ordering::Relaxed))
    }

    pub(crate) fn wait_millis(&self, millis: i64) {
        self.clock.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) fn account(&self, address: &str) -> Account {
        let info = self.auth.directory().account(address).unwrap().unwrap();
        self.auth.store().account(info.id)
    }

    /// A browser under TLS.
    pub(crate) fn browser(&self) -> Browser<'_> {
        let peer = Peer { address: "192.0.2.7".parse().unwrap(), tls: Some("TLSv1.3".to_owned()) };
        Browser { world: self, cookies: BTreeMap::new(), peer, host: HOSTNAME.to_owned(), extra: Vec::new() }
    }

    /// A browser in which Alice is logged in.
    pub(crate) fn alice(&self) -> Browser<'_> {
        let mut browser = self.browser();
        let answer = browser.log_in(ALICE, PASSWORD);
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        browser
    }
}

impl Browser<'_> {
    pub(crate) fn get(&mut self, path: &str) -> Answered {
        self.send("GET", path, Vec::new())
    }

    /// Sends a form that was on `page`, with the token that it had there.
    pub(crate) fn submit(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Answered {
        let token = self.get(page).csrf();
        self.post(path, &[fields, &[("csrf", &token)]].concat())
    }

    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answered {
        let pairs = fields.iter().map(|(name, value)| format!("{name}={}", crate::path::encoded(value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        self.extra.push((CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded".to_owned()));
        let answer = self.send("POST", path, body.into_bytes());
        self.extra.pop();
        answer
    }

    /// Calls the API with a JSON body.
    pub(crate) fn call(&mut self, path: &str, body: &str) -> Answered {
        self.extra.push((CONTENT_TYPE.as_str(), "application/json".to_owned()));
        let answer = self.send("POST", path, body.as_bytes().to_vec());
        self.extra.pop();
        answer
    }

    pub(crate) fn log_in(&mut self, user: &str, password: &str) -> Answered {
        self.submit("/login", "/login", &[("user", user), ("password", password)])
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    pub(crate) fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// What [`Self::send`] sends.
    pub(crate) fn request(&self, method: &str, path: &str, body: Vec<u8>) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.host);
        for (name, value) in &self.extra {
            request = request.header(*name, value);
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, cookies.join("; "));
        }
        request.extension(self.peer.clone()).body(Body::from(body)).unwrap()
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, body: Vec<u8>) -> Answered {
        let request = self.request(method, path, body);
        let answer = answered(&self.world.router, request);
        for set in answer.headers.get_all(SET_COOKIE) {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            match value {
                "" => drop(self.cookies.remove(name)),
                value => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        answer
    }
}

/// Time passes at once where nothing but time is waited for.
fn answered(router: &Router, request: Request<Body>) -> Answered {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let response = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answered { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    })
}

/// As the pages have it.
pub(crate) fn script_tag() -> String {
    format!("<script src=\"{}\" integrity=\"{}\" defer></script>", asset::script_path(), asset::script_hash())
}

impl Answered {
    /// The token in the first form of the page.
    pub(crate) fn csrf(&self) -> String {
        let after =
            self.text.split("name=\"csrf\" value=\"").nth(1).unwrap_or_else(|| panic!("no form in {}", self.text));
        after.split('"').next().unwrap().to_owned()
    }

    /// The text without what every page has: the one script that is ours, and what says of a moment which one it is.
    pub(crate) fn plain(&self) -> String {
        let mut text = self.text.replacen(&script_tag(), "", 1).replace("</time>", "");
        while let Some((before, (_, after))) =
            text.split_once("<time ").and_then(|(b, rest)| Some((b, rest.split_once('>')?)))
        {
            text = format!("{before}{after}");
        }
        text
    }

    pub(crate) fn location(&self) -> &str {
        self.headers[LOCATION].to_str().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap()
    }
}
