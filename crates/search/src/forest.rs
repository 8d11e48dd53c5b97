//! Who answers whom: a forest of messages, made as RFC 5256 §3 says.
//!
//! Invariant: parents make no circle, and no work goes deeper than [`DEPTH_MAX`] at once. Whoever has nobody below is above nobody: as
//! long as messages come after those that they answer, nothing goes upwards in threads.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A message is put below at most so many others. One that would stand deeper begins a thread.
const DEPTH_MAX: usize = 10_000;
/// A million messages, and half as many that others refer to and that are not there: 40 octets each, and as much to find them by.
const NODES_MAX: usize = 1_500_000;
/// No node.
const NONE: u32 = u32::MAX;

/// What is known of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    /// From 1.
    pub(crate) number: u32,
    /// What stands for the sent date, in the order of dates.
    pub(crate) date: u64,
    /// What stands for the base subject; 0 for an empty one.
    pub(crate) subject: u64,
    /// Whether the subject is one of an answer or a forward.
    pub(crate) is_answer: bool,
}

/// A message, or one that others refer to and that is not there.
#[derive(Clone, Copy, Debug)]
struct Node {
    parent: u32,
    /// 0 for one that is not there.
    number: u32,
    /// Where it stands among those of the same date: the number, or that of the first that it holds.
    order: u32,
    date: u64,
    /// 0 for an empty one.
    subject: u64,
    is_answer: bool,
    /// Somebody was put below it.
    holds: bool,
    /// So many were above it when it was put there.
    depth: u32,
}

/// Messages with their parents.
#[derive(Debug, Default)]
pub(crate) struct Forest {
    nodes: Vec<Node>,
    ids: HashMap<u64, u32, BuildHasherDefault<Same>>,
    /// How many steps were taken upwards.
    pub(crate) steps: usize,
    /// Of each root the date of the latest message below it, where threads come in that order.
    latest: Option<HashMap<u32, u64>>,
}

/// What a thread is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A thread or a branch begins.
    Open,
    /// The message with this number.
    Message(u32),
    /// It ends.
    Close,
}

/// The hash of what is one already.
#[derive(Default)]
struct Same(u64);

