//! The devices of an account, as their owner sees them.

use crate::account::AccountConsole;
use crate::error::Error;
use crate::moment::shown;
use crate::words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::brake::Burst;
use store::device::{Credential, Device};
use store::removal::{Effect, RemovalPolicy};
use store::{Change, DeviceId, OfDevice, OfMessages, OfPop, Protocol, Retained, Role, TimelineQuery, Timestamp};

/// "Lately" is so many days.
pub(crate) const LATELY_DAYS: u16 = 7;
/// What a device did lately is told from so many entries of the journal at most.
const ENTRIES_MAX: usize = 10_000;

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCard {
    /// Its number within the account.
    pub id: u32,
    /// Its name for people.
    pub name: String,
    /// Whether its password is one of its own.
    pub own_password: bool,
    /// It may show a token as well; from then on it may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_until: Option<String>,
    /// Nobody logs in with it: it stands for mail that is brought from elsewhere.
    #[serde(default)]
    pub is_import: bool,
    /// The protocols that it has used.
    pub protocols: Vec<String>,
    /// What its program called itself.
    pub program: Option<String>,
    /// When it was added.
    pub added_at: String,
    /// When it logged in last, exact to some minutes.
    pub last_seen_at: Option<String>,
    /// From where.
    pub last_seen_from: Option<String>,
    /// Under which version of TLS.
    pub tls: Option<String>,
    /// So many connections it has to this server now, where that is looked at.
    #[serde(default)]
    pub connected: usize,
    /// Since when it may not log in.
    pub revoked_at: Option<String>,
    /// It uses POP and its owner has not seen yet what it does: that, in words.
    pub news: Option<String>,
    /// Two programs seem to use it over POP, and its owner has not said whether they do: that, in words.
    pub perhaps_two: Option<String>,
    /// What its POP deletions do: the name of a policy.
    pub policy: String,
    /// The same in words.
    pub policy_text: String,
    /// From when on it lists mail over POP.
    pub window: String,
    /// Which mailboxes it lists mail from over POP.
    pub scope: String,
    /// Whether what it sends is saved to Sent.
    pub saves_sent: bool,
    /// What it did in the last `LATELY_DAYS` days.
    pub traffic: Traffic,
    /// The same in words.
    pub lately: Vec<String>,
    /// Whether its removals are held when they are far more than usual.
    pub brake: bool,
    /// Messages that it removed from the mailbox and that can be put back.
    pub restorable: u64,
    /// Whether mail is safe from it.
    pub light: Light,
    /// Why.
    pub light_reason: String,
    /// What its owner may want to know or do.
    pub advice: Vec<String>,
}

/// Numbers of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Downloaded over POP.
    pub downloaded: usize,
    /// Deleted from its own list over POP.
    pub deleted_from_its_list: usize,
    /// Removed from the mailbox.
    pub removed: usize,
    /// Not removed from the mailbox, because that is held.
    pub held: usize,
    /// Moved to another mailbox.
    pub moved: usize,
    /// Given other flags.
    pub marked: usize,
    /// Put into the mailbox.
    pub added: usize,
}

/// Whether mail is safe from a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// It takes nothing from the others.
    Green,
    /// It changes what the others see, as its owner chose.
    Amber,
    /// It takes mail from the others.
    Red,
}

/// Mail that a device took, and that the others may want back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Which device took it.
    pub device_id: u32,
    /// Its name.
    pub device: String,
    /// So many messages can be put back.
    pub messages: u64,
    /// Their octets.
    pub bytes: u64,
}

impl DeviceCard {
    /// Whether its owner is asked something about it.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.news.is_some() || self.perhaps_two.is_some()
    }
}

impl AccountConsole {
    /// All devices that may log in, the one that was seen last first; `revoked`: the others too, behind them.
    ///
    /// # Errors
    /// Faults.
    pub fn devices(&self, revoked: bool) -> Result<Vec<DeviceCard>, Error> {
        let devices = self.account.devices()?;
        let (traffic, retained, bursts) = (self.traffic()?, self.account.retained_by_device()?, self.account.bursts()?);
        let mut shown: Vec<&Device> = devices.values().filter(|d| revoked || d.revoked_at.is_none()).collect();
        shown.sort_by_key(|device| {
            let seen = device.last_login.as_ref().map_or(device.added_at, |login| login.at);
            (device.revoked_at.is_some(), std::cmp::Reverse(seen))
        });
        let card = |device: &Device| {
            let others = Others::of(device, &devices, self.actor.now);
            let did = Did {
                traffic: traffic.get(&device.id).copied().unwrap_or_default(),
                retained: retained.get(&device.id).copied().unwrap_or_default(),
                burst: bursts.get(&device.id),
            };
            card(device, &others, &did)
        };
        Ok(shown.into_iter().map(card).collect())
    }

