//! One file per verb. Each returns its reply; the dispatcher only dispatches.

pub(crate) mod auth;
pub(crate) mod bdat;
mod data;
mod expn;
mod hello;
mod help;
mod mail;
mod noop;
mod quit;
pub(crate) mod rcpt;
mod rset;
mod starttls;
mod vrfy;

use crate::session::SmtpSession;
use crate::tally::Deed;
use smtp_proto::{Command, Reply};

/// Answers a command; `None` if the answer comes later.
pub(crate) fn dispatch(session: &mut SmtpSession, command: Command) -> Option<Reply> {
    Some(match command {
        Command::Helo(name) => hello::helo(session, name),
        Command::Ehlo(name) => hello::ehlo(session, name),
        Command::Lhlo(name) => hello::lhlo(session, name),
        Command::Mail(mail) => mail::handle(session, mail),
        Command::Rcpt(rcpt) => return rcpt::handle(session, rcpt),
        Command::Data => data::handle(session),
        Command::Bdat(bdat) => return bdat::handle(session, bdat),
        Command::Rset => rset::handle(session),
        Command::Noop => noop::handle(),
        Command::Quit => quit::handle(session),
        Command::Vrfy(_) => vrfy::handle(),
        Command::Expn(_) => expn::handle(),
        Command::Help(_) => help::handle(),
        Command::StartTls => starttls::handle(session),
        Command::Auth(auth) => return auth::handle(session, auth),
    })
}

/// How a command counts.
pub(crate) fn deed(command: &Command) -> Deed {
    match command {
        Command::Rcpt(_) => Deed::Recipient,
        Command::Auth(_) => Deed::Login,
        Command::Mail(_) | Command::Data | Command::Bdat(_) | Command::Quit | Command::StartTls => Deed::Transfer,
        Command::Helo(_)
        | Command::Ehlo(_)
        | Command::Lhlo(_)
        | Command::Rset
        | Command::Noop
        | Command::Vrfy(_)
        | Command::Expn(_)
        | Command::Help(_) => Deed::Idle,
    }
}
