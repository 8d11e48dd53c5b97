//! What the sessions of all protocols count together. Cheap to clone; all clones count together.

use crate::names::{COMMANDS, REFUSALS};
use crate::{Counts, Durations, Exposition, Stopwatch};

/// How long commands took.
#[derive(Clone, Debug)]
pub struct Commands(Durations<2>);

/// What mail, and whose, was refused.
#[derive(Clone, Debug)]
pub struct Refusals(Counts<3>);

impl Default for Commands {
    fn default() -> Self {
        Self(Durations::new(&COMMANDS))
    }
}

impl Default for Refusals {
    fn default() -> Self {
        Self(Counts::new(&REFUSALS))
    }
}

impl Commands {
    /// A command is answered that was read when `stopwatch` began.
    pub fn answered(&self, protocol: &'static str, command: &'static str, stopwatch: Stopwatch) {
        self.0.took([protocol, command], stopwatch);
    }

    /// Puts them on `told`.
    pub fn tell(&self, told: &mut Exposition) {
        self.0.tell(told);
    }
}

impl Refusals {
    /// A `connection`, `message` or `recipient` was refused with a code of SMTP.
    pub fn inc(&self, protocol: &'static str, what: &'static str, code: u16) {
        // RFC 5321 §4.2.1: 4yz is transient, 5yz permanent.
        let class = if code < 500 { "temporary" } else { "permanent" };
        self.0.inc([protocol, what, class]);
    }

    /// Puts them on `told`.
    pub fn tell(&self, told: &mut Exposition) {
        self.0.tell(told);
    }
}
