//! What holds for every request and every answer: the host, where a form comes from, the headers of security.

use crate::asset;
use crate::caller::Proof;
use crate::cookie::Cookie;
use crate::form::Fields;
use crate::peer::Peer;
use crate::problem::{Kind, Problem};
use crate::site::Site;
use crate::visit::Visit;
use axum::extract::{Request, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;
use std::sync::LazyLock;

/// What an answer is, where it is more or less than a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wall {
    /// A page with a message in a frame.
    Framing,
    /// What a sender made, in that frame. What is let through is safe; behind this wall it would be, were it not.
    Sent,
}

/// Nothing runs but the one script, known by its hash (CSP 3 §6.7.2.4: not what else is here, or comes from a message); nothing is
/// loaded from elsewhere, nothing is framed, forms come here.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy(""));
/// The same for a page with something of ours in a frame.
static FRAMING: LazyLock<HeaderValue> = LazyLock::new(|| policy("; frame-src 'self'"));
/// The same for what is said in that frame in the place of a message.
static FRAMED: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = policy("").to_str().map(|policy| policy.replace("frame-ancestors 'none'", "frame-ancestors 'self'"));
    policy.ok().and_then(|policy| HeaderValue::try_from(policy).ok()).unwrap_or_else(|| self::policy(""))
});
/// In an origin of its own (HTML Living Standard §7.1.5): no script, no form, no cookie, nothing of the page around it, and nothing is
/// asked for, wherever it is. Links open elsewhere.
const SENT: HeaderValue = HeaderValue::from_static(
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
     form-action 'none'; base-uri 'none'; frame-ancestors 'self'",
);

fn policy(more: &str) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'{more}",
        asset::script_hash()
    );
    // Without it nothing of the page is loaded at all.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const HEADERS: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Not `no-referrer`: browsers would send `Origin: null` with our own forms.
    (REFERRER_POLICY, "same-origin"),
    (OPENER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Puts the headers of security on whatever is answered.
pub(crate) async fn harden(State(site): State<Site>, request: Request, next: Next) -> Response {
    let is_tls = request.extensions().get::<Peer>().is_some_and(|peer| peer.tls.is_some());
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).and_then(host_name);
    // Only under its own name: told by "localhost" a browser would want TLS of everything on its machine.
    let is_itself = host.is_some_and(|host| host.eq_ignore_ascii_case(site.hostname()) && host != "localhost");
    let is_framed = is_framed(request.uri().path());
    let mut response = next.run(request).await;
    let wall = response.extensions().get::<Wall>().copied();
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = match wall {
        None if is_framed => FRAMED.clone(),
        None => POLICY.clone(),
        Some(Wall::Framing) => FRAMING.clone(),
        Some(Wall::Sent) => {
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            // Browsers open nothing that is in a sandbox and demands this (HTML Living Standard §7.4.5).
            headers.remove(OPENER_POLICY);
            SENT
        }
    };
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    if is_tls && is_itself {
        // RFC 6797 §6.1. A browser that was told to accept a wrong certificate does not heed it (§8.1).
        let year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// Whether a page of ours has a path in a frame.
pub(crate) fn is_framed(path: &str) -> bool {
    path.ends_with("/sent") && (path.starts_with("/messages/") || path.starts_with("/admin/accounts/"))
}

/// Whether the name that was asked for is one of ours: another site's name that leads to this address ("DNS rebinding")
/// would make this site a part of that one. An address is no name, so it is harmless.
pub(crate) fn check_host(visit: &Visit) -> Result<(), Problem> {
    let hostname = visit.site.hostname();
    let Some(host) = visit.authority().and_then(host_name) else {
        return Err(Problem::bad(tr!("The request does not say which host it is for.")));
    };
    let is_address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    if is_address || host.eq_ignore_ascii_case(hostname) || host.eq_ignore_ascii_case("localhost") {
        return Ok(());
    }
    let directory = visit.site.auth().directory();
    let mut name = host;
    loop {
        if directory.is_local_domain(name)? {
            return Ok(());
        }
        match name.split_once('.') {
            Some((_, parent)) => name = parent,
            None => break,
        }
    }
    let detail = tr!("You asked for a name that this server does not go by. Its own name is {hostname}.", hostname);
    Err(Problem::new(Kind::Host, detail))
}

/// Whether a POST was made by a page of ours: by where it comes from, as far as the browser says, and by its token.
pub(crate) fn check_form(visit: &Visit, proof: Option<&Proof>, found: &str) -> Result<(), Problem> {
    check_origin(visit)?;
    let is_ours = match proof {
        Some(Proof::Session(session)) => session.is_csrf(found),
        Some(Proof::Password | Proof::Operator) => true,
        None => visit.cookie(Cookie::Visitor).is_some_and(|token| visit.site.key().is_csrf(token, found)),
    };
    if is_ours {
        return Ok(());
    }
    let detail = tr!(
        "The page that you sent was open for too long, or cookies are switched off. Nothing was changed: go back, \
                  load the page again and repeat what you did."
    );
    Err(Problem::new(Kind::Forged, detail))
}

/// The token of a form, or of a call.
pub(crate) fn csrf_of<'a>(visit: &'a Visit, fields: &'a Fields) -> &'a str {
    visit.header("x-csrf-token").unwrap_or_else(|| fields.raw("csrf"))
}

fn check_origin(visit: &Visit) -> Result<(), Problem> {
    let from_elsewhere = visit.header("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    let origin = visit.header(ORIGIN.as_str());
    // The scheme does not count: a proxy that does TLS changes it.
    let origin_host = origin.map(|origin| origin.split_once("://").map_or(origin, |(_, host)| host));
    let is_other = origin_host.zip(visit.authority()).is_some_and(|(origin, host)| !origin.eq_ignore_ascii_case(host));
    if from_elsewhere || is_other {
        return Err(Problem::new(Kind::Forged, tr!("This came from a page of another site. Nothing was changed.")));
    }
    Ok(())
}

/// A host without its port.
fn host_name(authority: &str) -> Option<&str> {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte);
    (!name.is_empty() && name.len() <= 255 && name.bytes().all(is_name)).then_some(name)
}
