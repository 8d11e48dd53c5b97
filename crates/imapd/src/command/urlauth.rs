//! RESETKEY, GENURLAUTH and URLFETCH (RFC 4467): addresses with which others fetch a message or a part of it. The owner of a
//! mailbox authorizes them, and takes them back with another key.

use super::{Answer, Begun};
use crate::context::Context;
use crate::fetch::Piece;
use crate::tagged::Tagged;
use crate::work::{Progress, Stop, Work};
use imap_proto::command::{ResetKey, ToAuthorize, UrlAuth};
use imap_proto::{AuthorizedUrl, Code, Limits, UrlAccess};
use session::OUTPUT_HIGH_WATER_BYTES;
use std::collections::VecDeque;
use store::{Account, AccountId, Body, Error, Uid};

/// The one mechanism that there is (RFC 4467 §2.4.1).
const INTERNAL: &str = "INTERNAL";
/// How a token begins: with which algorithm it was made.
const ALGORITHM: &str = "01";
/// A slice reads about so many octets.
const BYTES_PER_SLICE_MAX: usize = 4 * 1024 * 1024;
/// What it costs to look for a message, in octets read.
const LOOK_BYTES: usize = 4 * 1024;

pub(super) fn begin(context: &mut Context<'_>, asked: UrlAuth) -> Result<Begun, Tagged> {
    match asked {
        UrlAuth::ResetKey(reset) => reset_key(context, reset.as_ref()).map(Begun::from),
        UrlAuth::Generate(wanted) => generate(context, &wanted).map(Begun::from),
        UrlAuth::Fetch(urls) => Ok(Fetching { rest: urls.into(), current: None, known: None }.into()),
    }
}

/// RFC 4467 §7, RESETKEY.
fn reset_key(context: &mut Context<'_>, reset: Option<&ResetKey>) -> Answer {
    let Some(ResetKey { mailbox, mechanisms }) = reset else {
        context.user.account.reset_address_keys(None)?;
        return Ok(Tagged::ok("All keys are gone"));
    };
    if mechanisms.iter().any(|mechanism| mechanism != INTERNAL) {
        return Err(no_such_mechanism());
    }
    let mailbox = context.locate_own(mailbox)?.id;
    context.user.account.reset_address_keys(Some(mailbox))?;
    Ok(Tagged::ok("There is another key").with(Code::UrlMech))
}

/// RFC 4467 §7, GENURLAUTH.
fn generate(context: &mut Context<'_>, wanted: &[ToAuthorize]) -> Answer {
    let mut urls = Vec::with_capacity(wanted.len());
    for ToAuthorize { url, mechanism } in wanted {
        if mechanism != INTERNAL {
            return Err(no_such_mechanism());
        }
        let parsed = AuthorizedUrl::parse(url, &limits(context)).filter(|parsed| parsed.verifier.is_none());
        let parsed = parsed.ok_or_else(|| Tagged::bad("This is no address of a message that can be authorized"))?;
        if account_of(context, &parsed.user, parsed.host)? != Some(context.user.account.id()) {
            return Err(Tagged::bad("The address must name you as the owner of the mailbox"));
        }
        let place = context.mailboxes()?.by_name(parsed.mailbox.as_str()).map(|mailbox| mailbox.id);
        let place = place.ok_or_else(|| Tagged::bad("There is no such mailbox"))?;
        let proof = context.user.account.authorize_address(place, parsed.rump)?;
        urls.push(format!("{}:{INTERNAL}:{}", parsed.rump, token(&proof)));
    }
    context.encoder().gen_url_auth(&urls);
    Ok(Tagged::ok("GENURLAUTH done"))
}

fn no_such_mechanism() -> Tagged {
    Tagged::bad("There is no mechanism but INTERNAL")
}

fn limits(context: &Context<'_>) -> Limits {
    Limits::after_login(context.service.message_bytes_max)
}

