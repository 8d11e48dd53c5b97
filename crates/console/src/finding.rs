//! What the doctor finds: what keeps mail from coming and going.

use serde::{Deserialize, Serialize};
use wording::Later;

/// How it stands with what was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Fine,
    /// It could not be found out.
    Unknown,
    /// Mail goes on, but not as well as it could.
    Warning,
    /// Mail is lost, refused, or taken for junk.
    Wrong,
}

/// What was looked at, and how it stands; worded when somebody reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `MX of example.org`.
    pub check: Later,
    /// How it stands.
    pub state: State,
    /// What was found; empty: nothing.
    pub found: Later,
    /// What should be there.
    pub expected: Later,
    /// What it is for.
    pub why: Later,
    /// What to do; empty where there is nothing to do.
    pub advice: Later,
}

/// What was found the last time that a server looked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examination {
    /// When that was; none: it has not looked yet.
    pub at: Option<String>,
    /// It is looking just now.
    pub is_running: bool,
    /// All of it.
    pub findings: Vec<Finding>,
}

impl Finding {
    /// That all is fine with `check`, unless more is said.
    #[must_use]
    pub fn new(check: impl Into<Later>, why: impl Into<Later>) -> Self {
        let (found, expected, advice) = Default::default();
        Self { check: check.into(), state: State::Fine, found, expected, why: why.into(), advice }
    }

    /// With what was found.
    #[must_use]
    pub fn found(self, found: impl Into<Later>) -> Self {
        Self { found: found.into(), ..self }
    }

    /// With what should be there.
    #[must_use]
    pub fn expecting(self, expected: impl Into<Later>) -> Self {
        Self { expected: expected.into(), ..self }
    }

    /// With what is not as it should be, and what to do.
    #[must_use]
    pub fn but(self, state: State, advice: impl Into<Later>) -> Self {
        Self { state, advice: advice.into(), ..self }
    }
}

impl Examination {
    /// How many are in a state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.findings.iter().filter(|finding| finding.state == state).count()
    }

    /// Those that are not as they should be, the worst first.
    #[must_use]
    pub fn to_do(&self) -> Vec<&Finding> {
        let mut found: Vec<&Finding> = self.findings.iter().filter(|finding| finding.state != State::Fine).collect();
        found.sort_by_key(|finding| std::cmp::Reverse(finding.state));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_done_comes_first() {
        let of = |check: &str, state| Finding::new(check, "x").but(state, "y");
        let findings =
            vec![of("a", State::Warning), Finding::new("b", "x"), of("c", State::Unknown), of("d", State::Wrong)];
        let examination = Examination { findings, ..Examination::default() };
        let order: Vec<String> = examination.to_do().iter().map(|finding| finding.check.to_string()).collect();
        assert_eq!((order, examination.count(State::Fine)), (["d", "a", "c"].map(String::from).to_vec(), 1));
    }
}