impl Hasher for Same {
    fn write(&mut self, octets: &[u8]) {
        octets.iter().for_each(|octet| self.0 = self.0.rotate_left(8) ^ u64::from(*octet));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Node {
    const MISSING: Self = Self {
        parent: NONE,
        number: 0,
        order: 0,
        date: u64::MAX,
        subject: 0,
        is_answer: false,
        holds: false,
        depth: 0,
    };
}

impl Forest {
    /// How many nodes it has.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is too much of it.
    pub(crate) fn is_full(&self) -> bool {
        self.nodes.len() > NODES_MAX
    }

    /// RFC 5256 §3, REFERENCES (1): a message, what stands for its id, and for those that it refers to, the message that it answers last.
    pub(crate) fn add(&mut self, member: Member, id: Option<u64>, references: &[u64]) {
        let known = id.map(|id| self.of_id(id)).filter(|at| self.node(*at).number == 0);
        // Without an id, or with one that was there before, it is nobody that others could mean.
        let own = known.unwrap_or_else(|| self.push(Node::MISSING));
        self.change(own, |node| {
            *node = Node {
                number: member.number,
                order: member.number,
                date: member.date,
                subject: member.subject,
                is_answer: member.is_answer,
                ..*node
            };
        });
        // (1)(A)
        let mut last = NONE;
        for id in references {
            let next = self.of_id(*id);
            if last != NONE && self.node(next).parent == NONE && !self.is_above(next, last) {
                self.put_below(next, last);
            }
            last = next;
        }
        // (1)(B): what the message says itself counts, not what others say of it.
        let parent = if last != NONE && !self.is_above(own, last) { last } else { NONE };
        self.put_below(own, parent);
    }

    /// RFC 5256 §3, ORDEREDSUBJECT: all of a subject below the first of them.
    pub(crate) fn by_subject(&mut self) {
        let order = self.ranked(self.all());
        let mut first = HashMap::new();
        for at in order {
            let subject = self.node(at).subject;
            let head = *first.entry(subject).or_insert(at);
            self.change(at, |node| node.parent = if head == at { NONE } else { head });
        }
    }

    /// REFERENCES (2) and (3): those that are not there go, and what they hold comes up.
    pub(crate) fn raise(&mut self) {
        self.ids = HashMap::default();
        let children = Children::of(self, |_| true);
        let mut order: Vec<u32> = children.of_node(NONE).to_vec();
        let mut at = 0;
        // From the roots down: the parent of each is right before its own turn.
        while let Some(own) = order.get(at).copied() {
            at += 1;
            order.extend_from_slice(children.of_node(own));
            let parent = self.node(own).parent;
            if parent != NONE && self.is_missing(parent) && self.node(parent).parent != NONE {
                let above = self.node(parent).parent;
                self.change(own, |node| node.parent = above);
            }
        }
    }

    /// The same: but for one that holds several threads together.
    pub(crate) fn let_go(&mut self) {
        let children = Children::of(self, |node| node.number != 0);
        let missing: Vec<u32> = self.all().into_iter().filter(|at| self.is_missing(*at)).collect();
        for root in missing {
            if let [only] = children.of_node(root) {
                self.change(*only, |node| node.parent = NONE);
            }
        }
    }

    /// REFERENCES (4) and (5): threads of one subject are one.
    pub(crate) fn join_subjects(&mut self) {
        let roots = self.ranked(self.roots());
        let mut table: HashMap<u64, u32, BuildHasherDefault<Same>> = HashMap::default();
        for own in roots.iter().copied().filter(|at| self.node(*at).subject != 0) {
            let of_table = table.entry(self.node(own).subject).or_insert(own);
            let (held, current) = (self.node(*of_table), self.node(own));
            let is_better = (current.number == 0 && held.number != 0) || (held.is_answer && !current.is_answer);
            if is_better && (held.number != 0 || current.number == 0) {
                *of_table = own;
            }
        }
        let mut gone = HashMap::new();
        for own in roots {
            let current = self.node(own);
            let Some(of_table) = table.get(&current.subject).copied().filter(|at| *at != own) else { continue };
            let held = self.node(of_table);
            if held.number == 0 && current.number == 0 {
                gone.insert(own, of_table);
            } else if held.number == 0 || (current.is_answer && !held.is_answer) {
                self.change(own, |node| node.parent = of_table);
            } else {
                let above = self.push(Node { subject: held.subject, is_answer: held.is_answer, ..Node::MISSING });
                for at in [of_table, own] {
                    self.change(at, |node| node.parent = above);
                }
                table.insert(current.subject, above);
            }
        }
        for node in &mut self.nodes {
            node.parent = gone.get(&node.parent).copied().unwrap_or(node.parent);
        }
    }

    /// REFS: threads come in the order of the latest message of each, and those of one subject stay apart.
    pub(crate) fn by_latest(&mut self) {
        let children = Children::of(self, |_| true);
        let mut latest = HashMap::new();
        for root in self.roots() {
            let (mut date, mut below, mut at) = (0, vec![root], 0);
            while let Some(own) = below.get(at).copied() {
                at += 1;
                below.extend_from_slice(children.of_node(own));
                date = date.max(if self.is_missing(own) { 0 } else { self.node(own).date });
            }
            latest.insert(root, date);
        }
        self.latest = Some(latest);
    }

    /// REFERENCES (6): all threads, siblings by their sent date.
    pub(crate) fn walk(&self) -> Walk<'_> {
        let live = self.live();
        let children = Children::of(self, |node| node.number != 0 || node.date != u64::MAX);
        let mut roots: Vec<u32> = children.of_node(NONE).iter().copied().filter(|at| live(*at)).collect();
        if let Some(latest) = &self.latest {
            roots.sort_by_key(|at| (latest.get(at).copied().unwrap_or(0), self.node(*at).order));
        }
        let mut stack = Vec::new();
        for root in roots.into_iter().rev() {
            stack.extend([Step::Close, Step::Node(root), Step::Open]);
        }
        Walk { forest: self, children, stack }
    }

    /// What is not there comes when the first of what it holds does.
    pub(crate) fn date_missing(&mut self) {
        for at in self.all() {
            if self.is_missing(at) {
                self.change(at, |node| node.date = u64::MAX);
            }
        }
        let members = self.all().into_iter().filter(|at| !self.is_missing(*at)).collect();
        for own in self.ranked(members) {
            let (parent, of_own) = (self.node(own).parent, self.node(own));
            if parent != NONE && self.is_missing(parent) && self.node(parent).date == u64::MAX {
                let Node { order, date, subject, is_answer, .. } = of_own;
                self.change(parent, |node| *node = Node { order, date, subject, is_answer, ..*node });
            }
        }
    }

    /// Whether a node is there, or holds some that are.
    fn live(&self) -> impl Fn(u32) -> bool {
        |at| !self.is_missing(at) || self.node(at).date != u64::MAX
    }

    fn roots(&self) -> Vec<u32> {
        let live = self.live();
        self.all().into_iter().filter(|at| self.node(*at).parent == NONE && live(*at)).collect()
    }

    fn all(&self) -> Vec<u32> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(NONE)).collect()
    }

    /// RFC 5256 §2.2: by the sent date, then by the number. Nobody looks into nodes here and there while they are compared.
    fn ranked(&self, some: Vec<u32>) -> Vec<u32> {
        let rank = |at: u32| (self.node(at).date, self.node(at).order, at);
        let mut ranked: Vec<(u64, u32, u32)> = some.into_iter().map(rank).collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, _, at)| at).collect()
    }

    fn put_below(&mut self, at: u32, parent: u32) {
        let depth = if parent == NONE { 0 } else { self.node(parent).depth.saturating_add(1) };
        self.change(at, |node| *node = Node { parent, depth, ..*node });
        self.change(parent, |node| node.holds = true);
    }

    fn is_missing(&self, at: u32) -> bool {
        self.node(at).number == 0
    }

    /// Whether `above` is `at` or above it, or that is too far to say.
    fn is_above(&mut self, above: u32, at: u32) -> bool {
        if above != at && !self.node(above).holds {
            return self.node(at).depth as usize + 2 > DEPTH_MAX;
        }
        let mut at = at;
        for _ in 0..DEPTH_MAX {
            if at == NONE || at == above {
                return at == above;
            }
            self.steps += 1;
            at = self.node(at).parent;
        }
        true
    }

    fn of_id(&mut self, id: u64) -> u32 {
        if let Some(at) = self.ids.get(&id) {
            return *at;
        }
        let at = self.push(Node::MISSING);
        self.ids.insert(id, at);
        at
    }

    fn push(&mut self, node: Node) -> u32 {
        let at = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        self.nodes.push(node);
        at
    }

    fn node(&self, at: u32) -> Node {
        self.nodes.get(at as usize).copied().unwrap_or(Node::MISSING)
    }

    fn change(&mut self, at: u32, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(at as usize) {
            change(node);
        }
    }
}

