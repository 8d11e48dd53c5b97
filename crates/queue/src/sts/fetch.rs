//! Gets a policy over HTTPS (RFC 8461 §3.3): from the one host that may have it, whose certificate is checked, without following
//! to another place, and no more of it than a policy may be long.

use crate::https::{Https, TIMEOUT};
use dns::Dns;
use http_body_util::{BodyExt, Limited};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;

/// RFC 8461 §3.3 suggests 64 KiB.
const POLICY_BYTES_MAX: usize = 64 * 1024;

/// The octets of the policy of `domain`; else what went wrong.
pub(super) async fn fetch(dns: &Dns, https: &Https, domain: &str) -> Result<Bytes, String> {
    tokio::time::timeout(TIMEOUT, fetch_in_time(dns, https, domain)).await.unwrap_or(Err("it took too long".to_owned()))
}

async fn fetch_in_time(dns: &Dns, https: &Https, domain: &str) -> Result<Bytes, String> {
    let response = https.get(dns, &format!("mta-sts.{domain}"), "/.well-known/mta-sts.txt").await?;
    // RFC 8461 §3.3: redirects are not followed.
    if response.status() != StatusCode::OK {
        return Err(format!("HTTP: {}", response.status()));
    }
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    // RFC 8461 §3.3: whoever may put pictures on a server is not its owner.
    if !media_type.eq_ignore_ascii_case("text/plain") {
        return Err(format!("HTTP: {media_type:?} instead of text/plain"));
    }
    let body = Limited::new(response.into_body(), POLICY_BYTES_MAX).collect().await;
    body.map(|body| body.to_bytes()).map_err(|error| format!("HTTP: {error}"))
}
