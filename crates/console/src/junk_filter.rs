//! Whether the server puts mail of an account into Junk.

use crate::account::AccountConsole;
use crate::error::Error;
use auth::Auth;
use serde::{Deserialize, Serialize};
use wording::tr;

/// Whether it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JunkFilterCard {
    /// It does.
    pub on: bool,
    /// The same in words.
    pub text: String,
}

impl AccountConsole {
    /// Whether the server puts mail into Junk.
    ///
    /// # Errors
    /// Faults.
    pub fn junk_filter(&self, auth: &Auth) -> Result<JunkFilterCard, Error> {
        let on = auth.directory().filters_junk(self.account.id())?;
        let text = match on {
            true => tr!("What this server takes for junk goes to Junk, and it learns from what you put there."),
            false => tr!("This server puts nothing into Junk, and learns nothing from what you put there."),
        };
        Ok(JunkFilterCard { on, text: text.to_owned() })
    }

    /// Switches that.
    ///
    /// # Errors
    /// Faults.
    pub fn set_junk_filter(&self, auth: &Auth, is_on: bool) -> Result<JunkFilterCard, Error> {
        auth.directory().set_filters_junk(self.account.id(), is_on)?;
        self.junk_filter(auth)
    }
}
