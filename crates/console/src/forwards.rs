//! Where the owner of an account has mail forwarded to, and the letters about it: the one with the code to the address that is
//! to agree, and one to the owner whenever it changes, so that nobody does it behind their back.

use crate::account::AccountConsole;
use crate::error::Error;
use crate::letters::{self, Sender};
use crate::moment::shown;
use crate::words;
use auth::Auth;
use directory::{FORWARD_CODE_CHARS, Forward, ForwardState};
use letter::language_of;
use serde::{Deserialize, Serialize};
use wording::{Language, speaking, tr};

/// Where mail is forwarded to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardCard {
    /// Where to; `None`: nowhere.
    pub address: Option<String>,
    /// Whether the mailbox here gets its copy, too.
    pub keeps_copy: bool,
    /// Since when.
    pub since: Option<String>,
    /// An address that has not agreed yet.
    pub asked: Option<String>,
    /// How long its code is good.
    pub asked_until: Option<String>,
    /// The same in words.
    pub text: String,
}

/// How letters about it are sent.
pub struct ForwardLetters<'a> {
    /// The name of the server.
    pub hostname: &'a str,
    /// What is spoken to owners who have chosen no language.
    pub language: Language,
    /// Sends a letter to an address; whether it is under way.
    pub send: &'a dyn Fn(&str, &[u8]) -> bool,
}

impl AccountConsole {
    /// Where mail is forwarded to.
    ///
    /// # Errors
    /// Faults.
    pub fn forward(&self, auth: &Auth) -> Result<ForwardCard, Error> {
        Ok(card(auth.directory().forward_state(self.account.id(), self.actor.now)?))
    }

    /// Asks an address whether it wants the mail; `keeps_copy`: the mailbox here gets it, too. One that works already only changes
    /// that.
    ///
    /// # Errors
    /// It is no address, or in a domain here; a letter went out just now, or cannot go out; faults.
    pub fn ask_for_forward(
        &self,
        auth: &Auth,
        (address, keeps_copy): (&str, bool),
        letters: &ForwardLetters<'_>,
    ) -> Result<ForwardCard, Error> {
        let (directory, account) = (auth.directory(), self.account.id());
        let code = directory.ask_for_forward(account, address, keeps_copy, self.actor.now)?;
        let own = self.own_address(auth)?;
        match code {
            None => self.tell(auth, letters, &own)?,
            Some(code) => {
                let sender = Sender { hostname: letters.hostname, now: self.actor.now };
                let letter = letters::forward_code_letter(address.trim(), &own, &spaced(&code), &sender);
                if !(letters.send)(address.trim(), &letter) {
                    return Err(Error::refused(tr!(
                        "the letter with the code to {address} cannot be sent; this server has no way out, or its log says why",
                        address = address
                    )));
                }
            }
        }
        self.forward(auth)
    }

    /// The address has agreed: its code.
    ///
    /// # Errors
    /// It is the wrong one, or nothing is asked for (any more); faults.
    pub fn confirm_forward(&self, auth: &Auth, code: &str, letters: &ForwardLetters<'_>) -> Result<ForwardCard, Error> {
        auth.directory().confirm_forward(self.account.id(), code, self.actor.now)?;
        self.tell(auth, letters, &self.own_address(auth)?)?;
        self.forward(auth)
    }

    /// Nothing is forwarded any more, nor asked for.
    ///
    /// # Errors
    /// Faults.
    pub fn remove_forward(&self, auth: &Auth, letters: &ForwardLetters<'_>) -> Result<ForwardCard, Error> {
        let before = auth.directory().remove_forward(self.account.id())?;
        if before.is_some() {
            self.tell(auth, letters, &self.own_address(auth)?)?;
        }
        self.forward(auth)
    }

    fn own_address(&self, auth: &Auth) -> Result<String, Error> {
        let info = auth.directory().account_by_id(self.account.id())?;
        info.map(|info| info.address).ok_or(Error::Store(store::Error::NoSuchAccount))
    }

    /// The owner is told, in the mailbox here. It is done, whether they can be told or not.
    fn tell(&self, auth: &Auth, letters: &ForwardLetters<'_>, own: &str) -> Result<(), Error> {
        let sender = Sender { hostname: letters.hostname, now: self.actor.now };
        let language = language_of(auth.store(), self.account.id()).unwrap_or(letters.language);
        let letter = speaking(language, || {
            let card = self.forward(auth)?;
            Ok::<_, Error>(letters::forward_changed_letter(&card.text, &sender))
        })?;
        let _is_sent = (letters.send)(own, &letter);
        Ok(())
    }
}

fn card(state: ForwardState) -> ForwardCard {
    let text = told(&state);
    let (asked, asked_until) = state.asked.map(|(address, until)| (address, shown(until))).unzip();
    ForwardCard {
        keeps_copy: state.active.as_ref().is_none_or(|forward| forward.keeps_copy),
        since: state.active.as_ref().map(|forward| shown(forward.since)),
        address: state.active.map(|forward| forward.address),
        asked,
        asked_until,
        text,
    }
}

/// What an owner has chosen, in words.
fn told(state: &ForwardState) -> String {
    let how = match &state.active {
        None => tr!("Your mail is not forwarded.").to_owned(),
        Some(Forward { address, keeps_copy: true, .. }) => {
            tr!("Your mail is forwarded to {address} and kept here.", address = address)
        }
        Some(Forward { address, keeps_copy: false, .. }) => {
            tr!("Your mail is forwarded to {address} and not kept here.", address = address)
        }
    };
    let asked =
        state.asked.as_ref().map(|(address, _)| tr!("{address} is asked whether it wants that.", address = address));
    words::sentences(&[&how, &asked.unwrap_or_default()])
}

/// A code as people read it.
fn spaced(code: &str) -> String {
    match code.split_at_checked(FORWARD_CODE_CHARS / 2) {
        Some((first, second)) => format!("{first}-{second}"),
        None => code.to_owned(),
    }
}
