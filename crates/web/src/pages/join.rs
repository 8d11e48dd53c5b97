//! How people get in who are not in yet: request an account, see what became of it, follow an invitation, choose a password.
//!
//! What stands at the end of a secret address opens something, so these pages load nothing from elsewhere, lead nowhere
//! else, and no address is sent along (`Referrer-Policy`).

use crate::answer::{Answer, Outcome};
use crate::cookie::Cookie;
use crate::form::Fields;
use crate::frame::Frame;
use crate::path::OwnPath;
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::token;
use crate::visit::Visit;
use askama::Template;
use auth::{LoginError, NewOwner, NewRequest, OwnerError, RequestStatus};
use axum::http::StatusCode;
use directory::{DomainInfo, LinkPurpose};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/request", Handler::Anybody(show_request)),
    Route::post("/request", Handler::Anybody(request)),
    Route::get("/request/{token}", Handler::Anybody(status)),
    Route::get("/invitation/{token}", Handler::Anybody(show_invitation)),
    Route::post("/invitation/{token}", Handler::Anybody(accept_invitation)),
    Route::get("/password/{token}", Handler::Anybody(show_password)),
    Route::post("/password/{token}", Handler::Anybody(choose_password)),
];

/// What was typed, and why it was not taken.
struct Typed<'a> {
    fields: &'a Fields,
    failed: Option<&'a str>,
}

impl Typed<'_> {
    fn text(&self, name: &str) -> &str {
        self.fields.text(name)
    }
}

#[derive(Template)]
#[template(path = "request.html")]
struct RequestPage<'a> {
    frame: Frame,
    allowed: bool,
    domains: Vec<DomainInfo>,
    typed: Typed<'a>,
}

#[derive(Template)]
#[template(path = "request_status.html")]
struct StatusPage {
    frame: Frame,
    status: RequestStatus,
}

#[derive(Template)]
#[template(path = "invitation.html")]
struct InvitationPage<'a> {
    frame: Frame,
    token: &'a str,
    address: Option<&'a str>,
    domains: Vec<DomainInfo>,
    typed: Typed<'a>,
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage<'a> {
    frame: Frame,
    token: &'a str,
    address: &'a str,
    typed: Typed<'a>,
}

fn show_request(visit: &Visit, fields: &Fields) -> Outcome {
    request_page(visit, &Typed { fields, failed: None })
}

fn request(visit: &Visit, fields: &Fields) -> Outcome {
    let asked = visit.site.auth().requests().ask(&NewRequest {
        name: fields.text("name"),
        address: &fields.address("address", "domain"),
        reason: fields.text("reason"),
        contact: fields.text("contact"),
        from: visit.address(),
        now: visit.now,
    });
    match asked {
        Ok(asked) => Ok(Answer::see_other(&OwnPath::new(format!("/request/{}", asked.token)))),
        Err(directory::Error::Refused(why)) => request_page(visit, &Typed { fields, failed: Some(&why) }),
        Err(directory::Error::Store(error)) => Err(error.into()),
    }
}

fn request_page(visit: &Visit, typed: &Typed<'_>) -> Outcome {
    let auth = visit.site.auth();
    let (allowed, domains) = (auth.requests().are_allowed()?, auth.requests().domains()?);
    let typed = Typed { ..*typed };
    for_visitor(visit, "request", typed.failed, |frame| Answer::page(&RequestPage { frame, allowed, domains, typed }))
}

fn status(visit: &Visit, _: &Fields) -> Outcome {
    let status = visit.site.auth().requests().status(visit.parameter("token"), visit.now)?;
    let status = status.ok_or_else(Problem::not_found)?;
    Answer::page(&StatusPage { frame: Frame::default(), status })
}

fn show_invitation(visit: &Visit, fields: &Fields) -> Outcome {
    invitation_page(visit, &Typed { fields, failed: None })
}

fn accept_invitation(visit: &Visit, fields: &Fields) -> Outcome {
    let address = fields.address("address", "domain");
    let password = match chosen(fields) {
        Ok(password) => password,
        Err(why) => return invitation_page(visit, &Typed { fields, failed: Some(why) }),
    };
    let owner = NewOwner { address: &address, display: fields.text("name"), password };
    let web = visit.site.auth().web();
    match web.accept_invitation(visit.parameter("token"), &owner, visit.turn(), visit.now) {
        Ok(_) => Ok(Answer::see_other(&OwnPath::new("/login"))),
        Err(OwnerError::Refused(why)) => invitation_page(visit, &Typed { fields, failed: Some(&why) }),
        Err(error) => Err(problem(error)),
    }
}

