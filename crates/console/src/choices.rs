//! What the owner chooses: for a device, and for those that are still to come.

use crate::account::AccountConsole;
use crate::devices::DeviceCard;
use crate::error::Error;
use crate::moment::shown;
use crate::words;
use auth::Auth;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::str::FromStr;
use store::DeviceId;
use store::pop::{PopSettings, Scope, Window};
use store::removal::RemovalPolicy;

/// Settings by name; what is not given stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PopChoice {
    /// What deletions over POP do: [`store::removal::RemovalPolicy`].
    pub policy: Option<String>,
    /// From when on mail is listed: [`store::pop::Window`].
    pub window: Option<String>,
    /// Which mailboxes mail is listed from: [`store::pop::Scope`].
    pub scope: Option<String>,
}

/// The settings of a device, or of those that are still to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defaults {
    /// The name of a policy.
    pub policy: String,
    /// From when on mail is listed.
    pub window: String,
    /// Which mailboxes mail is listed from.
    pub scope: String,
    /// Whether their removals are held when they are far more than usual.
    pub brake: bool,
}

/// A device that was added just now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedDevice {
    /// The device.
    #[serde(flatten)]
    pub card: DeviceCard,
    /// Its application password: shown now and never again.
    pub password: String,
}

/// A token that a device was given just now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewToken {
    /// The device.
    #[serde(flatten)]
    pub card: DeviceCard,
    /// Shown now and never again.
    pub token: String,
    /// From then on it does not count.
    pub expires_at: String,
}

/// A token counts for so many days where nobody says for how many.
pub const TOKEN_DAYS: u16 = 90;

/// Everything that can be chosen, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PopChoices {
    /// What deletions do.
    pub policies: Vec<Choice>,
    /// From when on mail is listed.
    pub windows: Vec<Choice>,
    /// Which mailboxes mail is listed from.
    pub scopes: Vec<Choice>,
}

/// Something that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Its name, without days.
    pub name: String,
    /// In a few words.
    pub title: String,
    /// What it means.
    pub text: String,
    /// It is the one that holds now.
    pub chosen: bool,
    /// It needs a number of days: those that hold now, or that are usual.
    pub days: Option<u16>,
}

impl PopChoice {
    /// Whether all names are such.
    ///
    /// # Errors
    /// As [`PopChoice::apply`], in words.
    pub fn check(&self) -> Result<(), String> {
        self.apply(PopSettings::default()).map(drop).map_err(|error| error.to_string())
    }

    /// The settings with these changes.
    ///
    /// # Errors
    /// A name that there is not; the text says which there are.
    pub fn apply(&self, to: PopSettings) -> Result<PopSettings, Error> {
        Ok(PopSettings {
            removal: chosen(self.policy.as_deref(), to.removal)?,
            window: chosen(self.window.as_deref(), to.window)?,
            scope: chosen(self.scope.as_deref(), to.scope)?,
        })
    }
}

impl AccountConsole {
    /// Adds a device with an application password, which is given with its number; what `pop` leaves open is as for new
    /// devices.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that there is not, or that another device has; faults.
    pub fn add_device(&self, auth: &Auth, name: &str, pop: &PopChoice) -> Result<(DeviceId, String), Error> {
        let pop = pop.apply(self.account.settings()?.pop)?;
        Ok(auth.add_device(self.account.id(), name, Some(pop), self.actor.now)?)
    }

    /// Gives a device a token that counts for so many days, without them for [`TOKEN_DAYS`], in place of the one that it had.
    ///
    /// # Errors
    /// [`Error::Refused`]: it logs in with the main password, is revoked or not there, other days than
    /// [`auth::TOKEN_DAYS_MAX`] allows; faults.
    pub fn make_token(&self, auth: &Auth, id: DeviceId, days: Option<u16>) -> Result<NewToken, Error> {
        let days = days.unwrap_or(TOKEN_DAYS);
        let (token, expires_at) = auth.make_token(self.account.id(), id, days, self.actor.now)?;
        Ok(NewToken { card: self.device_card(id)?, token, expires_at: shown(expires_at) })
    }

    /// Changes the POP settings of a device. `saves_sent`: whether what it sends is saved to Sent.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that there is not, [`store::Error::NoSuchDevice`] (revoked, too), faults.
    pub fn choose(&self, id: DeviceId, pop: &PopChoice, saves_sent: Option<bool>) -> Result<DeviceCard, Error> {
        let device = self.device(id)?;
        let pop = pop.apply(device.pop)?;
        if pop != device.pop {
            self.account.set_pop_settings(self.actor, id, pop)?;
        }
        if let Some(saves_sent) = saves_sent.filter(|wanted| *wanted != device.saves_sent) {
            self.account.set_saves_sent(self.actor, id, saves_sent)?;
        }
        self.device_card(id)
    }