/// The nodes below each node, in their order.
#[derive(Debug)]
struct Children {
    /// By parent; those without one last.
    nodes: Vec<u32>,
    /// Where those of each begin.
    starts: Vec<u32>,
}

impl Children {
    fn of(forest: &Forest, counts: impl Fn(&Node) -> bool) -> Self {
        let some = forest.all().into_iter().filter(|at| counts(&forest.node(*at))).collect();
        // In their order each goes behind those of the same parent that are there already.
        let ranked = forest.ranked(some);
        let parent = |at: u32| (forest.node(at).parent as usize).min(forest.nodes.len());
        let mut starts = vec![0_u32; forest.nodes.len() + 2];
        for at in &ranked {
            if let Some(next) = starts.get_mut(parent(*at) + 1) {
                *next += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let (mut ends, mut nodes) = (starts.clone(), vec![NONE; ranked.len()]);
        for at in ranked {
            if let Some(end) = ends.get_mut(parent(at))
                && let Some(place) = nodes.get_mut(*end as usize)
            {
                *place = at;
                *end += 1;
            }
        }
        Self { nodes, starts }
    }

    fn of_node(&self, at: u32) -> &[u32] {
        let at = (at as usize).min(self.starts.len().saturating_sub(2));
        let bound = |at: usize| self.starts.get(at).copied().unwrap_or(0) as usize;
        self.nodes.get(bound(at)..bound(at + 1)).unwrap_or_default()
    }
}

/// Goes through threads.
pub(crate) struct Walk<'f> {
    forest: &'f Forest,
    children: Children,
    stack: Vec<Step>,
}

enum Step {
    Open,
    Node(u32),
    Close,
}

impl Iterator for Walk<'_> {
    type Item = Mark;

