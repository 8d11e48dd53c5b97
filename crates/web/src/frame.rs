//! What stands around every page.

use crate::asset;
use crate::caller::Proof;
use crate::notice::Notice;
use crate::visit::{Owner, Visit};
use auth::WebSession;
use store::Error;

/// What `layout.html` shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    /// Who is logged in.
    pub(crate) user: Option<String>,
    /// They are an administrator, of the server or of some domains.
    pub(crate) admin: bool,
    /// Of the server.
    pub(crate) admin_of_all: bool,
    /// What every form carries.
    pub(crate) csrf: String,
    /// Which entry of the navigation this is.
    pub(crate) here: &'static str,
    /// What is said once.
    pub(crate) notice: Option<Notice>,
    /// What is wrong with the server, and concerns everybody.
    pub(crate) trouble: Option<String>,
}

impl Frame {
    /// Around a page of somebody who is logged in. Takes the notice that waits.
    pub(crate) fn of(owner: &Owner, here: &'static str) -> Self {
        let Proof::Session(session) = &owner.proof else { return Self::default() };
        let notice = owner.site.notices().take(&session.id);
        let trouble = owner.site.auth().store().takes_mail().err().map(trouble);
        Self { notice, trouble, ..Self::around(session, here) }
    }

    /// Around a page for anybody: with the navigation if they are logged in.
    pub(crate) fn for_anybody(visit: &Visit, here: &'static str) -> Self {
        // A fault is told by the page that needs the session, not by its frame.
        let session = visit.session().ok().flatten();
        session.map_or_else(|| Self { here, ..Self::default() }, |session| Self::around(&session, here))
    }

    /// Around a page of somebody whose session has begun just now.
    pub(crate) fn around(session: &WebSession, here: &'static str) -> Self {
        let (user, csrf) = (Some(session.address.clone()), session.csrf.clone());
        let (admin, admin_of_all) = (session.is_admin || !session.administers.is_empty(), session.is_admin);
        Self { user, admin, admin_of_all, csrf, here, notice: None, trouble: None }
    }

    /// Around a page with a form for those who are not logged in: `token` goes into the visitor's cookie.
    pub(crate) fn for_visitor(visit: &Visit, token: &str, here: &'static str) -> Self {
        Self { csrf: visit.site.key().csrf(token), here, ..Self::default() }
    }

    /// The tag of the language that it is written in.
    pub(crate) fn language(&self) -> &'static str {
        wording::language().tag()
    }

    /// Where the style is.
    pub(crate) fn style(&self) -> &'static str {
        asset::style_path()
    }

    /// Where the script is.
    pub(crate) fn script(&self) -> &'static str {
        asset::script_path()
    }

    /// What it is known by.
    pub(crate) fn script_hash(&self) -> &'static str {
        asset::script_hash()
    }

    /// Where the icon is.
    pub(crate) fn icon(&self) -> &'static str {
        asset::icon_path()
    }
}

/// Why no mail is taken, for whoever looks at their pages.
fn trouble(why: Error) -> String {
    if let Error::NoSpace(why) = why {
        return tr!("This is no fault of yours: {why}. What is here can be read and deleted.", why);
    }
    tr!(
        "This is no fault of yours: {why}. Mail can be read; none comes in, and none can be sent, until the server was \
         started on a disk that it can write to.",
        why
    )
}
