//! What there is on port 80: the way to the pages.

use hyper::header::{CONTENT_LENGTH, HOST, LOCATION};
use hyper::{Request, Response, StatusCode, Uri};
use web::{Body, Router};

use crate::config::is_hostname;

/// Sends everybody to the same path under TLS: of the host that was asked for, where it is a name and the pages are on the usual
/// port, else of `pages`, the address of the pages. Nothing is read of a body.
pub(crate) fn to_pages(pages: &str) -> Router {
    let pages = pages.to_owned();
    Router::new().fallback(move |request: Request<Body>| {
        let to = target(&pages, request.headers().get(HOST).and_then(|host| host.to_str().ok()), request.uri());
        // RFC 9110 §15.4.9: 308, and a program that sends a password says it under TLS only the next time.
        let moved = Response::builder().status(StatusCode::PERMANENT_REDIRECT).header(LOCATION, to);
        std::future::ready(moved.header(CONTENT_LENGTH, 0).body(Body::empty()).unwrap_or_default())
    })
}

fn target(pages: &str, host: Option<&str>, uri: &Uri) -> String {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let is_usual = pages.matches(':').count() == 1;
    let name =
        host.and_then(|host| host.split(':').next()).filter(|name| is_usual && name.contains('.') && is_hostname(name));
    name.map_or_else(|| format!("{pages}{path}"), |name| format!("https://{name}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_to_the_same_path_under_tls() {
        let check = |pages: &str, host: Option<&str>, path: &str, expected: &str| {
            assert_eq!(target(pages, host, &path.parse().unwrap()), expected, "{pages} {host:?}");
        };
        let usual = "https://mail.example.org";
        check(usual, Some("autoconfig.example.net:80"), "/mail/x?y=z", "https://autoconfig.example.net/mail/x?y=z");
        check(usual, Some("a b"), "/", "https://mail.example.org/");
        check(usual, None, "//evil.example/", "https://mail.example.org//evil.example/");
        let other = "https://mail.example.org:8443";
        check(other, Some("mail.example.org"), "/", "https://mail.example.org:8443/");
    }
}
