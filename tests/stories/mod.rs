//! A file for each program; what they share is in `household` and `program`.

mod household;
mod program;

mod curl;
mod fetchmail;
mod getmail;
mod gsasl;
mod mbsync;
mod migrated;
mod mixed;
mod mutt;
mod python;
mod senders;
mod sent;
mod shared_password;
mod tokens;
