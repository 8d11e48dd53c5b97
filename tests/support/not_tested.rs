//! A test that cannot do what it is for says so in one line, on standard error, also where the output of tests that pass is not shown.
//!
//! Where a tool is what is missing, `PILLARBOX_TOOLS=demanded` makes that a failure, unless `PILLARBOX_TOOLS_MISSING` names it: whoever
//! has seen to the tools (`.ci/run`) is to know which there are.

use std::env;
use std::fmt::Display;
use std::io::{Write, stderr};

/// There is no such tool.
#[allow(dead_code)]
#[track_caller]
pub fn without(tool: &str, how_to_get_it: impl Display) {
    let is_demanded = env::var("PILLARBOX_TOOLS").is_ok_and(|tools| tools == "demanded");
    let missing = env::var("PILLARBOX_TOOLS_MISSING").unwrap_or_default();
    let is_known = missing.split_whitespace().any(|known| known == tool);
    assert!(!is_demanded || is_known, "there is no {tool} ({how_to_get_it}), and PILLARBOX_TOOLS demands it");
    because(format_args!("there is no {tool} ({how_to_get_it})"));
}

/// This machine, or this user, cannot have it.
#[allow(dead_code)]
pub fn because(why: impl Display) {
    let test = std::thread::current();
    // Not by eprintln!, which tests that pass keep to themselves.
    let _unheard = writeln!(stderr(), "NOT TESTED: {}: {why}", test.name().unwrap_or("a test"));
}
