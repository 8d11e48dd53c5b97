//! What a client can ask for: one file per command, and a dispatcher that only dispatches.

pub(crate) mod append;
pub(crate) mod authenticate;
pub(crate) mod bulk;
mod close;
mod copy;
mod create;
mod delete;
mod enable;
mod expunge;
pub(crate) mod fetch;
mod id;
pub(crate) mod idle;
mod list;
mod login;
mod lsub;
pub(crate) mod pending;
mod quota;
mod relocate;
mod rename;
pub(crate) mod search;
pub(crate) mod select;
mod starttls;
mod status;
mod store;
mod subscribe;

use crate::capability;
use crate::connection::{Session, Turn};
use crate::selected::{NoSuchNumber, Selected};
use crate::service::Service;
use crate::state::{Finish, Running, State, Then, User};
use crate::sync::{Look, News};
use crate::tagged::Tagged;
use ::store::{Actor, Error, Mailboxes};
use bulk::Work;
use imap_proto::{Code, Command, Encoder, MailboxName, MessageSet, Numbering, Tag};
use pending::Request;
use session::Moment;

/// How a command that does not run on ends: done, or refused.
pub(crate) type Answer = Result<Tagged, Tagged>;

/// What a command of a user works with.
pub(crate) struct Context<'a> {
    pub(crate) service: &'a Service,
    pub(crate) now: Moment,
    pub(crate) user: &'a mut User,
    pub(crate) output: &'a mut Vec<u8>,
}

impl Context<'_> {
    fn actor(&self) -> Actor {
        self.user.actor(self.now)
    }

    fn encoder(&mut self) -> Encoder<'_> {
        Encoder::new(self.output, self.user.enabled.dialect())
    }

    fn mailboxes(&self) -> Result<Mailboxes, Error> {
        self.user.account.mailboxes()
    }

    fn mailbox(&self, name: &MailboxName) -> Result<::store::Mailbox, Error> {
        self.mailboxes()?.by_name(name.as_str()).cloned().ok_or(Error::NoSuchMailbox)
    }

    /// RFC 9051 §6.3.12, §6.4.7: whoever brings messages to a mailbox that is not there may make it first.
    fn target(&self, name: &MailboxName) -> Result<::store::Mailbox, Tagged> {
        self.mailbox(name).map_err(|error| match error {
            Error::NoSuchMailbox => no_such_target(),
            other => other.into(),
        })
    }

    fn selected(&mut self) -> Result<&mut Selected, Tagged> {
        self.user.selected.as_mut().ok_or_else(|| Tagged::bad("Select a mailbox first"))
    }

    /// Before a command that changes messages: those whose UIDs the client names and was not told of on this connection
    /// (it has them from an APPENDUID or COPYUID on another one, as Thunderbird does) are told first. `*` stays the last
    /// message that was told: nothing reaches a message that the user has not seen yet.
    fn tell_named(&mut self, set: &MessageSet, numbering: Numbering) -> Result<(), Tagged> {
        let last = self.selected()?.told.last().map_or(0, |entry| entry.uid.0);
        let names_unknown = match set {
            MessageSet::Numbers(set) => numbering == Numbering::Uid && !set.has_star() && set.exceeds(last),
            MessageSet::Saved => false,
        };
        while names_unknown && self.user.tell(&mut News::without_expunges(), self.output)? == Look::More {}
        Ok(())
    }

    /// The selected mailbox, to be changed.
    fn writable(&mut self) -> Result<&mut Selected, Tagged> {
        let selected = self.selected()?;
        if selected.read_only {
            return Err(Tagged::refused(Code::ReadOnly, "The mailbox is open read-only"));
        }
        Ok(selected)
    }
}

fn no_such_target() -> Tagged {
    Tagged::refused(Code::TryCreate, "No such mailbox")
}

impl From<NoSuchNumber> for Tagged {
    fn from(NoSuchNumber: NoSuchNumber) -> Self {
        // RFC 9051 §9, seq-number: "the server should respond with a tagged BAD".
        Self::bad("No message has this number")
    }
}

impl Session {
    /// Begins a command.
    pub(crate) fn command(&mut self, tagged: imap_proto::Tagged, output: &mut Vec<u8>) -> Turn {
        let imap_proto::Tagged { tag, command } = tagged;
        let upload = self.upload.take();
        match self.state {
            State::NotAuthenticated(_) => self.command_of_stranger(tag, command, output),
            State::Authenticated(_) => match (command, upload) {
                (Command::Append(append), Some(upload)) => self.begin_append(tag, append, *upload),
                (command, _) => self.command_of_user(tag, command, output),
            },
            State::Logout => Turn::Close,
        }
    }

    fn command_of_stranger(&mut self, tag: Tag, command: Command, output: &mut Vec<u8>) -> Turn {
        if let State::NotAuthenticated(stranger) = &mut self.state {
            stranger.commands += 1;
            if stranger.commands > self.service.limits.stranger_commands_max {
                return self.bye(output, Some(Code::ClientBug), "Too many commands before login");
            }
        }
        let answer = match command {
            Command::Capability => self.tell_capabilities(output),
            Command::Noop => Tagged::ok("NOOP done"),
            Command::Logout => return self.log_out(tag, output),
            Command::Id(fields) => self.identify_stranger(&fields, output),
            Command::StartTls => return self.start_tls(tag),
            Command::Authenticate(authenticate) => return self.authenticate(tag, &authenticate, output),
            Command::Login(login) => return self.login(tag, &login, output),
            Command::Enable(_)
            | Command::Select(_)
            | Command::Examine(_)
            | Command::Create(_)
            | Command::Delete(_)
            | Command::Rename(_)
            | Command::Subscribe(_)
            | Command::Unsubscribe(_)
            | Command::List(_)
            | Command::Lsub(_)
            | Command::Namespace
            | Command::Status(_)
            | Command::GetQuota(_)
            | Command::GetQuotaRoot(_)
            | Command::Append(_)
            | Command::Idle
            | Command::Check
            | Command::Close
            | Command::Unselect
            | Command::Expunge
            | Command::UidExpunge(_)
            | Command::Search(_)
            | Command::Fetch(_)
            | Command::Store(_)
            | Command::Copy(_)
            | Command::Move(_) => Tagged::bad("Log in first"),
        };
        self.end(Finish::new(tag, answer))
    }

