//! What a client can ask for: one file per command, the table of what each needs, and a dispatcher that only dispatches.
//!
//! What is over at once is a function of the [`Context`]; what goes on is a value that does [`Work`]; what is about the
//! connection itself (TLS, logging in and out, IDLE) is a function of the [`ImapSession`].

mod acl;
mod announced;
mod append;
mod authenticate;
mod cancel_update;
mod catenate;
mod close;
mod compress;
mod copy;
mod create;
mod crossing;
mod delete;
mod enable;
mod expunge;
mod fetch;
mod filter;
mod id;
mod idle;
mod in_turn;
mod languages;
mod list;
mod login;
mod look_first;
mod lsub;
mod metadata;
mod multisearch;
mod notify;
mod quota;
mod relocate;
mod rename;
mod replace;
mod search;
mod select;
mod sort;
mod starttls;
mod status;
mod store;
mod subscribe;
mod thread;
mod uid_batches;
mod unauthenticate;
mod urlauth;
mod within;
mod xlist;

use crate::connection::{FIRST_PROGRESS_MILLIS, ImapSession, Turn};
use crate::context::Context;
use crate::state::{Finish, Running, State, Then};
use crate::sync::News;
use crate::tagged::Tagged;
use crate::upload::Upload;
use crate::work::Work;
use ::store::Rights;
use close::How;
use imap_proto::command::Select;
use imap_proto::{Code, Command, Tag};
use select::Access;
pub(crate) use store::flags;
use subscribe::Wish::{Subscribed, Unsubscribed};

/// How a command that does not run on ends: done, or refused.
pub(crate) type Answer = Result<Tagged, Tagged>;

/// What comes of a command at once.
pub(crate) enum Begun {
    /// It is over.
    Over(Tagged),
    /// It goes on.
    Works(Box<dyn Work>),
}

impl From<Tagged> for Begun {
    fn from(answer: Tagged) -> Self {
        Self::Over(answer)
    }
}

impl<W: Work + 'static> From<W> for Begun {
    fn from(work: W) -> Self {
        Self::Works(Box::new(work))
    }
}

/// What must be there for a command to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    Nothing,
    NoLogin,
    Login,
    /// A mailbox is selected.
    Selected,
    /// A mailbox is selected that may be changed.
    Writable,
}

/// RFC 9051 §3, §6: in which states a command is allowed.
fn needs(command: &Command) -> Needs {
    match command {
        Command::Capability | Command::Noop | Command::Logout | Command::Id(_) | Command::Language(_) => Needs::Nothing,
        Command::StartTls | Command::Authenticate(_) | Command::Login(_) => Needs::NoLogin,
        Command::Compress
        | Command::Unauthenticate
        | Command::Comparator(_)
        | Command::Enable(_)
        | Command::Select(_)
        | Command::Examine(_)
        | Command::Create(_)
        | Command::Delete(_)
        | Command::Rename(_)
        | Command::Subscribe(_)
        | Command::Unsubscribe(_)
        | Command::List(_)
        | Command::Lsub(_)
        | Command::Xlist(_)
        | Command::Namespace
        | Command::Status(_)
        | Command::GetQuota(_)
        | Command::GetQuotaRoot(_)
        | Command::GetMetadata(_)
        | Command::SetMetadata(_)
        | Command::SetQuota(_)
        | Command::Acl(_)
        | Command::UrlAuth(_)
        | Command::Append(_)
        | Command::Notify(_)
        // RFC 7377 §2.2: unless it asks for the selected mailbox, which it finds out itself.
        | Command::MultiSearch(_)
        | Command::Idle => Needs::Login,
        Command::Check
        | Command::Close
        | Command::Unselect
        | Command::CancelUpdate(_)
        | Command::UidBatches(_)
        | Command::Search(_)
        | Command::Sort(_)
        | Command::Thread(_)
        | Command::Fetch(_)
        | Command::Copy(_) => Needs::Selected,
        Command::Expunge | Command::UidExpunge(_) | Command::Store(_) | Command::Move(_) | Command::Replace(_) => {
            Needs::Writable
        }
    }
}

/// What the end of a command tells that cannot begin.
fn news_after(command: &Command) -> News {
    match command {
        Command::Fetch(fetch) => News::after(fetch.numbering),
        Command::Search(search) => News::after(search.numbering),
        Command::MultiSearch(multi) => News::after(multi.search.numbering),
        Command::Sort(sort) => News::after(sort.search.numbering),
        Command::Thread(thread) => News::after(thread.search.numbering),
        Command::Store(store) => News::after(store.numbering),
        _ => News::default(),
    }
}

