//! What holds for every page and every endpoint: played by a browser without a screen against a site in memory.

mod accounts;
mod api;
mod domain_administrators;
mod help;
mod junk_filter;
mod languages;
mod lists;
mod login;
mod mail;
mod operator;
mod passed;
mod people;
mod queue;
mod read;
mod refused;
mod reports;
mod sessions;
mod setup;
mod shares;
mod test_mail;
mod walls;
