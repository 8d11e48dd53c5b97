//! What happened, newest first, with search; and the story of one message.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::path::encoded;
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::{DeviceCard, MessageStory, Timeline, TimelineLine};

pub(super) const ROUTES: &[Route] =
    &[Route::get("/timeline", Handler::Owner(show)), Route::get("/messages/{message}", Handler::Owner(story))];

const ASKED: [&str; 6] = ["search", "device", "mailbox", "since", "until", "removals"];

#[derive(Template)]
#[template(path = "timeline.html")]
struct TimelinePage<'a> {
    frame: Frame,
    days: Vec<Day>,
    devices: Vec<DeviceCard>,
    mailboxes: Vec<String>,
    /// What is asked.
    fields: &'a Fields,
    /// Where what was refused is looked for.
    refused: String,
    /// What is wrong with the question.
    wrong: Option<String>,
    /// Where earlier lines are.
    earlier: Option<String>,
    is_first: bool,
}

/// What happened on one day.
struct Day {
    day: String,
    lines: Vec<TimelineLine>,
}

#[derive(Template)]
#[template(path = "story.html")]
struct StoryPage {
    frame: Frame,
    story: MessageStory,
}

fn show(owner: &Owner, fields: &Fields) -> Outcome {
    let (timeline, wrong) = match api::history::timeline(owner, &folded(fields)?) {
        Ok(timeline) => (timeline, None),
        Err(problem) if matches!(problem.kind, Kind::Refused | Kind::Bad) => {
            (Timeline::default(), Some(problem.detail))
        }
        Err(problem) => return Err(problem),
    };
    let revoked = Fields::urlencoded(b"revoked=true")?;
    let asked = asked(fields);
    let passed = timeline.next_passed.map(|next| format!("&before_passed={next}")).unwrap_or_default();
    Answer::page(&TimelinePage {
        frame: Frame::of(owner, "timeline"),
        earlier: timeline.next.map(|next| format!("/timeline?before={next}{passed}{asked}")),
        days: days(timeline.lines),
        devices: api::devices::list(owner, &revoked)?,
        mailboxes: owner.console()?.mailbox_names()?,
        fields,
        refused: format!("/refused?search={}", encoded(fields.text("search"))),
        wrong,
        is_first: !fields.has("before"),
    })
}

/// What the form asks; a page that follows asks the same.
fn asked(fields: &Fields) -> String {
    let given = ASKED.iter().filter_map(|name| fields.optional(name).map(|value| (name, value)));
    given.map(|(name, value)| format!("&{name}={}", encoded(value))).collect()
}

/// The same, with what comes in as one line.
fn folded(fields: &Fields) -> Result<Fields, Problem> {
    let before = ["before", "before_passed"].map(|name| format!("&{name}={}", encoded(fields.text(name)))).concat();
    Fields::urlencoded(format!("fold=on{}{before}", asked(fields)).as_bytes())
}

fn days(lines: Vec<TimelineLine>) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for line in lines {
        let day = moment::day_of(&line.at);
        match days.last_mut().filter(|last| last.day == day) {
            Some(last) => last.lines.push(line),
            None => days.push(Day { day, lines: vec![line] }),
        }
    }
    days
}

fn story(owner: &Owner, _: &Fields) -> Outcome {
    let story = match api::history::story(owner) {
        Err(mut problem) if problem.kind == Kind::Refused => {
            problem.kind = Kind::NotFound;
            return Err(problem);
        }
        other => other?,
    };
    Answer::page(&StoryPage { frame: Frame::of(owner, "timeline"), story })
}