    /// One device.
    ///
    /// # Errors
    /// [`store::Error::NoSuchDevice`], faults.
    pub fn device_card(&self, id: DeviceId) -> Result<DeviceCard, Error> {
        let device = self.device(id)?;
        let others = Others::of(&device, &*self.account.devices()?, self.actor.now);
        let bursts = self.account.bursts()?;
        let did = Did {
            traffic: self.traffic()?.get(&id).copied().unwrap_or_default(),
            retained: self.account.retained_by_device()?.get(&id).copied().unwrap_or_default(),
            burst: bursts.get(&id),
        };
        Ok(card(&device, &others, &did))
    }

    /// What POP devices took from the mailbox and others may want back: offered as soon as a second device reads the
    /// account, until it is put back, declined or not kept any more. Not of a device that is to delete for all: that is what its
    /// owner chose.
    ///
    /// # Errors
    /// Faults.
    pub fn offers(&self) -> Result<Vec<Offer>, Error> {
        let devices = self.account.devices()?;
        let mut offers = Vec::new();
        for (id, Retained { messages, bytes }) in self.account.retained_by_device()? {
            let Some(device) = devices.get(&id).filter(|device| device.has_used(Protocol::Pop3)) else { continue };
            // Its owner has chosen that what it deletes is deleted for all.
            if !matches!(device.pop.removal.decide(true), Effect::Keep | Effect::MarkRead | Effect::MoveTo(_)) {
                continue;
            }
            let is_shared = devices.values().any(|other| other.id != id && other.reads_mail());
            if is_shared && !device.has_used(Protocol::Imap) && device.offer_declined_at.is_none() {
                offers.push(Offer { device_id: id.0, device: device.shown_name().to_string(), messages, bytes });
            }
        }
        Ok(offers)
    }

    /// Chooses whether what a device sends is saved to Sent.
    ///
    /// # Errors
    /// [`store::Error::NoSuchDevice`] (revoked, too), [`store::Error::NoSpace`], faults.
    pub fn set_saves_sent(&self, id: DeviceId, saves_sent: bool) -> Result<(), Error> {
        Ok(self.account.set_saves_sent(self.actor, id, saves_sent)?)
    }

    /// What each device did lately.
    fn traffic(&self) -> Result<BTreeMap<DeviceId, Traffic>, Error> {
        let since = Some(self.actor.now.days_before(LATELY_DAYS));
        let query = TimelineQuery { since, limit: ENTRIES_MAX, ..TimelineQuery::default() };
        let mailboxes = self.account.mailboxes()?;
        let held = mailboxes.iter().find(|mailbox| mailbox.role == Some(Role::Held)).map(|mailbox| mailbox.id);
        let mut by_device: BTreeMap<DeviceId, Traffic> = BTreeMap::new();
        for entry in self.account.timeline(&query)?.entries {
            let traffic = by_device.entry(entry.device).or_default();
            let count = entry.change.emails().len();
            match entry.change {
                Change::Pop(OfPop::Taken { .. }) => traffic.downloaded += count,
                Change::Pop(OfPop::Deleted { .. }) => traffic.deleted_from_its_list += count,
                Change::Messages(OfMessages::Expunged { .. }) => traffic.removed += count,
                Change::Messages(OfMessages::Moved { to, .. }) if Some(to) == held => {}
                Change::Device(OfDevice::Held { .. }) => traffic.held += count,
                Change::Messages(OfMessages::Moved { .. }) => traffic.moved += count,
                Change::Messages(OfMessages::Reflagged { .. }) => traffic.marked += count,
                Change::Messages(OfMessages::Added { .. }) => traffic.added += count,
                Change::Messages(OfMessages::Restored { .. })
                | Change::Mailbox(_)
                | Change::Pop(OfPop::Relisted { .. } | OfPop::UidlsKept { .. })
                | Change::Device(
                    OfDevice::Added { .. }
                    | OfDevice::Changed { .. }
                    | OfDevice::Revoked { .. }
                    | OfDevice::HoldAnswered { .. },
                )
                | Change::Account(_) => {}
            }
        }
        Ok(by_device)
    }
}

/// What a device did.
struct Did<'a> {
    traffic: Traffic,
    retained: Retained,
    /// Far more than ever.
    burst: Option<&'a Burst>,
}

/// What a device's safety depends on beside itself.
struct Others {
    now: Timestamp,
    /// Another device reads the account.
    shared: bool,
    /// Programs that have the same password, as far as they can be told apart.
    login: SharedLogin,
}

/// What is known of the POP programs with one password.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SharedLogin {
    /// It is the device's own.
    Own,
    /// The main password, and one program; another one that logs in alike could not be told from it.
    One,
    /// The main password; two programs seem to use it in turns.
    Perhaps,
    /// The main password, and more than one program, each with its own list.
    Apart,
}

impl Others {
    fn of(device: &Device, devices: &BTreeMap<DeviceId, Device>, now: Timestamp) -> Self {
        let shared = devices.values().any(|other| other.id != device.id && other.reads_mail());
        Self { now, shared, login: SharedLogin::of(device, devices, now) }
    }
}

