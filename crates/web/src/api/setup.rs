//! A new device: its application password, shown once, and what its program is to be told.

use super::devices::choice;
use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use crate::setup::{self, OfferedService, Profile, Protocol, QrImage, Security};
use console::{Access, Act, PopChoice, SetupGuide, SetupProgram, setup_guide};
use serde::Serialize;

pub(super) const ENDPOINTS: &[Endpoint] =
    &[Endpoint::post("/api/v1/devices", |caller, fields| json(add(caller, fields)?))];

/// A device that was just made.
#[derive(Debug, Serialize)]
pub(crate) struct NewDevice {
    pub(crate) id: u32,
    pub(crate) name: String,
    /// Shown now and never again.
    pub(crate) password: String,
    /// How it reads mail.
    pub(crate) access: Access,
    pub(crate) settings: Vec<Setting>,
    pub(crate) guide: SetupGuide,
    /// Where the profile for Apple's devices is, once.
    pub(crate) profile_path: Option<String>,
    /// A code for the camera.
    #[serde(skip)]
    pub(crate) qr: Option<QrImage>,
}

/// What is typed into a program.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Setting {
    pub(crate) label: &'static str,
    pub(crate) value: String,
}

/// Adds a device: `program`, `access`, `name`, and for POP what its deletions do.
pub(crate) fn add(caller: &Caller, fields: &Fields) -> Result<NewDevice, Problem> {
    caller.may(Act::Decide)?;
    let program = named(fields, "program", SetupProgram::named)?.unwrap_or(SetupProgram::Other);
    let access = named(fields, "access", Access::named)?.unwrap_or(Access::Imap);
    let (own, offered) = (caller.own()?, caller.site.offered());
    let Some(pair) = offered.pair(protocol(access)) else {
        return Err(Problem::refused(tr!("This server offers no {title}.", title = access.title())));
    };
    let pop = if access == Access::Pop3 { choice(fields)? } else { PopChoice::default() };
    let name = fields.optional("name").unwrap_or(program.device_name());
    let (id, password) = caller.console()?.add_device(caller.site.auth(), name, &pop)?;
    let settings = settings(&own.address, &offered.host, (pair.incoming, pair.outgoing));
    let guide = setup_guide(program, access);
    let mut device =
        NewDevice { id: id.0, name: name.to_owned(), password, access, settings, guide, profile_path: None, qr: None };
    device.help_along(caller, program)?;
    Ok(device)
}

impl NewDevice {
    /// What a program can take over by itself.
    fn help_along(&mut self, caller: &Caller, program: SetupProgram) -> Result<(), Problem> {
        let (offered, incoming) = (caller.site.offered(), protocol(self.access));
        let own = caller.own()?;
        let account = caller.site.auth().directory().account(&own.address)?;
        let display = account.map(|account| account.display).unwrap_or_default();
        match program {
            SetupProgram::Iphone => {
                let device = (own.account.0, self.id);
                let profile =
                    Profile { address: &own.address, owner: &display, password: &self.password, device, incoming };
                if let Some(document) = setup::mobileconfig(&profile, offered) {
                    let path = format!("/setup/{}", caller.site.links().make(document, caller.now)?);
                    self.qr = setup::qr(&caller.site.url(&path));
                    self.profile_path = Some(path);
                }
            }
            SetupProgram::Android => {
                let payload = setup::thunderbird_payload((&own.address, &display), &self.password, incoming, offered);
                self.qr = payload.and_then(|payload| setup::qr(&payload));
            }
            SetupProgram::Thunderbird | SetupProgram::Outlook | SetupProgram::Other => {}
        }
        Ok(())
    }
}

pub(crate) fn protocol(access: Access) -> Protocol {
    match access {
        Access::Imap => Protocol::Imap,
        Access::Pop3 => Protocol::Pop3,
    }
}

fn settings(address: &str, host: &str, (incoming, outgoing): (OfferedService, OfferedService)) -> Vec<Setting> {
    let rows = [
        (tr!("User name"), address.to_owned()),
        (tr!("Incoming server"), host.to_owned()),
        (tr!("Incoming port"), incoming.port.to_string()),
        (tr!("Incoming encryption"), encryption(incoming).to_owned()),
        (tr!("Outgoing server (SMTP)"), host.to_owned()),
        (tr!("Outgoing port"), outgoing.port.to_string()),
        (tr!("Outgoing encryption"), encryption(outgoing).to_owned()),
    ];
    rows.into_iter().map(|(label, value)| Setting { label, value }).collect()
}

fn encryption(service: OfferedService) -> &'static str {
    match service.security {
        Security::Tls => "SSL/TLS",
        Security::StartTls => "STARTTLS",
    }
}

/// One of the names that there are; nothing where none is given.
fn named<T>(fields: &Fields, field: &str, find: fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
    let Some(name) = fields.optional(field) else { return Ok(None) };
    find(name).map(Some).ok_or_else(|| Problem::refused(tr!("There is no {field} “{name}”.", field, name)))
}