fn invitation_page(visit: &Visit, typed: &Typed<'_>) -> Outcome {
    let token = visit.parameter("token");
    let Some(LinkPurpose::Invitation { address, domains: only }) = purpose(visit, token)? else {
        return Err(not_good());
    };
    let mut domains = visit.site.auth().directory().domains()?;
    domains.retain(|domain| only.is_empty() || only.contains(&domain.name));
    let typed = Typed { ..*typed };
    for_visitor(visit, "", typed.failed, |frame| {
        Answer::page(&InvitationPage { frame, token, address: address.as_deref(), domains, typed })
    })
}

fn show_password(visit: &Visit, fields: &Fields) -> Outcome {
    password_page(visit, &Typed { fields, failed: None })
}

fn choose_password(visit: &Visit, fields: &Fields) -> Outcome {
    let password = match chosen(fields) {
        Ok(password) => password,
        Err(why) => return password_page(visit, &Typed { fields, failed: Some(why) }),
    };
    let web = visit.site.auth().web();
    match web.choose_password(visit.parameter("token"), password, visit.turn(), visit.now) {
        Ok(_) => Ok(Answer::see_other(&OwnPath::new("/login"))),
        Err(OwnerError::Refused(why)) => password_page(visit, &Typed { fields, failed: Some(&why) }),
        Err(error) => Err(problem(error)),
    }
}

fn password_page(visit: &Visit, typed: &Typed<'_>) -> Outcome {
    let token = visit.parameter("token");
    let Some(LinkPurpose::Password { address }) = purpose(visit, token)? else { return Err(not_good()) };
    let typed = Typed { ..*typed };
    for_visitor(visit, "", typed.failed, |frame| Answer::page(&PasswordPage { frame, token, address: &address, typed }))
}

fn purpose(visit: &Visit, token: &str) -> Result<Option<LinkPurpose>, Problem> {
    Ok(visit.site.auth().directory().link(token, visit.now)?.map(|link| link.purpose))
}

fn not_good() -> Problem {
    let detail =
        tr!("This link is not good any more: it was used or taken back, or it is too old. Ask for another one.");
    Problem::new(Kind::NotFound, detail)
}

/// The new password of a form that has it twice.
pub(super) fn chosen(fields: &Fields) -> Result<&str, &'static str> {
    let (password, again) = (fields.raw("new_password"), fields.raw("again"));
    if password == again { Ok(password) } else { Err(tr!("The two new passwords differ; type the same one twice.")) }
}

/// Why an owner, or somebody with a link, did not get what they asked for.
pub(super) fn problem(error: OwnerError) -> Problem {
    match error {
        OwnerError::Refused(why) => Problem::refused(why),
        OwnerError::Login(LoginError::Rejected { delay_millis }) => {
            Problem::refused(tr!("The password or the code is not right.")).after_millis(delay_millis)
        }
        OwnerError::Login(LoginError::Throttled { delay_millis }) => {
            Problem::new(Kind::TooOften, tr!("There were too many attempts. Wait some minutes, then try again."))
                .after_millis(delay_millis)
        }
        OwnerError::Login(LoginError::Busy { delay_millis }) => Problem::busy().after_millis(delay_millis),
        OwnerError::Login(LoginError::OutOfTurn) => Problem::out_of_turn(),
        OwnerError::Login(LoginError::Fault(error)) | OwnerError::Store(error) => error.into(),
    }
}

/// A page with a form for anybody.
fn for_visitor(
    visit: &Visit,
    here: &'static str,
    failed: Option<&str>,
    page: impl FnOnce(Frame) -> Outcome,
) -> Outcome {
    let known = visit.cookie(Cookie::Visitor).map(str::to_owned);
    let token = known.map_or_else(token::random, Ok)?;
    let status = if failed.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let answer = page(Frame::for_visitor(visit, &token, here))?.with_status(status);
    Ok(answer.with_cookie(&Cookie::Visitor.set(visit.is_secure(), &token)))
}