    /// What can be chosen for a device, or for those that are still to come.
    ///
    /// # Errors
    /// [`store::Error::NoSuchDevice`], faults.
    pub fn choices(&self, device: Option<DeviceId>) -> Result<PopChoices, Error> {
        let now = match device {
            Some(id) => self.device(id)?.pop,
            None => self.account.settings()?.pop,
        };
        let windows = [Window::Everything, Window::FromNowOn, Window::LastDays(30)];
        Ok(PopChoices {
            policies: RemovalPolicy::ALL.iter().map(|policy| of_policy(*policy, now.removal)).collect(),
            windows: windows.iter().map(|window| of_window(*window, now.window)).collect(),
            scopes: [Scope::InboxAndFiled, Scope::Inbox, Scope::AllButSpecial]
                .map(|scope| of_scope(scope, now.scope))
                .into(),
        })
    }

    /// What new devices begin with.
    ///
    /// # Errors
    /// Faults.
    pub fn defaults(&self) -> Result<Defaults, Error> {
        let settings = self.account.settings()?;
        let PopSettings { removal, window, scope } = settings.pop;
        let (policy, window, scope) = (removal.to_string(), window.to_string(), scope.to_string());
        Ok(Defaults { policy, window, scope, brake: settings.brake })
    }

    /// Changes what new devices begin with.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that there is not, faults.
    pub fn choose_defaults(&self, pop: &PopChoice, brake: Option<bool>) -> Result<Defaults, Error> {
        let settings = self.account.settings()?;
        let (pop, brake) = (pop.apply(settings.pop)?, brake.unwrap_or(settings.brake));
        if (pop, brake) != (settings.pop, settings.brake) {
            self.account.change_settings(self.actor, move |settings| (settings.pop, settings.brake) = (pop, brake))?;
        }
        self.defaults()
    }

    /// The owner has seen what a device does over POP: it is no news any more.
    ///
    /// # Errors
    /// [`store::Error::NoSuchDevice`] (revoked, too), faults.
    pub fn introduce(&self, id: DeviceId) -> Result<DeviceCard, Error> {
        if !self.device(id)?.introduced {
            self.account.introduce(self.actor, id)?;
        }
        self.device_card(id)
    }

    /// The owner says that it is one program that logs in as a device over POP, which was updated.
    ///
    /// # Errors
    /// [`store::Error::NoSuchDevice`] (revoked, too), faults.
    pub fn is_one_program(&self, id: DeviceId) -> Result<DeviceCard, Error> {
        if self.device(id)?.shared_until().is_some() {
            self.account.is_one_program(self.actor, id)?;
        }
        self.device_card(id)
    }

    /// Takes a device's right to log in, at once. What it did stays known, and can be undone.
    ///
    /// # Errors
    /// [`store::Error::NoSuchDevice`] (revoked already), faults.
    pub fn revoke(&self, id: DeviceId) -> Result<(), Error> {
        Ok(self.account.revoke_device(self.actor, id)?)
    }
}

fn chosen<T: FromStr<Err: Display>>(name: Option<&str>, now: T) -> Result<T, Error> {
    let Some(name) = name else { return Ok(now) };
    name.parse().map_err(|error| Error::refused(format!("“{name}”: {error}")))
}

fn of_policy(policy: RemovalPolicy, now: RemovalPolicy) -> Choice {
    let days = |policy: RemovalPolicy| match policy {
        RemovalPolicy::ExpungeAfterDays(days) => Some(days),
        RemovalPolicy::KeepWhenShared
        | RemovalPolicy::Keep
        | RemovalPolicy::MarkRead
        | RemovalPolicy::Archive
        | RemovalPolicy::Trash
        | RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt
        | RemovalPolicy::Expunge => None,
    };
    Choice::of(policy, now, words::policy_choice(policy), (days(policy), days(now)))
}

fn of_window(window: Window, now: Window) -> Choice {
    let days = |window: Window| match window {
        Window::LastDays(days) => Some(days),
        Window::Everything | Window::FromNowOn => None,
    };
    Choice::of(window, now, words::window_choice(window), (days(window), days(now)))
}

fn of_scope(scope: Scope, now: Scope) -> Choice {
    Choice::of(scope, now, words::scope_choice(scope), (None, None))
}

impl Choice {
    /// `days`: those of the choice, and those that hold now.
    fn of<T: Display + Copy>(one: T, now: T, words: (&str, &str), days: (Option<u16>, Option<u16>)) -> Self {
        let bare = |choice: T| choice.to_string().split('(').next().unwrap_or_default().to_owned();
        let (usual, current) = days;
        Self {
            name: bare(one),
            title: words.0.to_owned(),
            text: words.1.to_owned(),
            chosen: bare(one) == bare(now),
            days: usual.map(|usual| current.unwrap_or(usual)),
        }
    }
}