impl ImapSession {
    /// Begins a command.
    pub(crate) fn command(&mut self, tagged: imap_proto::Tagged, output: &mut Vec<u8>) -> Turn {
        let imap_proto::Tagged { tag, command } = tagged;
        self.note_begun(&command);
        let upload = self.upload.take().map(|upload| *upload);
        match &mut self.state {
            State::NotAuthenticated(stranger) => {
                stranger.commands += 1;
                if stranger.commands > self.service.limits.stranger_commands_max {
                    return self.bye(output, Some(Code::ClientBug), "Too many commands before login");
                }
            }
            State::Authenticated(user) => {
                if !user.may_stay(self.now, self.service.limits.refresh_millis) {
                    return self.show_out(output);
                }
                // RFC 9586 §3.2
                if user.enabled.uid_only && command.counts_messages() {
                    return self.end(Finish::new(tag, no_numbers()));
                }
                if upload.is_none() && announced::takes_long(user, &command) {
                    return self.pause(Running::Announced(Box::new(imap_proto::Tagged { tag, command })));
                }
            }
            State::Logout => return Turn::Close,
        }
        if let Command::Store(store) = &command
            && let Some(turn) = self.stores(&tag, store, output)
        {
            return turn;
        }
        let command = match command {
            Command::Append(append) if upload.is_none() => match self.appends(&tag, append, output) {
                Ok(turn) => return turn,
                Err(append) => Command::Append(*append),
            },
            other => other,
        };
        self.dispatch(tag, command, upload, output)
    }

    /// Does what is asked for, now that there is a place for it if it takes long.
    pub(crate) fn dispatch(
        &mut self,
        tag: Tag,
        command: Command,
        upload: Option<Upload>,
        output: &mut Vec<u8>,
    ) -> Turn {
        let (needs, news) = (needs(&command), news_after(&command));
        if let Some(refusal) = self.lacks(needs).or_else(|| self.shuts_out(&command)) {
            return self.refuse(tag, refusal, news);
        }
        let begun = match command {
            Command::Capability => Ok(self.tell_capabilities(output).into()),
            Command::Noop => Ok(Tagged::ok("NOOP done").into()),
            Command::Check => Ok(Tagged::ok("CHECK done").into()),
            Command::Id(fields) => Ok(self.identify(&fields, output).into()),
            Command::Language(ranges) => self.language(&ranges, output).map(Begun::from),
            Command::Comparator(orders) => self.ask(output, |context| languages::comparator(context, &orders)),
            Command::Logout => return self.log_out(tag, output),
            Command::StartTls => return self.start_tls(tag),
            Command::Authenticate(authenticate) => return self.authenticate(tag, &authenticate, output),
            Command::Login(login) => return self.login(tag, &login, output),
            Command::Idle => return self.begin_idle(tag, output),
            Command::Compress => return self.compress(tag),
            Command::Unauthenticate => return self.unauthenticate(tag),
            Command::Enable(names) => self.ask(output, |context| enable::run(context, &names)),
            Command::Select(select) => self.select(&select, Access::ReadWrite, output),
            Command::Examine(select) => self.select(&select, Access::ReadOnly, output),
            Command::Create(create) => self.ask(output, |context| create::run(context, &create)),
            Command::Delete(name) => self.ask(output, |context| delete::begin(context, &name)),
            Command::Rename(rename) => self.ask(output, |context| rename::run(context, &rename)),
            Command::Subscribe(name) => self.ask(output, |context| subscribe::run(context, &name, Subscribed)),
            Command::Unsubscribe(name) => self.ask(output, |context| subscribe::run(context, &name, Unsubscribed)),
            Command::List(list) => self.ask(output, |context| list::run(context, &list)),
            Command::Lsub(lsub) => self.ask(output, |context| lsub::run(context, &lsub)),
            Command::Xlist(xlist) => self.ask(output, |context| xlist::run(context, &xlist)),
            Command::Namespace => self.ask(output, list::namespace),
            Command::Status(request) => self.ask(output, |context| status::run(context, &request)),
            Command::GetQuota(root) => self.ask(output, |context| quota::run(context, &root)),
            Command::GetQuotaRoot(name) => self.ask(output, |context| quota::root_of(context, &name)),
            Command::GetMetadata(request) => self.ask(output, |context| metadata::get(context, &request)),
            Command::SetMetadata(request) => self.ask(output, |context| metadata::set(context, request)),
            Command::SetQuota(request) => self.ask(output, |context| quota::set(context, &request)),
            Command::Notify(request) => {
                let waker = self.peer.waker.clone();
                self.ask(output, |context| notify::run(context, request, waker))
            }
            Command::Acl(asked) => self.ask(output, |context| acl::run(context, &asked)),
            Command::UrlAuth(asked) => self.ask(output, |context| urlauth::begin(context, asked)),
            Command::Append(append) => self.ask(output, |context| append::begin(context, append, upload)),
            Command::Replace(replace) => self.ask(output, |context| replace::begin(context, *replace, upload)),
            Command::Close => self.ask(output, |context| close::begin(context, How::Expunge)),
            Command::Unselect => self.ask(output, |context| close::begin(context, How::Keep)),
            Command::Expunge => self.ask(output, |context| expunge::begin(context, None)),
            Command::UidExpunge(set) => self.ask(output, |context| expunge::begin(context, Some(&set))),
            Command::UidBatches(request) => self.ask(output, |context| uid_batches::run(context, &tag, &request)),
            Command::Search(request) => self.ask(output, |context| search::begin(context, tag.clone(), request)),
            Command::MultiSearch(multi) => self.ask(output, |context| multisearch::begin(context, tag.clone(), multi)),
            Command::CancelUpdate(tags) => self.ask(output, |context| cancel_update::run(context, &tags)),
            Command::Sort(request) => self.ask(output, |context| sort::begin(context, tag.clone(), request)),
            Command::Thread(request) => self.ask(output, |context| thread::begin(context, tag.clone(), request)),
            Command::Fetch(request) => self.ask(output, |context| fetch::begin(context, request)),
            Command::Store(store) => self.ask(output, |context| store::begin(context, store)),
            Command::Copy(transfer) => self.ask(output, |context| copy::begin(context, &transfer)),
            Command::Move(transfer) => self.ask(output, |context| relocate::begin(context, &transfer)),
        };
        self.began(tag, begun, news)
    }

