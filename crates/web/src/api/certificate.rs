//! The certificate that an authority gives by itself.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::problem::Problem;
use console::{CertificateCard, Done};
use store::Timestamp;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/admin/certificate", |caller, _| json(card(caller)?)),
    Endpoint::post("/api/v1/admin/certificate/renew", |caller, _| json(renew(caller)?)),
];

/// How it stands.
pub(crate) fn card(caller: &Caller) -> Result<CertificateCard, Problem> {
    caller.administration()?;
    Ok(CertificateCard::of(caller.site.auth().directory(), caller.now)?)
}

/// Has the authority asked now, whatever it said before.
fn renew(caller: &Caller) -> Result<Done, Problem> {
    caller.administration()?;
    caller.site.auth().directory().change_host_certificate(|kept| kept.next_attempt = Timestamp(0))?;
    Ok(Done::new(tr!("The authority is asked for a certificate within some seconds.")))
}
