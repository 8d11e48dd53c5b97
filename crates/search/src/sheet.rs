//! What is known of messages to compare them by: some numbers for each, and the texts that numbers may stand for.
//!
//! A sheet is a value. What was read once of a message stays true, because messages never change: a sheet is never out of
//! date, it only lacks some.

use std::collections::HashMap;
use store::EmailId;

/// Of messages.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    /// Ascending.
    emails: Vec<u64>,
    /// Where the numbers of each end.
    ends: Vec<u32>,
    numbers: Vec<u64>,
    /// Where there are any, numbers are positions among them.
    texts: Texts,
}

/// Texts, each once and in their order: what is compared by a text is compared by its position.
#[derive(Debug, Default)]
struct Texts {
    octets: Vec<u8>,
    ends: Vec<u32>,
}

/// What comes to a sheet.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// With where the numbers of each begin.
    emails: Vec<(u64, u32)>,
    numbers: Vec<u64>,
    texts: HashMap<Box<[u8]>, u32>,
    text_bytes: usize,
}

impl Sheet {
    /// The numbers of a message. `hint`: where to look first; who asks for messages in order is quick.
    pub(crate) fn find(&self, email: EmailId, hint: &mut usize) -> Option<&[u64]> {
        if self.emails.get(*hint) != Some(&email.0) {
            *hint = self.emails.binary_search(&email.0).ok()?;
        }
        let numbers = self.numbers_at(*hint);
        *hint += 1;
        Some(numbers)
    }

    /// Of how many messages.
    pub(crate) fn len(&self) -> usize {
        self.emails.len()
    }

    /// What its texts take, in octets.
    pub(crate) fn text_bytes(&self) -> usize {
        self.texts.octets.len()
    }

    /// What it takes of memory, in octets.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.emails.len() * (size_of::<u64>() + size_of::<u32>())
            + self.numbers.len() * size_of::<u64>()
            + self.texts.octets.len()
            + self.texts.ends.len() * size_of::<u32>()
    }

    /// With what a draft adds. Of a message that both have this sheet's counts.
    pub(crate) fn with(&self, draft: Draft) -> Self {
        let Draft { emails: added, numbers, texts, text_bytes: _ } = draft;
        let ends = added.iter().skip(1).map(|(_, start)| *start as usize).chain([numbers.len()]);
        let mut added: Vec<(u64, &[u64])> = added
            .iter()
            .zip(ends)
            .map(|((email, start), end)| (*email, numbers.get(*start as usize..end).unwrap_or_default()))
            .collect();
        added.sort_by_key(|(email, _)| *email);
        added.dedup_by_key(|(email, _)| *email);
        let Joined { texts, of_one, of_other } = self.texts.join(texts);
        let rows = self.emails.len() + added.len();
        let mut sheet = Self {
            emails: Vec::with_capacity(rows),
            ends: Vec::with_capacity(rows),
            numbers: Vec::with_capacity(self.numbers.len() + numbers.len()),
            texts,
        };
        let mut added = added.into_iter().peekable();
        for (at, email) in self.emails.iter().enumerate() {
            while let Some((email, numbers)) = added.next_if(|(added, _)| added < email) {
                sheet.push(email, numbers, &of_other);
            }
            let _known = added.next_if(|(added, _)| added == email);
            sheet.push(*email, self.numbers_at(at), &of_one);
        }
        added.for_each(|(email, numbers)| sheet.push(email, numbers, &of_other));
        sheet
    }

    /// `positions`: where each of the texts stands now.
    fn push(&mut self, email: u64, numbers: &[u64], positions: &[u32]) {
        self.emails.push(email);
        let number = |number: &u64| positions.get(*number as usize).map_or(*number, |position| u64::from(*position));
        self.numbers.extend(numbers.iter().map(number));
        self.ends.push(u32::try_from(self.numbers.len()).unwrap_or(u32::MAX));
    }

    fn numbers_at(&self, at: usize) -> &[u64] {
        let end = |at: usize| self.ends.get(at).copied().unwrap_or(0) as usize;
        let start = at.checked_sub(1).map_or(0, end);
        self.numbers.get(start..end(at)).unwrap_or_default()
    }
}

/// All texts of two, and where each of them stands now.
struct Joined {
    texts: Texts,
    of_one: Vec<u32>,
    of_other: Vec<u32>,
}

impl Texts {
    fn get(&self, at: usize) -> Option<&[u8]> {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.octets.get(start as usize..*self.ends.get(at)? as usize)
    }

