//! My account: the main password, the second factor, the sessions in use.

use super::join::{chosen, problem};
use crate::answer::{Answer, Outcome};
use crate::api;
use crate::browser;
use crate::cookie::Cookie;
use crate::form::Fields;
use crate::frame::Frame;
use crate::language;
use crate::moment;
use crate::notice::Notice;
use crate::path::OwnPath;
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::visit::Owner;
use api::account::SessionLine;
use askama::Template;
use auth::{OwnerError, SecondFactorSetup, WebLogin};
use axum::http::header::USER_AGENT;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use console::{HelpCard, JunkFilterCard, LanguageCard};
use qrcode::QrCode;
use qrcode::render::svg;
use store::Timestamp;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/account", Handler::Owner(show)),
    Route::post("/account/password", Handler::Owner(change_password)),
    Route::get("/account/second-factor", Handler::Owner(show_second_factor)),
    Route::post("/account/second-factor", Handler::Owner(begin_second_factor)),
    Route::post("/account/second-factor/confirm", Handler::Owner(confirm_second_factor)),
    Route::post("/account/second-factor/off", Handler::Owner(switch_off_second_factor)),
    Route::post("/account/language", Handler::Owner(choose_language)),
    Route::post("/account/junk-filter", Handler::Owner(switch_junk_filter)),
    Route::post("/account/help", Handler::Owner(ask_help)),
    Route::post("/account/help/end", Handler::Owner(end_help)),
    Route::post("/account/sessions", Handler::Owner(end_others)),
    Route::post("/account/sessions/{id}", Handler::Owner(end_one)),
];

const QR_PIXELS_MIN: u32 = 240;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    address: String,
    /// `None` without a second factor.
    recovery_codes_left: Option<usize>,
    language: LanguageCard,
    junk_filter: JunkFilterCard,
    help: HelpCard,
    sessions: Vec<SessionLine>,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct SecondFactorPage {
    frame: Frame,
    setup: SecondFactorSetup,
    /// A picture as base64.
    picture: String,
}

#[derive(Template)]
#[template(path = "recovery_codes.html")]
struct RecoveryCodesPage {
    frame: Frame,
    codes: Vec<String>,
}

fn show(owner: &Owner, _: &Fields) -> Outcome {
    let sessions = api::account::sessions(owner)?;
    let recovery_codes_left = owner.site.auth().web().recovery_codes_left(owner.own()?.account)?;
    let frame = Frame::of(owner, "account");
    Answer::page(&AccountPage {
        frame,
        address: owner.own()?.address.clone(),
        recovery_codes_left,
        language: api::language::show(owner)?,
        junk_filter: api::junk_filter::show(owner)?,
        help: api::help::show(owner)?,
        sessions,
        now: owner.now,
    })
}

/// What is said of it is in the language that was chosen.
fn choose_language(owner: &Owner, fields: &Fields) -> Outcome {
    match api::language::choose(owner, fields) {
        Ok(_) => wording::speaking(language::of(&owner.visit), || {
            owner.say(Notice::good(tr!("These pages are in this language from now on.")));
        }),
        Err(problem) if problem.kind == Kind::Refused => owner.say(Notice::bad(problem.detail)),
        Err(problem) => return Err(problem),
    }
    Ok(Answer::see_other(&OwnPath::new("/account")))
}

fn switch_junk_filter(owner: &Owner, fields: &Fields) -> Outcome {
    let card = api::junk_filter::switch(owner, fields)?;
    Ok(back(owner, Notice::good(card.text)))
}

fn ask_help(owner: &Owner, fields: &Fields) -> Outcome {
    api::help::ask(owner, fields)?;
    Ok(back(owner, Notice::good(tr!("An administrator may look for your mail now. Tell them what you miss."))))
}

fn end_help(owner: &Owner, _: &Fields) -> Outcome {
    api::help::end(owner)?;
    Ok(back(owner, Notice::good(tr!("Nobody but you looks for your mail any more."))))
}

fn change_password(owner: &Owner, fields: &Fields) -> Outcome {
    let new = match chosen(fields) {
        Ok(new) => new,
        Err(why) => return Ok(back(owner, Notice::bad(why))),
    };
    let changed = proven(owner, fields, |proof| owner.site.auth().web().change_password(proof, new));
    settled(owner, changed, tr!("Your password was changed. All other sessions are over."))
}

