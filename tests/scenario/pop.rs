//! A POP3 program that keeps a list of what it has, downloads what it does not know, and deletes what it has, or not.

use crate::house::{Door, House};
use crate::link::Link;
use std::collections::{BTreeMap, BTreeSet};
use store::DeviceId;

#[derive(Default)]
pub struct Pop {
    pub device: DeviceId,
    password: String,
    deletes: bool,
    link: Option<Link>,
    todo: Vec<Todo>,
    /// Unique ids and subjects.
    pub has: BTreeMap<String, String>,
    /// What it deleted, and the server said `+OK` to QUIT.
    pub deleted: BTreeSet<String>,
    /// What it asked to delete with QUIT, whatever came of it.
    pub asked: BTreeSet<String>,
    /// What it marked as deleted in this session.
    marked: Vec<String>,
    /// What it listed last.
    pub listed: BTreeSet<String>,
    /// Sessions that got as far as the answer to QUIT.
    sessions: u32,
}

#[derive(Clone, Debug)]
enum Todo {
    User,
    Pass,
    Uidl,
    Retr(u32, String),
    Dele(u32, String),
    Quit,
}

impl Pop {
    pub fn new(device: DeviceId, password: String, deletes: bool) -> Self {
        Self { device, password, deletes, ..Self::default() }
    }

    pub fn lose_connection(&mut self) {
        self.link = None;
        self.todo.clear();
        self.marked.clear();
    }

    /// The owner had something put back that it deleted.
    pub fn may_list_again(&mut self) {
        self.deleted.clear();
    }

    pub fn step(&mut self, house: &mut House) {
        if self.link.is_none() {
            let process = house.any_process();
            self.link = Some(house.link(&Door::Pop(process)));
            self.todo = vec![Todo::Uidl, Todo::Pass, Todo::User];
        }
        let Some(todo) = self.todo.last().cloned() else { return self.lose_connection() };
        let text = self.command(&todo);
        let Some(link) = &mut self.link else { return };
        if !link.is_busy() {
            if matches!(todo, Todo::Retr(..) | Todo::Quit) && house.random.chance(30) {
                return self.lose_connection();
            }
            link.begin(&text);
        }
        let Some(link) = &mut self.link else { return };
        if let Some(answer) = link.go_on(house.now, &mut house.random) {
            // A session that said nothing for too long is over, and nothing was removed.
            if link.is_closed && !matches!(todo, Todo::Quit) {
                assert!(answer.contains("-ERR Closing"), "{todo:?}: {answer}");
                return self.lose_connection();
            }
            self.todo.pop();
            self.believe(&todo, &answer, house);
        }
    }

    fn command(&self, todo: &Todo) -> String {
        match todo {
            Todo::User => format!("USER {}", crate::house::ALICE),
            Todo::Pass => format!("PASS {}", self.password),
            Todo::Uidl => "UIDL".to_owned(),
            Todo::Retr(number, _) => format!("RETR {number}"),
            Todo::Dele(number, _) => format!("DELE {number}"),
            Todo::Quit => "QUIT".to_owned(),
        }
    }

    fn believe(&mut self, todo: &Todo, answer: &str, house: &mut House) {
        if let Todo::Quit = todo {
            self.asked.extend(self.marked.iter().cloned());
            if answer.starts_with("+OK") {
                self.deleted.extend(self.marked.drain(..));
                self.sessions += 1;
            }
            return self.lose_connection();
        }
        assert!(answer.starts_with("+OK"), "{todo:?}: {answer}");
        match todo {
            Todo::Uidl => self.plan(answer),
            Todo::Retr(_, uidl) => {
                let subject = answer.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned();
                house.checker.seen(&subject, uidl);
                self.has.insert(uidl.clone(), subject);
            }
            Todo::Dele(_, uidl) => self.marked.push(uidl.clone()),
            Todo::User | Todo::Pass | Todo::Quit => {}
        }
    }

    fn plan(&mut self, answer: &str) {
        let lines = answer.lines().filter(|line| !line.starts_with(['+', '.']));
        let listed: Vec<(u32, String)> = lines
            .map(|line| line.split_once(' ').unwrap())
            .map(|(n, uidl)| (n.parse().unwrap(), uidl.into()))
            .collect();
        self.todo = vec![Todo::Quit];
        for (number, uidl) in listed.iter().rev() {
            assert!(!self.deleted.contains(uidl), "{uidl} is listed again by a device that deleted it");
            if self.deletes {
                self.todo.push(Todo::Dele(*number, uidl.clone()));
            }
            if !self.has.contains_key(uidl) {
                self.todo.push(Todo::Retr(*number, uidl.clone()));
            }
        }
        self.listed = listed.into_iter().map(|(_, uidl)| uidl).collect();
    }

    /// One whole session that deletes nothing.
    pub fn settle(&mut self, house: &mut House) {
        self.lose_connection();
        let deletes = std::mem::take(&mut self.deletes);
        let before = self.sessions;
        while self.sessions == before {
            self.step(house);
        }
        self.deletes = deletes;
    }
}
