//! The command line's way to the same calls: the endpoints of the API by their names, for the operator.

use crate::api::{self, Answering};
use crate::audit;
use crate::caller::{Caller, Own, Proof};
use crate::form::Fields;
use crate::problem::{Kind, Problem};
use crate::route::Verb;
use crate::site::Site;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::io;
use store::DeviceId;
use wording::Language;

/// A call of an endpoint, as docs/api.md has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Call {
    /// Method and path, with `{id}` in it: `POST /api/v1/devices/{id}`.
    pub endpoint: String,
    /// Whose mail it is about: an address, or its part before the `@` where there is one only.
    pub account: Option<String>,
    /// The tag of the language that the answer is wanted in; none: English.
    pub language: Option<String>,
    /// What stands in the path for `{name}`.
    pub path: Map<String, Value>,
    /// What stands in the body, or in the query.
    pub fields: Map<String, Value>,
}

/// Why a call was not done, in words for the person who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A rule or the state of things forbids it.
    Refused(String),
    /// The disk, the system or Pillarbox itself.
    Fault(String),
}

/// Takes the parts of an answer as they come; fails when nobody listens any more.
pub type Parts<'a> = &'a mut dyn FnMut(Value) -> io::Result<()>;

impl Call {
    /// A call of an endpoint without anything.
    #[must_use]
    pub fn new(endpoint: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), ..Self::default() }
    }

    /// The same, about the mail of an account.
    #[must_use]
    pub fn of(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// The same, answered in a language.
    #[must_use]
    pub fn speaking(mut self, language: Language) -> Self {
        self.language = Some(language.tag().to_owned());
        self
    }

    /// The same, with what stands in the path for `{name}`.
    #[must_use]
    pub fn at(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.path.insert(name.to_owned(), value.into());
        self
    }

    /// The same with a field; one that is null is as good as none.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

impl Site {
    /// Does what the operator asks for, and gives each part of the answer to `part` as it comes: the elements of a list one
    /// by one. Blocks. Who may call this may do everything.
    ///
    /// # Errors
    /// What the person at the command line is told.
    pub fn operate(&self, call: &Call, part: Parts<'_>) -> Result<(), Failure> {
        let language = call.language.as_deref().and_then(Language::of_tag).unwrap_or_default();
        Ok(wording::speaking(language, || self.answer(call, part))?)
    }

    fn answer(&self, call: &Call, part: Parts<'_>) -> Result<(), Problem> {
        let endpoint = api::named(&call.endpoint).ok_or_else(|| {
            // Both sides are the same program, unless one of them was upgraded.
            Problem::refused(format!(
                "the running server does not know {}; restart it if Pillarbox was upgraded",
                call.endpoint
            ))
        })?;
        let (caller, fields) = (self.operator(call)?, Fields::of(call.fields.clone())?);
        let mut part = api::Part(part);
        let answer = match endpoint.answering {
            Answering::Whole(answer) => answer(&caller, &fields)?,
            Answering::Watched(answer) => answer(&caller, &fields, &mut |progress| {
                // What was begun is done, whether somebody listens or not.
                let _unheard = part.give(&json!({ "progress": { "done": progress.done, "total": progress.total } }));
            })?,
            Answering::Parts(answer) => {
                if let Err(problem) = answer(&caller, &fields, &mut part) {
                    // What it did before it broke off was done all the same.
                    if endpoint.method == Verb::Post {
                        audit::note_end(&caller, &endpoint.path_of(&caller.parameters), &problem.detail);
                    }
                    return Err(problem);
                }
                Value::Null
            }
        };
        if endpoint.method == Verb::Post {
            audit::note(&caller, &endpoint.path_of(&caller.parameters), &answer);
        }
        match answer {
            Value::Array(all) => all.iter().try_for_each(|one| part.give(one))?,
            Value::Null => {}
            one => part.give(&one)?,
        }
        Ok(())
    }

    fn operator(&self, call: &Call) -> Result<Caller, Problem> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut caller = Caller {
            site: self.clone(),
            now: self.now(),
            parameters: call.path.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            from: "command line".to_owned(),
            origin: self.url(""),
            own: None,
            proof: Proof::Operator,
        };
        if let Some(wanted) = &call.account {
            let info = caller.administration()?.find(wanted)?;
            let mail = self.auth().store().account(info.id);
            caller.own = Some(Own { account: info.id, device: DeviceId(0), mail, address: info.address });
        }
        Ok(caller)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem.kind {
            // The operator is who looks at the log.
            Kind::Fault => Self::Fault(problem.cause.unwrap_or(problem.detail)),
            Kind::Full => Self::Fault(problem.detail),
            Kind::Bad
            | Kind::LogIn
            | Kind::Forged
            | Kind::Forbidden
            | Kind::NotFound
            | Kind::Method
            | Kind::Slow
            | Kind::TooLong
            | Kind::MediaType
            | Kind::Host
            | Kind::Refused
            | Kind::TooOften
            | Kind::OutOfTurn => Self::Refused(problem.detail),
        }
    }
}