    fn push(&mut self, text: &[u8]) {
        self.octets.extend_from_slice(text);
        self.ends.push(u32::try_from(self.octets.len()).unwrap_or(u32::MAX));
    }

    fn join(&self, others: HashMap<Box<[u8]>, u32>) -> Joined {
        let mut others: Vec<(Box<[u8]>, u32)> = others.into_iter().collect();
        others.sort_unstable();
        let (mut texts, mut of_one) = (Self::default(), Vec::with_capacity(self.ends.len()));
        let (mut of_other, mut at) = (vec![0; others.len()], 0);
        let mut others = others.into_iter().peekable();
        loop {
            let (one, other) = (self.get(at), others.peek().map(|(text, _)| &**text));
            let next = match (one, other) {
                (None, None) => return Joined { texts, of_one, of_other },
                (Some(one), Some(other)) => one.min(other),
                (one, other) => one.or(other).unwrap_or_default(),
            };
            let position = u32::try_from(texts.ends.len()).unwrap_or(u32::MAX);
            texts.push(next);
            if one == Some(next) {
                of_one.push(position);
                at += 1;
            }
            let texts = &texts;
            if let Some((_, number)) = others.next_if(|(text, _)| texts.get(position as usize) == Some(text))
                && let Some(of_number) = of_other.get_mut(number as usize)
            {
                *of_number = position;
            }
        }
    }
}

impl Draft {
    /// What is known of a message.
    pub(crate) fn add(&mut self, email: EmailId, numbers: &[u64]) {
        self.emails.push((email.0, u32::try_from(self.numbers.len()).unwrap_or(u32::MAX)));
        self.numbers.extend_from_slice(numbers);
    }

    /// The number that stands for a text.
    pub(crate) fn text(&mut self, text: &[u8]) -> u64 {
        if let Some(number) = self.texts.get(text) {
            return u64::from(*number);
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.text_bytes += text.len();
        self.texts.insert(text.into(), number);
        u64::from(number)
    }

    /// Of how many messages.
    pub(crate) fn len(&self) -> usize {
        self.emails.len()
    }

    /// What its texts take, in octets.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// What its numbers take, in octets.
    pub(crate) fn number_bytes(&self) -> usize {
        self.emails.len() * size_of::<(u64, u32)>() + self.numbers.len() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn draft(texts: &[(u64, String)]) -> Draft {
        let mut draft = Draft::default();
        for (email, text) in texts {
            let number = draft.text(text.as_bytes());
            draft.add(EmailId(*email), &[number]);
        }
        draft
    }

    proptest! {
        #[test]
        fn texts_compare_as_their_positions_whatever_came_when(
            drafts in prop::collection::vec(prop::collection::vec((0..30u64, "[ab\u{0}]{0,2}"), 0..12), 1..5),
        ) {
            let (mut sheet, mut expected) = (Sheet::default(), BTreeMap::new());
            for texts in &drafts {
                texts.iter().for_each(|(email, text)| {
                    expected.entry(*email).or_insert_with(|| text.clone());
                });
                sheet = sheet.with(draft(texts));
            }
            prop_assert_eq!(sheet.len(), expected.len());
            let mut hint = 0;
            let position = |email: u64, hint: &mut usize| sheet.find(EmailId(email), hint).unwrap()[0];
            for (one, text) in &expected {
                let of_one = position(*one, &mut hint);
                prop_assert_eq!(sheet.texts.get(of_one as usize).unwrap(), text.as_bytes());
                for (other, of_other) in &expected {
                    prop_assert_eq!(of_one.cmp(&position(*other, &mut 0)), text.cmp(of_other));
                }
            }
            prop_assert!(sheet.find(EmailId(99), &mut hint).is_none());
        }
    }

    #[test]
    fn of_a_message_there_are_as_many_numbers_as_came() {
        let mut draft = Draft::default();
        draft.add(EmailId(7), &[1, 2, 3]);
        draft.add(EmailId(3), &[]);
        let sheet = Sheet::default().with(draft);
        let mut draft = Draft::default();
        draft.add(EmailId(5), &[9]);
        draft.add(EmailId(7), &[4]);
        let sheet = sheet.with(draft);
        let found = |email: u64| sheet.find(EmailId(email), &mut 0).map(<[u64]>::to_vec);
        assert_eq!([found(3), found(5), found(7)], [Some(vec![]), Some(vec![9]), Some(vec![1, 2, 3])]);
        assert_eq!((sheet.len(), found(4)), (3, None));
    }
}
