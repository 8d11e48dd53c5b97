//! Of whom the sender is told with the next report, and by which number that is known: if nobody could write down that it was told, it is
//! tried again with the same number and of the same recipients, whoever else came to be told of meanwhile.

use super::{Entry, Matter, Recipient};

impl Entry {
    /// Recipients of whom the sender is to be told something with the next report: those of one that was begun, if there is one.
    pub fn to_report(&self, matter: Matter) -> impl Iterator<Item = &Recipient> {
        self.places_to_report(matter).into_iter().filter_map(|place| self.recipients.get(place))
    }

    /// The number of a report that was begun, and may be with the sender.
    fn begun(&self, matter: Matter) -> Option<u32> {
        let of_matter = self.recipients.iter().filter(|recipient| recipient.to_report() == Some(matter));
        of_matter.filter_map(|recipient| recipient.telling).min()
    }

    /// The number of the next report: the same as often as it is tried.
    pub(crate) fn report_number(&self, matter: Matter) -> u32 {
        self.begun(matter).unwrap_or(self.attempts)
    }

    /// Whether others may come to be told of before a report is over that is not begun.
    pub(crate) fn may_grow(&self, matter: Matter) -> bool {
        self.begun(matter).is_none() && self.waiting().next().is_some()
    }

    /// The places of those of whom the next report is.
    pub(crate) fn places_to_report(&self, matter: Matter) -> Vec<usize> {
        let begun = self.begun(matter);
        let is_of_it = |recipient: &Recipient| {
            recipient.to_report() == Some(matter) && (begun.is_none() || recipient.telling == begun)
        };
        self.recipients.iter().enumerate().filter(|(_, one)| is_of_it(one)).map(|(place, _)| place).collect()
    }
}