    /// Goes on with what came of the beginning of a command.
    fn began(&mut self, tag: Tag, begun: Result<Begun, Tagged>, news: News) -> Turn {
        match begun {
            Ok(Begun::Over(answer)) => self.end(Finish::new(tag, answer)),
            Ok(Begun::Works(work)) => {
                let takes_long = work.takes_long();
                let tell_at = self.now.monotonic_millis.saturating_add(FIRST_PROGRESS_MILLIS);
                let running = Running::Work(tag, work, tell_at);
                if takes_long { self.pause(running) } else { self.go_on(running) }
            }
            Err(refusal) => self.refuse(tag, refusal, news),
        }
    }

    /// Why a command cannot begin that needs this.
    fn lacks(&mut self, needs: Needs) -> Option<Tagged> {
        match (&mut self.state, needs) {
            (State::NotAuthenticated(_) | State::Logout, Needs::Nothing | Needs::NoLogin) => None,
            (State::NotAuthenticated(_) | State::Logout, Needs::Login | Needs::Selected | Needs::Writable) => {
                Some(log_in_first())
            }
            (State::Authenticated(_), Needs::Nothing | Needs::Login) => None,
            (State::Authenticated(_), Needs::NoLogin) => Some(Tagged::bad("Already logged in")),
            (State::Authenticated(user), Needs::Selected) => user.selected().err(),
            (State::Authenticated(user), Needs::Writable) => user.writable().err(),
        }
    }

    /// Why a command cannot begin in a mailbox of somebody else's that is selected: it is not shared any more. That all messages
    /// are gone is told as soon as it may be.
    fn shuts_out(&self, command: &Command) -> Option<Tagged> {
        let State::Authenticated(user) = &self.state else { return None };
        let selected = user.selected.as_ref().filter(|selected| selected.shared.is_some())?;
        let reads = matches!(needs(command), Needs::Selected | Needs::Writable)
            && !matches!(command, Command::Close | Command::Unselect | Command::Check);
        let refusal = || Tagged::refused(Code::NonExistent, "The selected mailbox is not shared any more");
        (reads && !selected.rights().has(Rights::READ)).then(refusal)
    }

    /// Begins a command of a user.
    fn ask<B: Into<Begun>>(
        &mut self,
        output: &mut Vec<u8>,
        begin: impl FnOnce(&mut Context<'_>) -> Result<B, Tagged>,
    ) -> Result<Begun, Tagged> {
        let State::Authenticated(user) = &mut self.state else { return Err(log_in_first()) };
        begin(&mut Context { service: &self.service, now: self.now, user, output }).map(Into::into)
    }

    fn select(&mut self, select: &Select, access: Access, output: &mut Vec<u8>) -> Result<Begun, Tagged> {
        let waker = self.peer.waker.clone();
        self.ask(output, |context| select::begin(context, select, access, waker))
    }

    fn refuse(&mut self, tag: Tag, refusal: Tagged, news: News) -> Turn {
        self.end(Finish { news: Some(news), ..Finish::new(tag, refusal) })
    }

    fn tell_capabilities(&self, output: &mut Vec<u8>) -> Tagged {
        let names = self.capabilities();
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
}

fn no_numbers() -> Tagged {
    Tagged::bad("Messages have no numbers once UIDONLY is on").with(Code::UidRequired)
}

fn log_in_first() -> Tagged {
    Tagged::bad("Log in first")
}