fn show_second_factor(owner: &Owner, _: &Fields) -> Outcome {
    let begun = owner.site.auth().web().second_factor_begun(owner.session()?)?;
    let Some(setup) = begun else { return Ok(Answer::see_other(&OwnPath::new("/account"))) };
    let picture = picture(&setup.uri)?;
    Answer::page(&SecondFactorPage { frame: Frame::of(owner, "account"), setup, picture })
}

fn begin_second_factor(owner: &Owner, fields: &Fields) -> Outcome {
    match proven(owner, fields, |proof| owner.site.auth().web().begin_second_factor(proof)) {
        Ok(_) => Ok(Answer::see_other(&OwnPath::new("/account/second-factor"))),
        Err(problem) => told(owner, problem, "/account"),
    }
}

fn confirm_second_factor(owner: &Owner, fields: &Fields) -> Outcome {
    match proven(owner, fields, |proof| owner.site.auth().web().confirm_second_factor(proof)) {
        Ok((login, codes)) => {
            let frame = Frame::around(&login.session, "account");
            let answer = Answer::page(&RecoveryCodesPage { frame, codes })?;
            Ok(answer.with_cookie(&Cookie::Session.set(owner.visit.is_secure(), &login.token)))
        }
        Err(problem) => told(owner, problem, "/account/second-factor"),
    }
}

fn switch_off_second_factor(owner: &Owner, fields: &Fields) -> Outcome {
    let off = proven(owner, fields, |proof| owner.site.auth().web().switch_off_second_factor(proof));
    settled(owner, off, tr!("The second factor is off. All other sessions are over."))
}

fn end_others(owner: &Owner, _: &Fields) -> Outcome {
    let ended = api::account::end_others(owner)?;
    Ok(back(owner, Notice::good(trn!(ended, "{n} other session was ended.", "{n} other sessions were ended."))))
}

fn end_one(owner: &Owner, _: &Fields) -> Outcome {
    let ended = api::account::end_one(owner)?;
    let notice =
        if ended { Notice::good(tr!("That session was ended.")) } else { Notice::bad(tr!("That session was over.")) };
    Ok(back(owner, notice))
}

/// Does what needs the password, and the code where there is one.
fn proven<T>(
    owner: &Owner,
    fields: &Fields,
    work: impl FnOnce(&auth::Owner<'_>) -> Result<T, OwnerError>,
) -> Result<T, Problem> {
    let program = owner.visit.header(USER_AGENT.as_str()).and_then(browser::name);
    let proof = auth::Owner {
        session: owner.session()?,
        password: fields.raw("password"),
        code: fields.text("code"),
        address: owner.visit.address(),
        program: program.as_deref(),
        now: owner.now,
        turn: owner.visit.turn(),
    };
    work(&proof).map_err(problem)
}

/// The page again, in the fresh session that a change of credentials gives.
fn settled(owner: &Owner, outcome: Result<WebLogin, Problem>, done: &str) -> Outcome {
    match outcome {
        Ok(login) => {
            owner.site.notices().put(&login.session.id, Notice::good(done));
            let answer = Answer::see_other(&OwnPath::new("/account"));
            Ok(answer.with_cookie(&Cookie::Session.set(owner.visit.is_secure(), &login.token)))
        }
        Err(problem) => told(owner, problem, "/account"),
    }
}

/// What can be put right is said on the page that it was asked on.
fn told(owner: &Owner, problem: Problem, path: &str) -> Outcome {
    if !matches!(problem.kind, Kind::Refused | Kind::TooOften) {
        return Err(problem);
    }
    owner.say(Notice::bad(problem.detail));
    Ok(Answer::see_other(&OwnPath::new(path)).after_millis(problem.delay_millis))
}

fn back(owner: &Owner, notice: Notice) -> Answer {
    owner.say(notice);
    Answer::see_other(&OwnPath::new("/account"))
}

/// A QR code as base64 of an SVG.
fn picture(text: &str) -> Result<String, Problem> {
    let code = QrCode::new(text).map_err(|error| Problem::fault(&format!("no QR code: {error}")))?;
    let picture = code.render::<svg::Color<'_>>().min_dimensions(QR_PIXELS_MIN, QR_PIXELS_MIN).build();
    Ok(BASE64_STANDARD.encode(picture))
}
