//! Requests to the pages and to the API, of a stranger, of somebody who is logged in and of a program: none fails, each answer has its
//! wall, and no page holds what a request put into it as markup.
#![no_main]

use arbitrary::Arbitrary;
use http::header::{AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::{Request, Response};
use http_body_util::BodyExt;
use pillarbox_fuzz::{ALICE, HOSTNAME, NOW, World};
use session::testing::TestJobs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use store::Timestamp;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;
use web::setup::Offered;
use web::{Body, Peer, Router, Site, SiteOptions};

const REQUESTS_MAX: usize = 6;
/// `alice@example.org:correct horse battery`.
const BASIC: &str = "Basic YWxpY2VAZXhhbXBsZS5vcmc6Y29ycmVjdCBob3JzZSBiYXR0ZXJ5";

#[derive(Arbitrary, Debug)]
struct Asked<'a> {
    route: u16,
    /// In the place of parameters.
    parameter: &'a str,
    query: &'a str,
    who: Who,
    body: Body_<'a>,
    header: Option<(u8, &'a [u8])>,
}

#[derive(Arbitrary, Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Stranger,
    Owner,
    Program,
}

#[derive(Arbitrary, Debug)]
enum Body_<'a> {
    Form(Vec<(u8, &'a str)>),
    Json(Vec<(u8, &'a str)>),
    Octets(&'a [u8], bool),
}

const HEADERS: [&str; 10] = [
    "accept-language",
    "cookie",
    "host",
    "origin",
    "sec-fetch-site",
    "content-type",
    "x-csrf-token",
    "user-agent",
    "if-none-match",
    "range",
];
const FIELDS: [&str; 34] = [
    "address", "name", "password", "user", "next", "language", "device", "id", "domain", "text", "from", "to",
    "subject", "since", "until", "message", "account", "reason", "token", "code", "quota", "aliases", "list",
    "members", "member", "confirm", "accounts", "dry_run", "at", "policy", "title", "why", "before", "days",
];

static ROUTES: LazyLock<Vec<(&str, &str)>> = LazyLock::new(web::all_routes);
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime"));

fn router(world: &World) -> Router {
    let queue = queue::Queue::open(&world.store, queue::Policy::default());
    let tests = reports::TestMails::of(&world.store);
    let options = SiteOptions {
        hostname: HOSTNAME.to_owned(),
        language: wording::Language::English,
        message_bytes_max: 1024 * 1024,
        now: Box::new(|| Timestamp(NOW.unix_millis)),
        post: Box::new(|_, _, _| true),
        send_test: Box::new(move |account, (from, to), now| {
            tests.begin(account, (from, to), from == to, now).map(|test| test.token).map_err(|why| why.to_string())
        }),
        jobs: TestJobs::at_once(),
        queue,
        beside: (PathBuf::new(), &[]),
        examine: Box::new(|_| console::Examination { at: None, is_running: false, findings: Vec::new() }),
        survey: Box::new(|_| Arc::default()),
        status: Box::new(|| None),
        commands: metrics::Commands::default(),
        roster: None,
        node: None,
    };
    let site = Site::new(world.auth.clone(), options).expect("random numbers");
    site.offer(Offered { host: HOSTNAME.to_owned(), services: Vec::new(), pages_port: Some(443), keys_stay: false });
    site.router()
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(
            |octet| if octet.is_ascii_alphanumeric() { char::from(octet).to_string() } else { format!("%{octet:02X}") },
        )
        .collect()
}

fn send(router: &Router, request: Request<Body>) -> (Response<()>, Vec<u8>) {
    RUNTIME.block_on(async {
        let response = router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let octets = body.collect().await.expect("a body").to_bytes();
        (Response::from_parts(parts, ()), octets.to_vec())
    })
}

fn peer() -> Peer {
    Peer { address: [192, 0, 2, 7].into(), tls: Some("TLSv1.3".to_owned()) }
}

/// Cookies and the token of forms of somebody who has logged in.
fn log_in(router: &Router) -> (String, String) {
    let get = |path: &str, cookies: &str| {
        let request =
            Request::get(path).header(HOST, HOSTNAME).header(COOKIE, cookies).extension(peer()).body(Body::empty());
        let (response, body) = send(router, request.expect("a request"));
        (cookies_of(&response), csrf(&String::from_utf8_lossy(&body)))
    };
    let (cookies, token) = get("/login", "");
    let form =
        format!("user={}&password={}&csrf={}", encoded(ALICE), encoded(pillarbox_fuzz::PASSWORD), encoded(&token));
    let request = Request::post("/login").header(HOST, HOSTNAME).header(COOKIE, cookies);
    let request =
        request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").extension(peer()).body(Body::from(form));
    let (response, _) = send(router, request.expect("a request"));
    let cookies = cookies_of(&response);
    assert!(response.status().is_redirection() && !cookies.is_empty());
    let (_, token) = get("/account", &cookies);
    (cookies, token)
}

fn cookies_of(response: &Response<()>) -> String {
    let all =
        response.headers().get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    all.filter(|cookie| !cookie.ends_with('=')).collect::<Vec<_>>().join("; ")
}

fn csrf(page: &str) -> String {
    let token = page.split("name=\"csrf\" value=\"").nth(1).and_then(|after| after.split('"').next());
    token.unwrap_or_default().to_owned()
}

fn request(asked: &Asked<'_>, (cookies, token): &(String, String)) -> Option<Request<Body>> {
    let (method, path) = ROUTES[usize::from(asked.route) % ROUTES.len()];
    let mut uri = String::new();
    for piece in path.split_inclusive('}') {
        let (plain, parameter) = piece.split_once('{').map_or((piece, false), |(plain, _)| (plain, true));
        uri.push_str(plain);
        if parameter {
            uri.push_str(&encoded(asked.parameter));
        }
    }
    uri.push('?');
    uri.extend(asked.query.chars().filter(|c| c.is_ascii_graphic() && *c != '#'));
    let mut request = Request::builder().method(method).uri(uri).header(HOST, HOSTNAME).extension(peer());
    request = match asked.who {
        Who::Stranger => request,
        Who::Owner => request.header(COOKIE, cookies).header("x-csrf-token", token),
        Who::Program => request.header(AUTHORIZATION, BASIC),
    };
    let field = |which: &u8| FIELDS[usize::from(*which) % FIELDS.len()];
    let (media_type, body) = match &asked.body {
        Body_::Form(fields) => {
            let pairs = fields.iter().map(|(name, value)| format!("{}={}", field(name), encoded(value)));
            (true, pairs.collect::<Vec<_>>().join("&").into_bytes())
        }
        Body_::Json(fields) => {
            let pairs = fields.iter().map(|(name, value)| {
                // As numbers and words where they are such.
                let is_bare = value.parse::<i64>().is_ok() || ["true", "false", "null"].contains(value);
                let text: String = value.chars().filter(|c| !c.is_control() && !"\"\\".contains(*c)).collect();
                format!("\"{}\":{}", field(name), if is_bare { (*value).to_owned() } else { format!("\"{text}\"") })
            });
            (false, format!("{{{}}}", pairs.collect::<Vec<_>>().join(",")).into_bytes())
        }
        Body_::Octets(octets, is_form) => (*is_form, octets.to_vec()),
    };
    if method == "POST" {
        request = request
            .header(CONTENT_TYPE, if media_type { "application/x-www-form-urlencoded" } else { "application/json" });
    }
    if let Some((name, value)) = &asked.header {
        request = request.header(HEADERS[usize::from(*name) % HEADERS.len()], *value);
    }
    request.body(Body::from(if method == "POST" { body } else { Vec::new() })).ok()
}

libfuzzer_sys::fuzz_target!(|input: Vec<Asked<'_>>| {
    let world = World::new();
    world.auth.directory().set_admin(ALICE, true).expect("the engine works");
    let router = router(&world);
    let session = if input.iter().any(|asked| asked.who == Who::Owner) { log_in(&router) } else { Default::default() };
    for asked in input.iter().take(REQUESTS_MAX) {
        let Some(request) = request(asked, &session) else { continue };
        let what = format!("{} {}", request.method(), request.uri());
        let (response, body) = send(&router, request);
        assert_ne!(response.status().as_u16(), 500, "{what}: {}", body.escape_ascii());
        assert!(response.headers().contains_key(CONTENT_SECURITY_POLICY), "{what}");
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        // The dictionary has it; no page of ours does.
        assert!(
            !media_type.starts_with("text/html") || !body.windows(4).any(|four| four == b"<fz>"),
            "{what}: {}",
            body.escape_ascii()
        );
    }
    world.check();
});
