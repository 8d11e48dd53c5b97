//! A post that was taken goes to each member, in the background.
//!
//! It goes in pieces: what goes elsewhere of a piece is one commit of the queue, what stays here one of each account, and then it is
//! noted who is left. Each copy has a receipt: what a crash in between doubles is found by it. A member that cannot be served now
//! holds up nobody: it is tried again, for as long as a sender would.
//!
//! Where several servers have one storage, the one that leads does it: each piece begins with a look whether it still does, and what goes
//! elsewhere, and the note of who is left, are commits that compare its term. So receipts of a piece that another server repeats are
//! there as long as it may.

use super::form::{self, Author};
use super::letters;
use super::{bounces_to, share};
use crate::arrival::{Arrival, Envelope, Source, transmission_type};
use crate::flow::MailFlow;
use crate::inbound::Put;
use crate::junk::Letter;
use crate::outcome::{Got, RecipientOutcome};
use crate::outgoing::Top;
use crate::route::Recipient;
use directory::{List, Member, Whose};
use message::content::Content;
use message::trace;
use posts::{Goes, Going, Post, Stage};
use queue::{NewEntry, TlsWish};
use smtp_proto::{ForwardPath, RcptReports};
use std::sync::Arc;
use store::{AccountId, Claim, Error, Handover, Place, Protocol, Timestamp};
use tracing::{error, info, warn};

/// So many members are served before it is noted who is left.
const PIECE_MEMBERS_MAX: usize = 50;
/// Copies of a piece have so many octets at most, unless one alone has more: they are in memory, and one commit.
const PIECE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Who could not be served is tried again so much later; each time twice as much, and an hour at most.
const AGAIN_MILLIS: i64 = 60 * 1000;
/// A post that could not be handed on is tried again at the latest after so long.
const AGAIN_MILLIS_MAX: i64 = 60 * 60 * 1000;
/// So often, which takes five days (RFC 5321 §4.5.4.1); how old a post is says nothing, because it may have waited for an owner.
const TRIED_MAX: u32 = 125;
/// What fails is given up when it is so old: a week in which it may wait for an owner, and five days.
const FAILS_MILLIS_MAX: i64 = 12 * 24 * 60 * 60 * 1000;

/// One post, for whoever gets it.
struct Round<'a> {
    list: &'a List,
    post: &'a Post,
    /// The same for all.
    message: Vec<u8>,
    /// The same where it leaves, if it differs: with a header in ASCII, or every host without SMTPUTF8 (RFC 6531) would refuse it.
    outside: Option<Vec<u8>>,
    now: Timestamp,
}

impl MailFlow {
    /// Hands posts of lists to their members, those that are due, as long as `is_stopping` says no. Gives when it is to be called
    /// again, at the latest; after a change of the posts at once ([`MailFlow::posts`]). To be called by one thread at a time.
    ///
    /// # Errors
    /// Faults.
    pub fn distribute(&self, now: Timestamp, is_stopping: &dyn Fn() -> bool) -> Result<Option<Timestamp>, Error> {
        for (id, why) in self.posts.set_aside()? {
            error!(id = id.0, why, "a post was set aside: it goes to nobody");
        }
        for post in self.posts.due(now)? {
            if is_stopping() {
                break;
            }
            self.posts.must_lead()?;
            let done = match &post.stage {
                Stage::Going(going) => self.hand_on(&post, going, now, is_stopping),
                Stage::Held(held) => self.ask_owners(&post, held, now),
                Stage::Refused { is_over } => self.tell_author(&post, *is_over, now),
            };
            let Err(error) = done else { continue };
            self.posts.must_lead()?;
            if now.0.saturating_sub(post.at_millis) > FAILS_MILLIS_MAX {
                error!(id = post.way.name, list = post.list, %error, "a post cannot be handed on, and is given up");
                self.lost(&post, now)?;
            } else {
                error!(id = post.way.name, list = post.list, %error, "a post cannot be handed on; it is tried again");
                self.posts.again(post.id, Timestamp(now.0 + AGAIN_MILLIS_MAX))?;
            }
        }
        self.posts.next_at()
    }

