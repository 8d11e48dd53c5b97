//! Who stands in line for a password to be verified, by name: somebody who shares an address with others (a household, all
//! users of a web mail) does not fill its line with one name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many logins of one user name from one address stand in line; less than the line holds of one address.
pub(crate) const PER_NAME_MAX: usize = 64;

/// How many stand there of each name.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<Mutex<HashMap<u128, usize>>>);

/// A login that stands in line, until it is dropped.
pub struct Standing {
    names: Names,
    name: u128,
}

impl Names {
    /// `name`: which user name, from which address. `None` when too many of it stand there already.
    pub(crate) fn stand(&self, name: u128) -> Option<Standing> {
        let mut counts = self.lock();
        let count = counts.entry(name).or_default();
        if *count >= PER_NAME_MAX {
            return None;
        }
        *count += 1;
        Some(Standing { names: self.clone(), name })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u128, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let mut counts = self.names.lock();
        if let Some(count) = counts.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_does_not_fill_the_line_of_its_address() {
        let names = Names::default();
        let mut standing: Vec<Standing> = (0..PER_NAME_MAX).map(|_| names.stand(1).unwrap()).collect();
        assert!(names.stand(1).is_none() && names.stand(2).is_some());
        standing.pop();
        assert!(names.stand(1).is_some());
        standing.clear();
        assert!(names.lock().is_empty(), "nothing is remembered of who has gone");
    }
}
