//! FILTER (RFC 5466): searches that are kept under a name, beside the server as RFC 5464 has it.

use super::metadata::{self, Values};
use super::no_numbers;
use crate::context::Context;
use crate::tagged::{ResultCode, Tagged};
use imap_proto::command::{Search, SearchKey};
use imap_proto::{Code, Limits};

/// Where they are: nobody but the account's owner sets any.
const VALUES: &str = "/private/filters/values/";
/// RFC 5466 §3.1: a filter may name another one so deep; what goes deeper, or round in circles, is as if it were not there.
const PASSES_MAX: usize = 3;
/// A search has at most so many keys after filters were put in: each may name others many times.
const KEYS_MAX: usize = 2000;
/// What is put in has at most so many octets: as many as the literals of a command.
const BYTES_MAX: usize = 64 * 1024;
/// As for commands.
const LIMITS: Limits = Limits::after_login(0);

/// RFC 5466 §3.2: what is kept as a filter is to be a search, whole and correct.
pub(super) fn check(entry: &str, value: &[u8]) -> Result<(), Tagged> {
    let Some(name) = entry.strip_prefix(VALUES) else { return Ok(()) };
    if name.contains('/') || !name.bytes().all(|byte| byte.is_ascii_graphic() && !b"(){\"\\]".contains(&byte)) {
        return Err(Tagged::refused(Code::Cannot, "A filter cannot have this name"));
    }
    match SearchKey::of_filter(value, &LIMITS) {
        Ok(_) => Ok(()),
        Err(reason) => Err(Tagged::refused(Code::Cannot, format!("This is no search: {reason}"))),
    }
}

/// The search with what its filters stand for.
pub(super) fn put_in(context: &Context<'_>, search: &mut Search) -> Result<(), Tagged> {
    Filters { context, known: None, keys: 0, bytes: 0 }.put_in(&mut search.key, PASSES_MAX)
}

/// Filters on their way into a search.
struct Filters<'c, 'u> {
    context: &'c Context<'u>,
    /// All that there are, once one is asked for.
    known: Option<Values>,
    keys: usize,
    bytes: usize,
}

impl Filters<'_, '_> {
    /// As deep as the parser lets keys be nested, times the passes.
    fn put_in(&mut self, key: &mut SearchKey, passes: usize) -> Result<(), Tagged> {
        self.keys += 1;
        match key {
            SearchKey::And(all) => all.iter_mut().try_for_each(|key| self.put_in(key, passes)),
            SearchKey::Or(one, other) => {
                self.put_in(one, passes)?;
                self.put_in(other, passes)
            }
            SearchKey::Not(key) | SearchKey::Fuzzy(key) => self.put_in(key, passes),
            SearchKey::Filter(name) => {
                let mut found = self.find(name, passes)?;
                self.put_in(&mut found, passes.saturating_sub(1))?;
                *key = found;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn find(&mut self, name: &str, passes: usize) -> Result<SearchKey, Tagged> {
        if self.keys > KEYS_MAX {
            return Err(Tagged::refused(Code::Limit, "The filters have too many keys"));
        }
        let known = match self.known.take() {
            Some(known) => known,
            None => metadata::beside_server(self.context)?,
        };
        let value = known.get(&format!("{VALUES}{name}")).filter(|_| passes > 0);
        self.bytes += value.map_or(0, Vec::len);
        if self.bytes > BYTES_MAX {
            return Err(Tagged::refused(Code::Limit, "The filters are too long together"));
        }
        let found = value.and_then(|value| SearchKey::of_filter(value, &LIMITS).ok());
        self.known = Some(known);
        match found {
            // RFC 9586 §3.2
            Some(key) if self.context.user.enabled.uid_only && key.counts_messages() => Err(no_numbers()),
            Some(key) => Ok(key),
            None => Err(Tagged::no("There is no such filter").with_code(ResultCode::UndefinedFilter(name.to_owned()))),
        }
    }
}