    fn hand_on(
        &self,
        post: &Post,
        Going { to, tried }: &Going,
        now: Timestamp,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        let Some(content) = self.posts.content(post)? else { return self.lost(post, now) };
        let list = self.auth.directory().list(&post.list)?;
        let (Some(list), Some(author)) = (list, Author::of(&content)) else {
            info!(id = post.way.name, list = post.list, "post for nobody");
            return self.posts.left(post.id, Vec::new());
        };
        let message = form::message(&list, &author, &content, post.keeps_author);
        let outside = message::surrogate::message(&message);
        let round = Round { list: &list, post, message, outside, now };
        let mut left = to.clone().unwrap_or_else(|| list.members.iter().map(|member| goes(&member.whose)).collect());
        let at_once = (PIECE_BYTES_MAX / round.message.len().max(1)).clamp(1, PIECE_MEMBERS_MAX);
        let mut later = Vec::new();
        while !left.is_empty() {
            if is_stopping() {
                return Ok(());
            }
            // What goes to accounts here is no part of the commit that notes it.
            self.posts.must_lead()?;
            let rest = left.split_off(at_once.min(left.len()));
            let (not_served, claims) = self.serve(&round, &left);
            later.extend(not_served);
            left = rest;
            if !left.is_empty() {
                self.posts.left(post.id, [later.as_slice(), &left].concat())?;
                claims.into_iter().for_each(Claim::answered);
                continue;
            }
            if *tried >= TRIED_MAX {
                self.give_up(&round, std::mem::take(&mut later));
            }
            let wait = AGAIN_MILLIS.saturating_mul(1 << (*tried).min(10)).min(AGAIN_MILLIS_MAX);
            self.posts.left(post.id, later.clone())?;
            claims.into_iter().for_each(Claim::answered);
            if !later.is_empty() {
                self.posts.again(post.id, Timestamp(now.0 + wait))?;
            }
        }
        Ok(())
    }

    /// Serves some members: who is to be tried again, and the receipts of the others.
    fn serve(&self, round: &Round<'_>, to: &[Goes]) -> (Vec<Goes>, Vec<Claim>) {
        let (mut later, mut claims) = (Vec::new(), Vec::new());
        let mut outside = Vec::new();
        for goes in to {
            // Who left meanwhile, or is paused, gets nothing.
            let is_it = |member: &&Member| self::goes(&member.whose) == *goes && !member.is_paused();
            let Some(member) = round.list.members.iter().find(is_it) else { continue };
            match &member.whose {
                Whose::Outside(address) => outside.push((member, address.as_str())),
                Whose::Account(account) => {
                    let (outcome, claim) = self.copy_here(round, member, *account);
                    claims.extend(claim);
                    if is_for_later(outcome) {
                        later.push(goes.clone());
                    }
                }
            }
        }
        match self.copies_outside(round, &outside) {
            Ok(sent) => claims.extend(sent),
            Err(error) => {
                warn!(id = round.post.way.name, list = round.list.address, %error, "not distributed to all yet");
                later.extend(outside.iter().map(|(member, _)| goes(&member.whose)));
            }
        }
        (later, claims)
    }

    fn copy_here(&self, round: &Round<'_>, member: &Member, account: AccountId) -> Got {
        let (list, post) = (round.list, round.post);
        let directory = self.auth.directory();
        let is_here = directory
            .account_by_id(account)
            .and_then(|found| Ok(found.is_some() && directory.goes_at(account)?.is_none()));
        match is_here {
            Ok(true) => {}
            // It went just now, and its membership with it; or it is to go, and what it took would be thrown away.
            Ok(false) => return (RecipientOutcome::Delivered, Vec::new()),
            Err(error) => return (RecipientOutcome::from(&error), Vec::new()),
        }
        let token = self.auth.directory().list_token(list, member);
        let envelope = Envelope::new(bounces_to(list, &token), source(post));
        let copy = Arrival {
            id: post.way.name.clone(),
            from: envelope.from(),
            envelope,
            content: Arc::default(),
            handover: handover(round, b"here"),
            account: None,
            sender: None,
            opinion: None,
        };
        let recipient = Recipient {
            address: list.address.clone(),
            accounts: vec![account],
            onward: None,
            list: None,
            reports: RcptReports::default(),
        };
        let put = Put { place: Place::Inbox, results: post.way.results.clone().into_bytes(), now: round.now };
        let mut content = Arc::new(self.copy(round, &round.message, &token));
        let got = self.receive(&copy, &Letter::default(), (account, &recipient), &mut content, &put);
        if got.0 == RecipientOutcome::OverQuota
            && let Err(error) = self.count_bounce(list, &token, "the mailbox is full", round.now)
        {
            return (RecipientOutcome::from(&error), got.1);
        }
        got
    }

    /// What goes elsewhere, in one commit.
    fn copies_outside(&self, round: &Round<'_>, members: &[(&Member, &str)]) -> Result<Vec<Claim>, queue::Error> {
        let Some(queue) = self.queue.as_ref().filter(|_| !members.is_empty()) else { return Ok(Vec::new()) };
        // Whose bounces come back does not matter.
        let from = bounces_to(round.list, "");
        let mut entries = Vec::new();
        for (member, address) in members {
            let path = address.parse().map(ForwardPath::Mailbox).ok();
            let path = path.filter(|path| self.closed(&from, path).is_none());
            match path {
                Some(path) => entries.push(self.copy_outside(round, member, path)?),
                None => {
                    let (id, list) = (&round.post.way.name, &round.list.address);
                    warn!(id, list, to = address, "not sent to a member, because no way leads there");
                }
            }
        }
        let sent = queue.enqueue_all(&entries, round.now)?;
        Ok(sent.into_iter().filter_map(|sent| sent.claim).collect())
    }

