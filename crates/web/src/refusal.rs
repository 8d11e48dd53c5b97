//! How a [`Problem`] is told: a page that says what, why and what to do, or a problem document.

use crate::answer::Answer;
use crate::frame::Frame;
use crate::problem::Problem;
use askama::Template;
use axum::http::header::CONTENT_TYPE;
use serde::Serialize;

impl Problem {
    /// As a page.
    pub(crate) fn page(&self, frame: Frame) -> Answer {
        self.log();
        let page =
            ErrorPage { frame, title: self.kind.title(), detail: &self.detail, status: self.kind.status().as_u16() };
        let answer = Answer::page(&page).unwrap_or_else(|_| Answer::of("text/plain; charset=utf-8", "error".into()));
        answer.with_status(self.kind.status()).after_millis(self.delay_millis)
    }

    /// As a problem document (RFC 9457 §3).
    pub(crate) fn json(&self) -> Answer {
        self.log();
        let status = self.kind.status();
        let document =
            Document { r#type: "about:blank", title: self.kind.title(), status: status.as_u16(), detail: &self.detail };
        let answer = Answer::json(&document).unwrap_or_else(|_| Answer::of("application/json", "{}".into()));
        answer.with(CONTENT_TYPE, "application/problem+json").with_status(status).after_millis(self.delay_millis)
    }

    /// What is our fault is logged once, here where it is told.
    fn log(&self) {
        if let Some(what) = &self.cause {
            tracing::error!(what, "a request could not be answered");
        }
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    title: &'a str,
    detail: &'a str,
    status: u16,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
}