    fn command_of_user(&mut self, tag: Tag, command: Command, output: &mut Vec<u8>) -> Turn {
        let every = self.service.limits.refresh_millis;
        let State::Authenticated(user) = &mut self.state else { return Turn::Close };
        if !user.may_stay(self.now, every) {
            return self.show_out(output);
        }
        if bulk::takes_long(user, &command) {
            return self.pause(Running::Announced(Box::new(imap_proto::Tagged { tag, command })));
        }
        self.dispatch(tag, command, output)
    }

    /// Does what a user asks for, now that there is a place for it if it takes long.
    pub(crate) fn dispatch(&mut self, tag: Tag, command: Command, output: &mut Vec<u8>) -> Turn {
        let State::Authenticated(user) = &mut self.state else { return Turn::Close };
        let mut context = Context { service: &self.service, now: self.now, user, output };
        let answer = match command {
            Command::Capability => Ok(self.tell_capabilities(output)),
            Command::Noop => Ok(Tagged::ok("NOOP done")),
            Command::Check => context.selected().map(|_| Tagged::ok("CHECK done")),
            Command::Logout => return self.log_out(tag, output),
            Command::Id(fields) => id::run(&mut context, &fields),
            Command::Enable(names) => enable::run(&mut context, &names),
            Command::Select(select) => return self.select(tag, &select, select::Access::ReadWrite, output),
            Command::Examine(select) => return self.select(tag, &select, select::Access::ReadOnly, output),
            Command::Create(create) => create::run(&mut context, &create),
            Command::Delete(name) => return self.bulk(tag, output, |context| Work::delete(context, &name)),
            Command::Rename(rename) => rename::run(&mut context, &rename),
            Command::Subscribe(name) => subscribe::run(&mut context, &name, subscribe::Wish::Subscribed),
            Command::Unsubscribe(name) => subscribe::run(&mut context, &name, subscribe::Wish::Unsubscribed),
            Command::List(list) => list::run(&mut context, &list),
            Command::Lsub(lsub) => lsub::run(&mut context, &lsub),
            Command::Namespace => {
                context.encoder().namespace();
                Ok(Tagged::ok("NAMESPACE done"))
            }
            Command::Status(request) => status::run(&mut context, &request),
            Command::GetQuota(root) => quota::run(&mut context, &root),
            Command::GetQuotaRoot(name) => quota::root_of(&mut context, &name),
            Command::Append(append) => append::run(&mut context, append),
            Command::Idle => return self.begin_idle(tag, output),
            Command::Close => return self.bulk(tag, output, |context| Work::close(context, close::How::Expunge)),
            Command::Unselect => return self.bulk(tag, output, |context| Work::close(context, close::How::Keep)),
            Command::Expunge => return self.bulk(tag, output, |context| Work::expunge(context, None)),
            Command::UidExpunge(set) => return self.bulk(tag, output, |context| Work::expunge(context, Some(&set))),
            Command::Search(request) => match pending::begin(&mut context, &tag, Request::Search(request)) {
                Ok(running) => return self.run(running),
                Err(refusal) => Err(refusal),
            },
            Command::Fetch(request) => match pending::begin(&mut context, &tag, Request::Fetch(request)) {
                Ok(running) => return self.run(running),
                Err(refusal) => Err(refusal),
            },
            Command::Store(store) => return self.bulk(tag, output, |context| Work::store(context, store)),
            Command::Copy(transfer) => return self.bulk(tag, output, |context| Work::copy(context, &transfer)),
            Command::Move(transfer) => return self.bulk(tag, output, |context| Work::relocate(context, &transfer)),
            Command::StartTls | Command::Authenticate(_) | Command::Login(_) => Err(Tagged::bad("Already logged in")),
        };
        let answer = answer.unwrap_or_else(|refusal| refusal);
        self.end(Finish::new(tag, answer))
    }

    fn tell_capabilities(&self, output: &mut Vec<u8>) -> Tagged {
        let names = capability::names(self);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.encoder(output).capability(&names);
        Tagged::ok("CAPABILITY done")
    }

    /// RFC 9051 §6.1.3
    fn log_out(&mut self, tag: Tag, output: &mut Vec<u8>) -> Turn {
        self.encoder(output).bye(None, "Goodbye");
        self.running = None;
        if let State::Authenticated(user) = &mut self.state {
            user.selected = None;
        }
        self.end(Finish { then: Then::Close, ..Finish::new(tag, Tagged::ok("LOGOUT done")) })
    }

    /// Goes on with what `running` says once the output is sent.
    fn pause(&mut self, running: Running) -> Turn {
        self.active_at = self.now.monotonic_millis;
        self.running = Some(running);
        Turn::Flush
    }

    /// Goes on with what `running` says at the next turn.
    fn run(&mut self, running: Running) -> Turn {
        self.running = Some(running);
        Turn::Again
    }
}
