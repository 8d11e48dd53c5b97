//! What is held because a device removed far more than it ever did: the console of an account for the command line.

use console::{HeldAsk, HeldCard, HeldOutcome};
use serde::{Deserialize, Serialize};

use super::{Admin, Item, Items};
use crate::control::Failure;

/// What can be asked about what is held.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldRequest {
    /// What waits for an answer, the newest first: [`Item::Held`] each.
    List {
        /// Whose.
        account: String,
        /// Also what was answered lately.
        answered: bool,
    },
    /// Answers. Answered with [`Item::HeldOutcome`].
    Answer {
        /// Whose.
        account: String,
        /// What.
        ask: HeldAsk,
    },
    /// Switches the brake on or off. Answered with [`Item::Brake`].
    Brake {
        /// Whose.
        account: String,
        /// A device's name or number; without one, that of new devices.
        device: Option<String>,
        /// Whether it is on.
        on: bool,
    },
}

/// Whether a brake is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrakeItem {
    /// The name of the device; none for new devices.
    pub device: Option<String>,
    /// Whether it is on.
    pub on: bool,
}

impl HeldRequest {
    pub(super) fn execute(self, admin: &Admin, item: Items<'_>) -> Result<(), Failure> {
        match self {
            Self::List { account, answered } => {
                let holds: Vec<HeldCard> = admin.console(&account)?.holds(answered)?;
                holds.into_iter().try_for_each(|card| Ok(item(Item::Held(card))?))
            }
            Self::Answer { account, ask } => {
                let outcome: HeldOutcome = admin.console(&account)?.answer_hold(ask)?;
                Ok(item(Item::HeldOutcome(Box::new(outcome)))?)
            }
            Self::Brake { account, device: None, on } => {
                admin.console(&account)?.set_brake_of_new_devices(on)?;
                Ok(item(Item::Brake(BrakeItem { device: None, on }))?)
            }
            Self::Brake { account, device: Some(device), on } => {
                let console = admin.console(&account)?;
                let id = console.find_device(&device)?;
                console.set_brake(id, on)?;
                let device = Some(console.device_card(id)?.name);
                Ok(item(Item::Brake(BrakeItem { device, on }))?)
            }
        }
    }
}