/// RFC 4467 §3: in hexadecimal digits.
fn token(proof: &[u8; 32]) -> String {
    let digits = proof.iter().flat_map(|octet| [octet >> 4, octet & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    ALGORITHM.chars().chain(digits).collect()
}

/// What a token proves; `None` for what is none of ours.
fn proof(token: &str) -> Option<[u8; 32]> {
    let is_hex = |digits: &&str| digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let digits = token.strip_prefix(ALGORITHM).filter(is_hex)?;
    let mut proof = [0; 32];
    for (octet, at) in proof.iter_mut().zip((0..).step_by(2)) {
        *octet = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(proof)
}

/// Whose account a user of an address is: `alice@example.org`, or `alice` at the host `example.org`, or where one account alone
/// has that name. An account that has another name by now is meant by the one that it had, as long as that is an alias of it alone: else
/// what was authorized under it leads nowhere (RFC 4467 §7: NIL).
fn account_of(context: &Context<'_>, user: &str, host: &str) -> Result<Option<AccountId>, Error> {
    let directory = context.service.auth.directory();
    let at_host = if user.contains('@') { None } else { directory.whose(&format!("{user}@{host}"))? };
    let found = match at_host {
        Some(found) => Some(found),
        None => directory.whose(user)?,
    };
    Ok(found.filter(|(_, record)| !record.disabled).map(|(id, _)| id))
}

/// A URLFETCH (RFC 4467 §7) on its way.
struct Fetching {
    rest: VecDeque<String>,
    /// What is being told.
    current: Option<Telling>,
    /// The large message that was read last.
    known: Option<Body>,
}

struct Telling {
    url: String,
    piece: Piece,
    /// The octets that were announced and are not told yet; `None` before that.
    left: Option<usize>,
}

impl Work for Fetching {
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        let mut budget = BYTES_PER_SLICE_MAX;
        while budget > 0 && context.output.len() < OUTPUT_HIGH_WATER_BYTES {
            if let Some(telling) = self.current.take() {
                self.go_on(context, telling, &mut budget)?;
                continue;
            }
            let Some(url) = self.rest.pop_front() else { return Ok(Progress::Done(Tagged::ok("URLFETCH done"))) };
            budget = budget.saturating_sub(LOOK_BYTES);
            match open(context, &url, &mut self.known)? {
                Some(piece) => self.current = Some(Telling { url, piece, left: None }),
                None => context.encoder().url_fetch(&url, None),
            }
        }
        Ok(Progress::More)
    }

    /// Messages may be large, and any.
    fn takes_long(&self) -> bool {
        true
    }

    fn may_be_in_literal(&self) -> bool {
        self.current.as_ref().is_some_and(|telling| telling.left.is_some())
    }
}

impl Fetching {
    fn go_on(&mut self, context: &mut Context<'_>, mut telling: Telling, budget: &mut usize) -> Result<(), Stop> {
        let Some(left) = telling.left else {
            match telling.piece.prepare(budget)? {
                None => self.current = Some(telling),
                // RFC 4467 §7: the address is right, and there is nothing at it.
                Some(None) => {
                    context.encoder().url_fetch(&telling.url, Some(0));
                    context.encoder().end_url_fetch();
                }
                Some(Some(octets)) => {
                    context.encoder().url_fetch(&telling.url, Some(octets as u64));
                    self.current = Some(Telling { left: Some(octets), ..telling });
                }
            }
            return Ok(());
        };
        if left == 0 {
            context.encoder().end_url_fetch();
            self.known = telling.piece.into_known();
            return Ok(());
        }
        // Logged by the store.
        let octets = telling.piece.next(OUTPUT_HIGH_WATER_BYTES).map_err(|_| Stop::Broken)?;
        if octets.is_empty() || octets.len() > left {
            return Err(Stop::Broken);
        }
        *budget = budget.saturating_sub(octets.len());
        context.output.extend_from_slice(&octets);
        self.current = Some(Telling { left: Some(left - octets.len()), ..telling });
        Ok(())
    }
}

/// What an address leads to; `None` where it leads nowhere, or whoever asks may not have it.
fn open(context: &Context<'_>, url: &str, known: &mut Option<Body>) -> Result<Option<Piece>, Error> {
    let limits = limits(context);
    let Some(url) = AuthorizedUrl::parse(url, &limits) else { return Ok(None) };
    let verifier = url.verifier.filter(|verifier| verifier.mechanism.eq_ignore_ascii_case(INTERNAL));
    let Some(proof) = verifier.and_then(|verifier| proof(verifier.token)) else { return Ok(None) };
    let Some(owner) = account_of(context, &url.user, url.host)? else { return Ok(None) };
    let account = context.service.auth.store().account(owner);
    match of_account(context, &account, &url, &proof, known) {
        Err(Error::NoSuchMailbox | Error::NoSuchAccount) => Ok(None),
        other => other,
    }
}

fn of_account(
    context: &Context<'_>,
    account: &Account,
    url: &AuthorizedUrl<'_>,
    proof: &[u8; 32],
    known: &mut Option<Body>,
) -> Result<Option<Piece>, Error> {
    let place = account.mailboxes()?.by_name(url.mailbox.as_str()).map(|mailbox| mailbox.id);
    // RFC 4467 §3: to the last second.
    let counts = url.expires_at.is_none_or(|at| context.now.unix_millis <= at.saturating_mul(1000));
    if !account.is_authorized(place, url.rump, proof)? || !counts || !may_ask(context, url)? {
        return Ok(None);
    }
    let view = account.view(place.ok_or(Error::NoSuchMailbox)?)?;
    let is_other = url.message.uid_validity.is_some_and(|validity| validity != view.mailbox().uid_validity.0);
    let Some(entry) = view.index().find(Uid(url.message.uid)).copied().filter(|_| !is_other) else { return Ok(None) };
    match Piece::open(&account.reader()?, entry, url.message.section.clone(), known) {
        Err(Error::NoSuchMessage) => Ok(None),
        piece => piece.map(Some),
    }
}

/// RFC 4467 §3: whether the access identifier lets this session in.
fn may_ask(context: &Context<'_>, url: &AuthorizedUrl<'_>) -> Result<bool, Error> {
    Ok(match &url.access {
        // Whoever is here has logged in.
        UrlAccess::AuthUser | UrlAccess::Anonymous => true,
        UrlAccess::User(user) => account_of(context, user, url.host)? == Some(context.user.account.id()),
        // No session is that of a server that takes mail.
        UrlAccess::Submit(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let octets: [u8; 32] = std::array::from_fn(|n| (n * 9) as u8);
        let written = token(&octets);
        assert_eq!((proof(&written), written.len()), (Some(octets), 66));
        assert_eq!(proof(&written.to_uppercase()), Some(octets));
        for wrong in ["", "01", &written[..65], &format!("{written}0"), &format!("02{}", &written[2..])] {
            assert_eq!(proof(wrong), None, "{wrong}");
        }
        assert_eq!(proof(&format!("01{}", "\u{fc}".repeat(32))), None);
        assert_eq!(proof(&format!("01+f{}", "00".repeat(31))), None, "a sign is no digit");
    }
}