    fn next(&mut self) -> Option<Mark> {
        loop {
            let at = match self.stack.pop()? {
                Step::Open => return Some(Mark::Open),
                Step::Close => return Some(Mark::Close),
                Step::Node(at) => at,
            };
            match self.children.of_node(at) {
                [only] => self.stack.push(Step::Node(*only)),
                several => {
                    for child in several.iter().rev() {
                        self.stack.extend([Step::Close, Step::Node(*child), Step::Open]);
                    }
                }
            }
            match self.forest.node(at).number {
                0 => {}
                number => return Some(Mark::Message(number)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message: its date, its id, what it refers to, and its subject, which is an answer's with a `!`.
    type Said<'s> = (u64, &'s str, &'s [&'s str], &'s str);

    /// What stands for a text.
    fn id(text: &str) -> u64 {
        text.bytes().fold(u64::from(!text.is_empty()), |id, octet| id << 8 | u64::from(octet))
    }

    fn forest(messages: &[Said<'_>]) -> Forest {
        let mut forest = Forest::default();
        for (number, (date, id, references, subject)) in (1..).zip(messages) {
            let (text, is_answer) = subject.strip_prefix('!').map_or((*subject, false), |text| (text, true));
            let member = Member { number, date: *date, subject: self::id(text), is_answer };
            let references: Vec<u64> = references.iter().map(|id| self::id(id)).collect();
            forest.add(member, Some(self::id(id)).filter(|id| *id != 0), &references);
        }
        forest
    }

    fn text(forest: &Forest) -> String {
        let mut text = String::new();
        for mark in forest.walk() {
            match mark {
                Mark::Open => text.push('('),
                Mark::Close => text.push(')'),
                Mark::Message(number) => text.push_str(&format!("{number} ")),
            }
        }
        text.replace(" )", ")")
    }

    fn prune(forest: &mut Forest) {
        forest.raise();
        forest.let_go();
        forest.date_missing();
    }

    fn join(forest: &mut Forest) {
        forest.join_subjects();
        forest.date_missing();
    }

    fn check(messages: &[Said<'_>], expected: &str) {
        let mut forest = forest(messages);
        prune(&mut forest);
        join(&mut forest);
        assert_eq!(text(&forest), expected);
    }

    #[test]
    fn a_million_messages_that_refer_to_some_that_are_not_there_were_too_many() {
        let mut forest = Forest::default();
        forest.nodes.resize(NODES_MAX, Node::MISSING);
        assert!(!forest.is_full());
        forest.push(Node::MISSING);
        assert!(forest.is_full());
    }

    #[test]
    fn answers_stand_below_what_they_answer() {
        check(&[], "");
        check(&[(1, "a", &[], "x"), (2, "b", &["a"], "y"), (3, "c", &["a", "b"], "z")], "(1 2 3)");
        check(&[(3, "c", &["a", "b"], "z"), (2, "b", &["a"], "y"), (1, "a", &[], "x")], "(3 2 1)");
        check(&[(1, "a", &[], "x"), (3, "b", &["a"], "y"), (2, "c", &["a"], "z")], "(1 (3)(2))");
        check(&[(2, "", &[], "x"), (1, "", &[], "y")], "(2)(1)");
    }

    #[test]
    fn what_is_not_there_holds_several_threads_together_and_no_single_one() {
        check(&[(1, "b", &["a"], "x"), (2, "c", &["a"], "y")], "((1)(2))");
        check(&[(1, "b", &["a"], "x")], "(1)");
        check(&[(1, "b", &["a"], "x"), (2, "d", &["a", "b", "c"], "y"), (3, "e", &["c"], "z")], "(1 (2)(3))");
        check(&[(2, "b", &["a"], "x"), (3, "c", &["a"], "y"), (1, "d", &[], "z")], "(3)((1)(2))");
        check(&[(1, "d", &[], "z"), (1, "b", &["a"], "x"), (1, "c", &["a"], "y")], "(1)((2)(3))");
    }

    #[test]
    fn circles_are_not_made_and_ids_that_come_twice_are_two() {
        check(&[(1, "a", &["b"], ""), (2, "b", &["a"], "")], "(2 1)");
        check(&[(1, "a", &["a"], "")], "(1)");
        check(&[(1, "a", &["b", "c", "b"], ""), (2, "c", &["b"], "")], "((1)(2))");
        check(&[(1, "a", &[], ""), (2, "a", &[], ""), (3, "b", &["a"], "")], "(1 3)(2)");
        // What the message says itself counts.
        check(&[(1, "c", &["a", "b"], ""), (2, "b", &[], ""), (3, "a", &[], "")], "(2 1)(3)");
    }

    #[test]
    fn threads_of_one_subject_are_one() {
        check(&[(1, "a", &[], "x"), (2, "b", &[], "!x")], "(1 2)");
        check(&[(1, "a", &[], "!x"), (2, "b", &[], "x")], "(2 1)");
        check(&[(1, "a", &[], "x"), (2, "b", &[], "x")], "((1)(2))");
        check(&[(1, "a", &[], "!x"), (2, "b", &[], "!x"), (3, "c", &[], "!x")], "((1)(2)(3))");
        check(&[(1, "a", &[], ""), (2, "b", &[], "")], "(1)(2)");
        let twice: &[Said<'_>] =
            &[(1, "b", &["a"], "x"), (2, "c", &["a"], "x"), (3, "e", &["d"], "x"), (4, "f", &["d"], "x")];
        check(twice, "((1)(2)(3)(4))");
        check(&[(1, "b", &["a"], "x"), (2, "c", &["a"], "y"), (3, "d", &[], "!x")], "((1)(2)(3))");
    }

    #[test]
    fn refs_puts_the_thread_with_the_latest_message_last_and_joins_no_subjects() {
        let check = |messages: &[Said<'_>], expected: &str| {
            let mut forest = forest(messages);
            prune(&mut forest);
            forest.by_latest();
            assert_eq!(text(&forest), expected);
        };
        check(&[(1, "a", &[], "x"), (3, "b", &[], "y"), (5, "c", &["a"], "!x"), (4, "d", &[], "!x")], "(2)(4)(1 3)");
        check(&[(1, "b", &["a"], "x"), (9, "c", &["a"], "y"), (5, "d", &[], "x")], "(3)((1)(2))");
        check(&[(2, "a", &[], ""), (2, "b", &[], "")], "(1)(2)");
    }

    #[test]
    fn by_subject_all_stand_below_the_first() {
        let mut forest = forest(&[(3, "", &[], "x"), (1, "", &[], "!x"), (2, "", &[], "y"), (4, "", &[], "x")]);
        forest.by_subject();
        assert_eq!(text(&forest), "(2 (1)(4))(3)");
    }

    /// Of each message all that it answers were gone through, up to the first of its thread.
    #[test]
    fn the_work_of_a_message_grew_with_the_depth_of_its_thread() {
        const MESSAGES: u32 = 50_000;
        let mut forest = Forest::default();
        let mut parents: Vec<u64> = vec![0];
        for number in 1..=MESSAGES {
            // Some begin a thread, the others answer one of the last thousand; a message refers to the one above that, too.
            let back = u64::from(number) * 7919 % 1000 + 1;
            let answered = u64::from(number).saturating_sub(back) * u64::from(number % 500 != 1);
            let above = parents[answered as usize];
            let references: Vec<u64> = [above, answered].into_iter().filter(|id| *id != 0).collect();
            parents.push(answered);
            let member = Member { number, date: number.into(), subject: 0, is_answer: false };
            forest.add(member, Some(number.into()), &references);
        }
        assert_eq!(forest.steps, 0, "who has nobody below is above nobody");
        let deepest = forest.nodes.iter().map(|node| node.depth).max().unwrap();
        assert!(deepest > 20, "{deepest}");
    }

    /// Whoever comes after those who answer it may stand in a circle, and only then somebody has to go up.
    #[test]
    fn messages_in_the_wrong_order_make_no_circle() {
        let mut forest = forest(&[(1, "c", &["b"], "x"), (2, "b", &["a"], "x"), (3, "a", &["c"], "x")]);
        assert!(forest.steps > 0);
        prune(&mut forest);
        assert_eq!(text(&forest), "(3 2 1)");
    }

    #[test]
    fn a_very_deep_thread_is_cut_and_walked_without_recursion() {
        let mut forest = Forest::default();
        let ids: Vec<u64> = (1..DEPTH_MAX as u64 + 4).collect();
        for (number, pair) in (1..).zip(ids.windows(2)) {
            forest.add(Member { number, date: 0, subject: 0, is_answer: false }, Some(pair[1]), &[pair[0]]);
        }
        prune(&mut forest);
        let marks: Vec<Mark> = forest.walk().collect();
        assert_eq!(marks.iter().filter(|mark| **mark == Mark::Open).count(), 2);
        assert_eq!(marks.iter().filter(|mark| matches!(mark, Mark::Message(_))).count(), DEPTH_MAX + 2);
    }

    proptest! {
        #[test]
        fn every_message_is_told_once(
            messages in prop::collection::vec((0..5_u64, "[a-e]?", prop::collection::vec("[a-g]", 0..4), "!?[xy]?"), 0..25),
        ) {
            let mut forest = Forest::default();
            for (number, (date, id, references, subject)) in (1..).zip(&messages) {
                let (text, is_answer) = (subject.trim_start_matches('!'), subject.starts_with('!'));
                let references: Vec<u64> = references.iter().map(|id| self::id(id)).collect();
                let own = Some(self::id(id)).filter(|id| *id != 0);
                forest.add(Member { number, date: *date, subject: self::id(text), is_answer }, own, &references);
            }
            prune(&mut forest);
            join(&mut forest);
            let (mut told, mut depth) = (Vec::new(), 0_i32);
            for mark in forest.walk() {
                match mark {
                    Mark::Open => depth += 1,
                    Mark::Close => depth -= 1,
                    Mark::Message(number) => told.push(number),
                }
                prop_assert!(depth >= 0 && (depth > 0 || mark == Mark::Close));
            }
            told.sort_unstable();
            prop_assert_eq!((told, depth), ((1..=u32::try_from(messages.len()).unwrap()).collect(), 0));
        }
    }
}
