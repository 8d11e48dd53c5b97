//! Accounts, devices, credentials and the directory of addresses.
//!
//! The [`Directory`] says which addresses are ours and to whom their mail goes; [`Auth`] turns a user name and a password
//! into an account and a device. Nothing here reads a clock (`now` is a parameter), opens a socket or waits longer than a
//! password takes to verify; all calls block.
//!
//! Invariant: an account's number is never used again, whatever crashes.
//! Invariant: an address that resolves has a mailbox: it is published last and taken back first.
//! Invariant: a change of the directory counts from the next call on, also when another process made it.
//! Invariant: the answer to a login that fails does not tell whether the account exists.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod address;
mod cache;
mod devices;
mod directory;
mod error;
mod gate;
mod login;
mod options;
mod password;
mod presence;
mod requests;
mod reserved;
mod second_factor;
mod secret;
mod text;
mod throttle;
mod user_name;
mod web;

#[cfg(test)]
mod testing;

pub use address::{DOMAIN_BYTES_MAX, LOCAL_PART_BYTES_MAX, USER_BYTES_MAX, is_domain};
pub use directory::{
    AccountInfo, Alias, Delivery, Directory, DomainInfo, INVITATION_DOMAINS_MAX, LINKS_MAX, LinkInfo, LinkPurpose,
    NewLink, Resolution,
};
pub use error::{Error, LoginError};
pub use gate::Turn;
pub use login::{Attempt, Auth, Login, MAIN_PASSWORD_DEVICES_MAX};
pub use options::{AuthOptions, Limits, PasswordCost};
pub use password::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};
pub use presence::Presence;
pub use requests::{
    Accepted, Asked, Declined, NewRequest, REQUESTS_PENDING_MAX, REQUESTS_PER_DAY_MAX, REQUESTS_PER_NETWORK_MAX,
    RequestInfo, RequestState, RequestStatus, Requests,
};
pub use second_factor::{RECOVERY_CODES, SecondFactorSetup};
pub use secret::generate_password;
pub use web::{
    NewOwner, Owner, OwnerError, SESSION_AGE_MAX_MILLIS, SESSION_IDLE_MAX_MILLIS, SESSIONS_MAX, Web, WebAttempt,
    WebLogin, WebSession, WebSessionInfo,
};
