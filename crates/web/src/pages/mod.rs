//! The pages, one file each with a template of the same name in `templates/`. A new page is a file with its `ROUTES`, a
//! line here, a template and, if people should find it, an entry in `templates/layout.html`.

mod account;
mod add_device;
mod admin;
mod devices;
mod discovery;
mod explain;
mod find;
mod forward;
mod held;
mod home;
mod join;
mod join_list;
mod leave_list;
mod lists;
mod login;
mod offers;
mod read;
mod refused;
mod scheduled;
mod shares;
mod storage;
mod test_mail;
mod timeline;
mod undo;
mod well_known;

use crate::route::Route;

/// The routes of all pages.
pub(crate) fn routes() -> impl Iterator<Item = Route> {
    ROUTES.iter().chain(admin::ROUTES).flat_map(|routes| routes.iter().copied())
}

const ROUTES: &[&[Route]] = &[
    home::ROUTES,
    login::ROUTES,
    join::ROUTES,
    join_list::ROUTES,
    account::ROUTES,
    devices::ROUTES,
    add_device::ROUTES,
    discovery::ROUTES,
    offers::ROUTES,
    held::ROUTES,
    refused::ROUTES,
    forward::ROUTES,
    shares::ROUTES,
    scheduled::ROUTES,
    leave_list::ROUTES,
    lists::ROUTES,
    storage::ROUTES,
    test_mail::ROUTES,
    find::ROUTES,
    read::ROUTES,
    timeline::ROUTES,
    undo::ROUTES,
    explain::ROUTES,
    well_known::ROUTES,
];
