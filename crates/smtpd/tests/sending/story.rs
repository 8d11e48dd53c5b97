//! What has happened, to be printed where it goes wrong.

use std::cell::RefCell;

const LINES_MAX: usize = 4000;

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

pub fn begin() {
    LINES.take();
}

pub fn tell(line: String) {
    LINES.with_borrow_mut(|lines| {
        if lines.len() < LINES_MAX {
            lines.push(line);
        }
    });
}

pub fn print() {
    LINES.take().iter().for_each(|line| println!("{line}"));
}
