//! FILTER (RFC 5466): searches that are kept under a name, beside the server as RFC 5464 has it.

use super::metadata;
use crate::context::Context;
use crate::tagged::{ResultCode, Tagged};
use imap_proto::command::{Search, SearchKey};
use imap_proto::{Code, Limits};

/// Where they are: nobody but the account's owner sets any.
pub(super) const VALUES: &str = "/private/filters/values/";
/// RFC 5466 §3.1: a filter may name another one so deep; what goes deeper, or round in circles, is as if it were not there.
const PASSES_MAX: usize = 3;
/// A search has at most so many keys after filters were put in: each may name others many times.
const KEYS_MAX: usize = 2000;
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
    let mut keys = 0;
    replace(context, &mut search.key, PASSES_MAX, &mut keys)
}

/// As deep as the parser lets keys be nested, times the passes.
fn replace(context: &Context<'_>, key: &mut SearchKey, passes: usize, keys: &mut usize) -> Result<(), Tagged> {
    *keys += 1;
    match key {
        SearchKey::And(all) => all.iter_mut().try_for_each(|key| replace(context, key, passes, keys)),
        SearchKey::Or(one, other) => {
            replace(context, one, passes, keys)?;
            replace(context, other, passes, keys)
        }
        SearchKey::Not(key) | SearchKey::Fuzzy(key) => replace(context, key, passes, keys),
        SearchKey::Filter(name) => {
            let undefined = |name: &str| {
                Tagged::no("There is no such filter").with_code(ResultCode::UndefinedFilter(name.to_owned()))
            };
            if *keys > KEYS_MAX {
                return Err(Tagged::refused(Code::Limit, "The filters have too many keys"));
            }
            let passes = passes.checked_sub(1).ok_or_else(|| undefined(name))?;
            let value = metadata::filter_value(context, name)?.ok_or_else(|| undefined(name))?;
            let mut found = SearchKey::of_filter(&value, &LIMITS).map_err(|_| undefined(name))?;
            replace(context, &mut found, passes, keys)?;
            *key = found;
            Ok(())
        }
        _ => Ok(()),
    }
}
