//! What is open, as a browser sees it that reads what is written.
//!
//! What ends is ended in so many words, innermost first, and what HTML would begin by itself (`tbody`, `tr`) is begun. So a browser
//! has nothing to guess (HTML Living Standard §13.2.6): it passes over no end tag, makes no element for one, begins nothing anew,
//! and what is open here is what is open there.
//!
//! Invariant: a tag looks at no more open elements than it ends.

use super::allowed::{Element, Kind};
use std::collections::BTreeMap;

/// What ends a paragraph where it begins.
const ENDS_PARAGRAPHS: [&str; 29] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "dd",
    "dir",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "ul",
];
const HEADINGS: [&str; 6] = ["h1", "h2", "h3", "h4", "h5", "h6"];
/// Parts of a table, which are nothing without one.
const OF_A_TABLE: [&str; 8] = ["caption", "colgroup", "tbody", "td", "tfoot", "th", "thead", "tr"];

/// Elements that have begun and not ended.
#[derive(Default)]
pub(super) struct Open {
    all: Vec<Element>,
    /// Where those of a name are.
    places: BTreeMap<&'static str, Vec<usize>>,
    /// Where tables and what has text in them are: an end tag within ends nothing around them.
    walls: Vec<usize>,
}

/// What has to be done before an element begins.
pub(super) struct Before {
    /// So many stay open.
    pub(super) stay: usize,
    /// These begin.
    pub(super) begin: &'static [&'static str],
}

impl Open {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn push(&mut self, element: Element) {
        let place = self.all.len();
        self.places.entry(element.name).or_default().push(place);
        if is_wall(element.name) {
            self.walls.push(place);
        }
        self.all.push(element);
    }

    pub(super) fn pop(&mut self) -> Option<Element> {
        let element = self.all.pop()?;
        self.places.get_mut(element.name).and_then(Vec::pop);
        if is_wall(element.name) {
            self.walls.pop();
        }
        Some(element)
    }

    /// How many stay open when an end tag comes; `None`: it ends nothing.
    pub(super) fn after_end(&self, name: &str) -> Option<usize> {
        let from = match name {
            "table" => 0,
            name if OF_A_TABLE.contains(&name) => self.last("table")? + 1,
            _ => self.behind_the_wall(),
        };
        self.last(name).filter(|place| *place >= from)
    }

    /// What has to be done before such an element begins; `None`: it does not begin here.
    pub(super) fn before(&self, name: &str) -> Option<Before> {
        let is = |place: usize, names: &[&str]| self.all.get(place).is_some_and(|open| names.contains(&open.name));
        if name != "col" && !OF_A_TABLE.contains(&name) {
            return Some(Before { stay: self.among_text(name), begin: &[] });
        }
        let table = self.last("table")?;
        let (in_table, in_rows) = (table + 1, table + 2);
        let has_rows = is(in_table, &["tbody", "thead", "tfoot"]);
        let before = |stay, begin| Some(Before { stay, begin });
        match name {
            "col" if is(in_table, &["colgroup"]) => before(in_rows, &[]),
            "col" => before(in_table, &["colgroup"]),
            "tr" if has_rows => before(in_rows, &[]),
            "tr" => before(in_table, &["tbody"]),
            "td" | "th" if has_rows && is(in_rows, &["tr"]) => before(in_rows + 1, &[]),
            "td" | "th" if has_rows => before(in_rows, &["tr"]),
            "td" | "th" => before(in_table, &["tbody", "tr"]),
            _ => before(in_table, &[]),
        }
    }

    /// How many stay open before text that is no white space.
    pub(super) fn before_text(&self) -> usize {
        self.all.len() - usize::from(self.all.last().is_some_and(|open| open.name == "colgroup"))
    }

    /// How many stay open before an element that is no part of a table.
    fn among_text(&self, name: &str) -> usize {
        let wall = self.behind_the_wall();
        let innermost =
            |name: &str, around: &[&str]| self.last(name).filter(|place| *place >= self.behind(around).max(wall));
        let ends = [
            ENDS_PARAGRAPHS.contains(&name).then(|| innermost("p", &[])).flatten(),
            (name == "li").then(|| innermost("li", &["ul", "ol", "dir"])).flatten(),
            matches!(name, "dd" | "dt").then(|| innermost("dd", &["dl"])).flatten(),
            matches!(name, "dd" | "dt").then(|| innermost("dt", &["dl"])).flatten(),
            (name == "table")
                .then(|| self.walls.last().copied().filter(|at| self.last("table") == Some(*at)))
                .flatten(),
            // A link in a link, but for one in a cell.
            (name == "a").then(|| self.last("a").filter(|at| *at >= self.behind(&["td", "th", "caption"]))).flatten(),
        ];
        let mut stay = ends.into_iter().flatten().fold(self.before_text(), usize::min);
        let is_heading = |open: &Element| HEADINGS.contains(&open.name);
        if HEADINGS.contains(&name) && stay.checked_sub(1).and_then(|at| self.all.get(at)).is_some_and(is_heading) {
            stay -= 1;
        }
        stay
    }

    fn last(&self, name: &str) -> Option<usize> {
        self.places.get(name)?.last().copied()
    }

    fn behind(&self, names: &[&str]) -> usize {
        names.iter().filter_map(|name| self.last(name)).max().map_or(0, |place| place + 1)
    }

    fn behind_the_wall(&self) -> usize {
        self.walls.last().map_or(0, |place| place + 1)
    }
}

fn is_wall(name: &str) -> bool {
    matches!(name, "table" | "td" | "th" | "caption")
}

/// An element that is begun without a tag of the sender's.
pub(super) fn implied(name: &'static str) -> Element {
    Element { name, kind: Kind::Plain }
}
