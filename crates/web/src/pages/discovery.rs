//! What mail programs look for when all that they have is an address. None of it tells whether the address exists.

use crate::answer::{Answer, Outcome};
use crate::form::Fields;
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::setup::{
    AUTOCONFIG_TYPE, AUTODISCOVER_PATHS, AUTODISCOVER_TYPE, PACC_PATH, STS_PATH, STS_PREFIX, autoconfig, autodiscover,
    autodiscover_json, is_address, pacc, refusal, requested_address, sts_policy,
};
use crate::visit::Visit;
use axum::http::StatusCode;

/// Names under which programs look, before the domain.
const PREFIXES: [&str; 3] = ["autoconfig.", "autodiscover.", "ua-auto-config."];

pub(super) const ROUTES: &[Route] = &[
    Route::get("/.well-known/autoconfig/mail/config-v1.1.xml", Handler::Document(thunderbird)),
    Route::get("/mail/config-v1.1.xml", Handler::Document(thunderbird)),
    Route::get(AUTODISCOVER_PATHS[0], Handler::Document(outlook)),
    Route::get(AUTODISCOVER_PATHS[1], Handler::Document(outlook)),
    Route::get(AUTODISCOVER_PATHS[2], Handler::Document(outlook)),
    Route::get("/autodiscover/autodiscover.json", Handler::Document(outlook_json)),
    Route::get("/autodiscover/autodiscover.json/v1.0/{address}", Handler::Document(outlook_json)),
    Route::get(PACC_PATH, Handler::Document(user_agent)),
    Route::get(STS_PATH, Handler::Document(mail_server)),
];

fn thunderbird(visit: &Visit) -> Outcome {
    let domain = domain(visit, query(visit)?.text("emailaddress"))?;
    Ok(Answer::of(AUTOCONFIG_TYPE, autoconfig(&domain, visit.site.offered()).into()))
}

fn outlook(visit: &Visit) -> Outcome {
    let address = requested_address(&visit.body).filter(|address| domain(visit, address).is_ok());
    Ok(match address {
        Some(address) => Answer::of(AUTODISCOVER_TYPE, autodiscover(address, visit.site.offered()).into()),
        None => Answer::of(AUTODISCOVER_TYPE, refusal().into()),
    })
}

fn outlook_json(visit: &Visit) -> Outcome {
    let fields = query(visit)?;
    match autodiscover_json(fields.text("Protocol"), visit.site.offered()) {
        Ok(document) => Answer::json(&document),
        Err(document) => Ok(Answer::json(&document)?.with_status(StatusCode::BAD_REQUEST)),
    }
}

fn user_agent(visit: &Visit) -> Outcome {
    let document = pacc(&domain(visit, "")?, visit.site.offered()).ok_or_else(Problem::not_found)?;
    Ok(Answer::of("application/json", document.into()))
}

/// RFC 8461 §3.3: only under the name that says that it is meant.
fn mail_server(visit: &Visit) -> Outcome {
    let host = visit.authority().unwrap_or_default().to_ascii_lowercase();
    let domain = host.strip_prefix(STS_PREFIX).map(|domain| domain.rsplit_once(':').map_or(domain, |(name, _)| name));
    let directory = visit.site.auth().directory();
    match domain {
        Some(domain) if directory.is_local_domain(domain)? => {
            let policy = sts_policy(visit.site.offered()).ok_or_else(Problem::not_found)?;
            Ok(Answer::of("text/plain", policy.into()))
        }
        Some(_) | None => Err(Problem::not_found()),
    }
}

fn query(visit: &Visit) -> Result<Fields, Problem> {
    Fields::urlencoded(visit.uri.query().unwrap_or_default().as_bytes())
}

/// The local domain that is meant: that of the address, or of the host that was asked.
fn domain(visit: &Visit, address: &str) -> Result<String, Problem> {
    let directory = visit.site.auth().directory();
    let unknown = || Problem::new(Kind::NotFound, tr!("This server has no mail for that domain."));
    if !address.is_empty() {
        let domain = address.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
        let domain = domain.filter(|_| is_address(address)).ok_or_else(unknown)?;
        return if directory.is_local_domain(&domain)? { Ok(domain) } else { Err(unknown()) };
    }
    let host = visit.authority().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).to_ascii_lowercase();
    let mut name = PREFIXES.iter().find_map(|prefix| host.strip_prefix(prefix)).unwrap_or(&host);
    loop {
        if directory.is_local_domain(name)? {
            return Ok(name.to_owned());
        }
        match name.split_once('.') {
            Some((_, parent)) => name = parent,
            None => return Err(unknown()),
        }
    }
}