    fn copy_outside(&self, round: &Round<'_>, member: &Member, path: ForwardPath) -> Result<NewEntry, queue::Error> {
        let (list, token) = (round.list, self.auth.directory().list_token(round.list, member));
        let content = self.copy(round, round.outside.as_ref().unwrap_or(&round.message), &token);
        let smtputf8 = !path.to_string().is_ascii();
        let handover = handover(round, path.to_string().as_bytes());
        let trace = [trace::delivered_to(&list.address), self.trace_of(round)].concat();
        let entry = |content| NewEntry {
            name: Some(round.post.way.name.clone()),
            smtputf8,
            account: Some(share(list)),
            handover: Some(handover),
            // RFC 8689 §4.2.1: what has to stay protected does so on its way to members, too.
            tls: if round.post.requires_tls { TlsWish::Required } else { TlsWish::Usual },
            ..NewEntry::new(bounces_to(list, &token), vec![path.into()], content)
        };
        self.ready_to_go(Arc::new(content), Top::signed_by_list(trace), entry)
    }

    fn trace_of(&self, round: &Round<'_>) -> Vec<u8> {
        let envelope = Envelope::new(smtp_proto::ReversePath::Null, source(round.post));
        let arrival = Arrival {
            id: round.post.way.name.clone(),
            from: String::new(),
            envelope,
            content: Arc::default(),
            handover: handover(round, b""),
            account: None,
            sender: None,
            opinion: None,
        };
        arrival.received(&self.hostname, None, Timestamp(round.post.at_millis))
    }

    fn copy(&self, round: &Round<'_>, message: &[u8], token: &str) -> Content {
        let way_out = form::way_out(round.list, token, self.pages.as_deref());
        Content::new([way_out.as_bytes(), message].concat())
    }

    /// A post whose message cannot be read any more goes to nobody; those who look after the list are told.
    pub(super) fn lost(&self, post: &Post, now: Timestamp) -> Result<(), Error> {
        warn!(id = post.way.name, list = post.list, "a post is lost");
        if let Some(list) = self.auth.directory().list(&post.list)? {
            self.write_to_owners(&list, now, |to| letters::lost(&list, to, post, &self.hostname, now));
        }
        self.posts.remove(post.id)
    }

    /// They were tried for days. It is this server's fault, and counts against none of them.
    fn give_up(&self, round: &Round<'_>, members: Vec<Goes>) {
        if members.is_empty() {
            return;
        }
        let named = |goes: &Goes| match goes {
            Goes::Outside(address) => Some(address.clone()),
            Goes::Account(id) => {
                self.auth.directory().account_by_id(AccountId(*id)).ok().flatten().map(|info| info.address)
            }
        };
        let names: Vec<String> = members.iter().filter_map(named).collect();
        warn!(id = round.post.way.name, list = round.list.address, members = names.len(), "not distributed to all");
        self.write_to_owners(round.list, round.now, |to| {
            letters::not_distributed(round.list, (to, &round.post.author), &names, &self.hostname, round.now)
        });
    }
}

/// Whoever a member is.
pub(super) fn goes(whose: &Whose) -> Goes {
    match whose {
        Whose::Account(id) => Goes::Account(id.0),
        Whose::Outside(address) => Goes::Outside(address.clone()),
    }
}

/// Whether a member is to be tried again. What is about the message itself will be the same the next time.
fn is_for_later(outcome: RecipientOutcome) -> bool {
    match outcome {
        RecipientOutcome::NoSpace
        | RecipientOutcome::ReadOnly
        | RecipientOutcome::Unavailable
        | RecipientOutcome::Fault
        | RecipientOutcome::ListBusy
        | RecipientOutcome::SenderUnknown
        | RecipientOutcome::PutOff => true,
        // A full mailbox is counted against the member.
        RecipientOutcome::Delivered
        | RecipientOutcome::OverQuota
        | RecipientOutcome::SenderRefused
        | RecipientOutcome::HostRefused
        | RecipientOutcome::ContentRefused
        | RecipientOutcome::List(_)
        | RecipientOutcome::Loop
        | RecipientOutcome::Nul => false,
    }
}

/// A copy is the same when it is made again. Its receipt is of now: of the time of a post that has waited for an owner it would be too
/// old to count (`store::receipt`).
fn handover(round: &Round<'_>, to: &[u8]) -> Handover {
    let (list, way) = (round.list, &round.post.way);
    Handover::new(&[b"list", list.address.as_bytes(), to, &way.digest], round.now, way.serial)
}

fn source(post: &Post) -> Source {
    let way = &post.way;
    Source {
        protocol: Protocol::Server,
        helo: way.helo.clone(),
        client: way.client,
        with: transmission_type(&way.with),
        tls: way.tls.clone(),
        by_relay: false,
    }
}
