//! What devices took, and the owner's answer: put it back, or no thanks.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::notice::Notice;
use crate::path::OwnPath;
use crate::route::{Handler, Route};
use crate::visit::Owner;

pub(super) const ROUTES: &[Route] = &[Route::post("/offers/{id}", Handler::Owner(answer))];

fn answer(owner: &Owner, fields: &Fields) -> Outcome {
    let done = api::devices::answer_offer(owner, fields)?;
    let text = match done.text.as_slice() {
        [] => tr!("It stays as it is. You can still bring mail back, on the page of the device.").to_owned(),
        lines => tr!("Done. {lines}.", lines = lines.join(". ")),
    };
    owner.say(Notice::good(text));
    Ok(Answer::see_other(&OwnPath::home()))
}
