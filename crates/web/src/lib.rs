//! The pages and the JSON API: a function from a request to an answer, over `console` and `auth`.
//!
//! [`Site::router`] is all that a server needs. It opens no sockets and reads no clock: the time comes from
//! [`SiteOptions::now`], the client from [`Peer`], an extension of the request.
//!
//! How a request goes: `guard` looks at its host and puts the headers of security on whatever is answered; `serve` reads
//! the body within a limit and hands over to a thread that may block; there the route's `route::Handler` decides who may
//! come that far (`visit::Visit`: anybody; `visit::Owner`: who is logged in; `form::Fields`: what was sent from a page of
//! ours). A page is a file in `pages` with a template of the same name beside it, an endpoint of the API a file in
//! `api`; both get their data from the same method of `console`.
//!
//! The words of a page are sentences of `wording` in its template (`console::words` has those that say what happened), and are said in
//! the language of whoever reads. No page needs JavaScript; the one script there is (`assets/time.js`) writes moments in the zone
//! of whoever reads.
//!
//! Invariant: every byte that was not written by us is escaped by askama, which does so by default; `|safe` is not used. What is HTML says so by
//! its type (`said`, `moment`).
//! Invariant: nothing changes on GET, and nothing changes by a form or a call that was not made by a page or a program of
//! the one who is logged in.
//! Invariant: a redirect leads to a path of this site.
//! Invariant: what a visitor is told does not depend on whether an account exists.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

#[macro_use(tr, tr_later, trc, trn)]
extern crate wording;
#[macro_use]
mod said;

mod answer;
mod api;
mod asset;
mod audit;
mod browser;
mod caller;
mod cookie;
mod form;
mod frame;
mod guard;
mod language;
mod links;
mod moment;
mod notice;
mod operate;
mod pages;
mod path;
mod peer;
mod pieces;
mod problem;
mod refusal;
mod route;
mod sent;
mod serve;
pub mod setup;
mod site;
mod state;
mod token;
mod visit;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use axum::Router;
pub use axum::body::Body;
pub use operate::{Call, Failure, Parts};
pub use peer::Peer;
#[cfg(any(test, feature = "testing"))]
pub use serve::all_routes;
pub use site::{Post, SendTest, Site, SiteOptions};
