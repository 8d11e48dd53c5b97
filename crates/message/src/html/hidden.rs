//! A hidden element, and what is open within it.
//!
//! Invariant: a tag looks at no more open elements than it ends, however many there are: a made-up document costs what its length
//! says.

use std::collections::HashMap;

use super::Gap;
use super::tag::Tag;

/// So many elements within a hidden one are told from each other.
pub(super) const OPEN_MAX: usize = 256;

/// What ends without an end tag as a rule, when others begin (HTML Living Standard §13.1.2.4): a bit for each kind.
type Kinds = u8;
const PARAGRAPH: Kinds = 1;
const POINT: Kinds = 1 << 1;
const TERM: Kinds = 1 << 2;
const CELL: Kinds = 1 << 3;
const ROW: Kinds = 1 << 4;
const ROWS: Kinds = 1 << 5;
const CHOICE: Kinds = 1 << 6;

/// The hidden element is the first.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    open: Vec<Open>,
    /// How many of a name are open.
    names: HashMap<String, usize>,
    /// How many open elements were looked at, ever.
    #[cfg(test)]
    pub(super) steps: usize,
}

#[derive(Debug)]
struct Open {
    name: String,
    kind: Kinds,
    /// The kinds that are open up to here, from the innermost list or table on.
    within: Kinds,
}

impl Hidden {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// An element begins that is hidden, or is in one that is.
    pub(super) fn begin(&mut self, tag: &Tag<'_>) {
        if self.open.len() >= OPEN_MAX {
            return;
        }
        let kind = kind(&tag.name);
        // A list in a list has points of its own.
        let around = self.open.last().map_or(0, |open| open.within);
        let within = if is_list(&tag.name) { 0 } else { around | kind };
        *self.names.entry(tag.name.clone()).or_default() += 1;
        self.open.push(Open { name: tag.name.clone(), kind, within });
    }

    /// Ends what ends when another element begins.
    pub(super) fn end_before(&mut self, tag: &Tag<'_>) {
        if self.is_empty() {
            return;
        }
        if tag.is("body") {
            self.clear();
            return;
        }
        let ended = ended_by(tag);
        if self.open.last().is_some_and(|open| open.within & ended != 0) {
            self.pop_to(|open| open.kind & ended != 0);
        }
    }

    /// An end tag.
    pub(super) fn end(&mut self, tag: &Tag<'_>) {
        if self.names.contains_key(&tag.name) {
            self.pop_to(|open| tag.is(&open.name));
        } else if tag.is_container() {
            // What is around the hidden element ends, and so does that.
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.pop_to(|_| false);
    }

    /// Down to the innermost such element, and that.
    fn pop_to(&mut self, is_last: impl Fn(&Open) -> bool) {
        while let Some(open) = self.open.pop() {
            #[cfg(test)]
            {
                self.steps += 1;
            }
            if let Some(count) = self.names.get_mut(&open.name) {
                *count -= 1;
                if *count == 0 {
                    self.names.remove(&open.name);
                }
            }
            if is_last(&open) {
                return;
            }
        }
    }
}

fn is_list(name: &str) -> bool {
    matches!(name, "ul" | "ol" | "dl" | "table" | "select")
}

fn kind(name: &str) -> Kinds {
    match name {
        "p" => PARAGRAPH,
        "li" => POINT,
        "dt" | "dd" => TERM,
        "td" | "th" => CELL,
        "tr" => ROW,
        "tbody" | "thead" => ROWS,
        "option" => CHOICE,
        _ => 0,
    }
}

/// What ends when such an element begins.
fn ended_by(tag: &Tag<'_>) -> Kinds {
    let own = match tag.name.as_str() {
        "li" => POINT,
        "dt" | "dd" => TERM,
        "td" | "th" => CELL,
        "tr" => CELL | ROW,
        "tbody" | "tfoot" => CELL | ROW | ROWS,
        "option" | "optgroup" => CHOICE,
        _ => 0,
    };
    if tag.gap() == Gap::Line && !tag.is("br") { own | PARAGRAPH } else { own }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, by looking at all that are open.
    #[derive(Default)]
    struct Plain(Vec<String>);

    impl Plain {
        fn end_before(&mut self, tag: &Tag<'_>) {
            let list = self.0.iter().rposition(|name| is_list(name));
            let ended = self.0.iter().rposition(|name| kind(name) & ended_by(tag) != 0);
            if tag.is("body") {
                self.0.clear();
            } else if let Some(at) = ended.filter(|at| list.is_none_or(|list| list < *at)) {
                self.0.truncate(at);
            }
        }

        fn end(&mut self, tag: &Tag<'_>) {
            match self.0.iter().rposition(|name| tag.is(name)) {
                Some(at) => self.0.truncate(at),
                None if tag.is_container() => self.0.clear(),
                None => {}
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_open_is_what_looking_at_all_says(
            tags in prop::collection::vec("/?(p|b|div|li|ul|table|tr|td|tbody|dd|option|select|x|body)", 0..60),
        ) {
            let (mut hidden, mut plain) = (Hidden::default(), Plain::default());
            for inside in &tags {
                let tag = Tag::of(inside);
                if tag.is_end {
                    hidden.end(&tag);
                    plain.end(&tag);
                } else {
                    hidden.end_before(&tag);
                    plain.end_before(&tag);
                    hidden.begin(&tag);
                    plain.0.push(tag.name.clone());
                }
                let open: Vec<_> = hidden.open.iter().map(|open| open.name.clone()).collect();
                prop_assert_eq!(&open, &plain.0);
                prop_assert_eq!(hidden.names.values().sum::<usize>(), open.len());
            }
        }
    }

    #[test]
    fn each_tag_looked_at_all_that_was_open() {
        let mut hidden = Hidden::default();
        (0..OPEN_MAX + 1).for_each(|_| hidden.begin(&Tag::of("i")));
        assert_eq!(hidden.len(), OPEN_MAX);
        for _ in 0..1000 {
            for tag in ["/b", "p", "li", "td", "option"] {
                let tag = Tag::of(tag);
                if tag.is_end { hidden.end(&tag) } else { hidden.end_before(&tag) }
            }
        }
        assert_eq!((hidden.len(), hidden.steps), (OPEN_MAX, 0), "none of these ends anything");
        hidden.end(&Tag::of("/div"));
        assert_eq!((hidden.len(), hidden.steps), (0, OPEN_MAX), "what ends is looked at once");
    }
}
