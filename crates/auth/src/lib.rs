//! Who is let in: credentials, devices, sessions on the pages, and requests for an account.
//!
//! [`Auth`] turns a user name and a password into an account and a device, with what the directory of accounts says (crate
//! `directory`). Nothing here reads a clock (`now` is a parameter), opens a socket or waits longer than a password takes to
//! verify; all calls block.
//!
//! Invariant: the answer to a login that fails does not tell whether the account exists.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod announcement;
mod cache;
mod counting;
mod device_list;
mod devices;
mod error;
mod login;
mod noted;
mod options;
mod owner_proof;
mod passing;
mod presence;
mod requests;
mod scram;
mod second_factor;
mod secret;
mod standing;
mod taking_over;
mod text;
mod throttle;
mod ticket;
mod token;
mod user_name;
mod web;

#[cfg(test)]
mod testing;

pub use error::LoginError;
pub use login::{Attempt, Auth, Login};
pub use noted::{LoginNote, LoginNotes};
pub use options::{AuthOptions, Scram};
pub use presence::Presence;
pub use requests::{
    Accepted, Asked, Declined, NewRequest, REQUESTS_PER_NETWORK_MAX, RequestInfo, RequestState, RequestStatus,
    Requests, no_such_request,
};
pub use second_factor::{RECOVERY_CODES, SecondFactorSetup};
pub use secret::generate_password;
pub use standing::Standing;
pub use token::TOKEN_DAYS_MAX;
pub use web::{
    NewOwner, Owner, OwnerError, SESSION_IDLE_MAX_MILLIS, Web, WebAttempt, WebLogin, WebSession, WebSessionInfo,
};