fn card(device: &Device, others: &Others, did: &Did<'_>) -> DeviceCard {
    let (light, light_reason) = light(device, others, did);
    let Did { traffic, retained, .. } = *did;
    let login = device.last_login.as_ref();
    let used = Protocol::ALL.into_iter().filter(|protocol| device.has_used(*protocol));
    DeviceCard {
        id: device.id.0,
        name: device.shown_name().to_string(),
        own_password: matches!(device.credential, Credential::ApplicationPassword { .. }),
        token_until: device.token.filter(|token| token.counts_at(others.now)).map(|token| shown(token.expires_at)),
        is_import: matches!(device.credential, Credential::Import { .. }),
        protocols: used.map(|protocol| words::protocol(protocol).to_owned()).collect(),
        program: login.and_then(|login| login.program.clone()),
        added_at: shown(device.added_at),
        last_seen_at: login.map(|login| shown(login.at)),
        // From where a guest comes is not their host's to know.
        last_seen_from: login.map(|login| login.address.clone()).filter(|address| !address.is_empty()),
        tls: login.and_then(|login| login.tls.clone()),
        connected: 0,
        revoked_at: device.revoked_at.map(shown),
        news: is_new(device).then(|| words::policy(device.pop.removal, others.shared)),
        perhaps_two: perhaps_two(device, others),
        policy: device.pop.removal.to_string(),
        policy_text: words::policy(device.pop.removal, others.shared),
        window: device.pop.window.to_string(),
        scope: device.pop.scope.to_string(),
        saves_sent: device.saves_sent,
        traffic,
        lately: words::lately(&traffic),
        brake: device.brake,
        restorable: retained.messages,
        light,
        light_reason,
        advice: advice(device, others),
    }
}

fn is_new(device: &Device) -> bool {
    device.has_used(Protocol::Pop3) && !device.introduced && device.revoked_at.is_none()
}

fn perhaps_two(device: &Device, others: &Others) -> Option<String> {
    let until = device.shared_until().filter(|_| others.login == SharedLogin::Perhaps)?;
    Some(words::perhaps_two(&shown(until)))
}

/// What it did comes first, then what it may do.
fn light(device: &Device, others: &Others, did: &Did<'_>) -> (Light, String) {
    let is_told = |burst: &&Burst| burst.is_held || burst.at >= others.now.days_before(LATELY_DAYS);
    if let Some(burst) = did.burst.filter(is_told) {
        let light = if burst.is_held { Light::Red } else { Light::Amber };
        return (light, words::burst(burst));
    }
    if !device.has_used(Protocol::Pop3) {
        return (Light::Green, words::light_imap(device.has_used(Protocol::Imap), &did.traffic));
    }
    let (light, reason) = light_of_policy(device, others);
    (light, reason.to_owned())
}

fn light_of_policy(device: &Device, others: &Others) -> (Light, &'static str) {
    match (device.pop.removal, others.shared) {
        (RemovalPolicy::Expunge, true) => (Light::Red, words::light_expunges()),
        (RemovalPolicy::Keep, _) | (RemovalPolicy::KeepWhenShared, true) => (Light::Green, words::light_keeps()),
        (RemovalPolicy::Expunge | RemovalPolicy::KeepWhenShared, false) => (Light::Green, words::light_alone()),
        (
            RemovalPolicy::MarkRead
            | RemovalPolicy::Archive
            | RemovalPolicy::Trash
            | RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt
            | RemovalPolicy::ExpungeAfterDays(_),
            _,
        ) => (Light::Amber, words::light_changes()),
    }
}

impl SharedLogin {
    fn of(device: &Device, devices: &BTreeMap<DeviceId, Device>, now: Timestamp) -> Self {
        let is_another = |other: &Device| other.id != device.id && other.is_main_password_pop();
        match device.credential {
            Credential::ApplicationPassword { .. } | Credential::Guest { .. } | Credential::Import { .. } => Self::Own,
            Credential::MainPassword { .. } if device.is_main_password_pop() && device.seems_shared(now) => {
                Self::Perhaps
            }
            Credential::MainPassword { .. } if devices.values().any(is_another) => Self::Apart,
            Credential::MainPassword { .. } => Self::One,
        }
    }

    fn words(self) -> Option<&'static str> {
        match self {
            Self::Own => None,
            Self::One => Some(words::login_of_one()),
            // That is a question of its own.
            Self::Perhaps => None,
            Self::Apart => Some(words::login_told_apart()),
        }
    }
}

fn advice(device: &Device, others: &Others) -> Vec<String> {
    if !device.has_used(Protocol::Pop3) || device.revoked_at.is_some() {
        return Vec::new();
    }
    let lines = [Some(words::advice_imap()), others.login.words()];
    lines.into_iter().flatten().map(str::to_owned).collect()
}
