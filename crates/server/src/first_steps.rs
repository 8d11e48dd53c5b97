//! The first steps of a server: its configuration, its domain with the keys that sign, its first administrator.
//!
//! Whatever is there already is left as it is, so it can be done again after it was interrupted, and what is missing is made.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use auth::generate_password;
use directory::{Address, Directory};
use store::Timestamp;
use web::setup::{DnsRecord, records_of};

use crate::clock::Clock;
use crate::config::{Config, is_hostname};
use crate::lifecycle::DataDir;
use crate::services::offered;
use crate::setup::SetupError;
use crate::stores::Stores;

/// What was made, and what there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstSteps {
    /// Where all mail is kept.
    pub data_dir: PathBuf,
    /// The domain, in A-labels.
    pub domain: String,
    /// The administrator's address.
    pub administrator: String,
    /// Of an account that was made just now: its password, which nobody can show again.
    pub password: Option<String>,
    /// What to publish in the DNS.
    pub records: Vec<DnsRecord>,
}

/// Writes the configuration `file` of a server `hostname` with the administrator's address as its contact, unless there is one; whether there
/// was none. `data_dir` is where it has the data; `None`: at the usual place.
///
/// # Errors
/// A name that is none; a file that cannot be written.
pub fn configure(
    file: &Path,
    data_dir: Option<&Path>,
    hostname: &str,
    administrator: &str,
) -> Result<bool, SetupError> {
    let (hostname, address) = names(hostname, administrator)?;
    write_config(file, data_dir, &hostname, &address.text())
}

fn names(hostname: &str, administrator: &str) -> Result<(String, Address), SetupError> {
    let hostname = hostname.trim().to_ascii_lowercase();
    if !is_hostname(&hostname) || !hostname.contains('.') {
        return Err(SetupError::new(format!("“{hostname}” is no host name; write it as mail.example.org")));
    }
    let address = Address::parse(administrator).map_err(SetupError::new)?;
    if address.local_part.is_empty() {
        return Err(SetupError::new(format!("“{administrator}” is not an address; write it as name@example.org")));
    }
    Ok((hostname, address))
}

/// Makes what is missing of a server that is configured in `file`: the domain of `administrator`, and its account.
///
/// # Errors
/// A name that is none; a configuration of another server; a server that runs; files that cannot be written.
pub fn first_steps(file: &Path, hostname: &str, administrator: &str) -> Result<FirstSteps, SetupError> {
    let (hostname, address) = names(hostname, administrator)?;
    let config = Config::load(file).map_err(|error| SetupError::new(error.to_string()))?;
    if !config.hostname.eq_ignore_ascii_case(&hostname) {
        return Err(SetupError::new(format!(
            "{} is the configuration of {}; name another file with --config, or correct `hostname` there",
            file.display(),
            config.hostname
        )));
    }
    let data = DataDir::open(&config.data_dir)?;
    let stores = Stores::open(&data, &config)?;
    let directory = stores.auth.directory();
    let now = Timestamp(Clock::start().now().unix_millis);
    let password = enter(directory, &address, now).map_err(|error| SetupError::new(error.to_string()))?;
    let offered = offered(&config, &config.addresses());
    let records = records_of(directory, &address.domain, &offered, now);
    let records = records.map_err(|error| SetupError::new(error.to_string()))?.map(|(_, records)| records);
    Ok(FirstSteps {
        data_dir: config.data_dir,
        domain: address.domain.clone(),
        administrator: address.text(),
        password,
        records: records.unwrap_or_default(),
    })
}

/// Writes the configuration, unless there is one; whether there was none.
fn write_config(file: &Path, data_dir: Option<&Path>, hostname: &str, contact: &str) -> Result<bool, SetupError> {
    let data_dir = match data_dir {
        Some(data_dir) => std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned()),
        None => Config::default().data_dir,
    };
    let data_dir = toml::Value::from(data_dir.to_string_lossy().into_owned());
    let contact = toml::Value::from(contact);
    let text = format!(
        "# Made by `pillarbox setup`. `pillarbox check-config --print-docs` explains all options.\n\
         hostname = \"{hostname}\"\ndata_dir = {data_dir}\n\
         # Mail goes out to the hosts of its recipients' domains. Through somebody else's: \"smarthost\", and [smarthost].\n\
         delivery.by = \"mx\"\n\
         # Certificates come by themselves, under the terms of Let's Encrypt: https://letsencrypt.org/repository/\n\
         tls.acme = \"letsencrypt\"\ntls.acme_contact = {contact}\n\
         # Port 80 sends browsers to the pages, and helps to get certificates.\n\
         listen.redirect = [\"[::]:80\"]\n"
    );
    // Never one that is there: not even one that comes just now.
    let written = OpenOptions::new().write(true).create_new(true).open(file).and_then(|mut new| {
        new.write_all(text.as_bytes())?;
        new.sync_all()
    });
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(SetupError::file("write", file, &error, "check the directory, and who may write there")),
    }
}

/// Makes the domain and the administrator, as far as they are missing; gives the password of a new account.
fn enter(directory: &Directory, address: &Address, now: Timestamp) -> Result<Option<String>, directory::Error> {
    if !directory.is_local_domain(&address.domain)? {
        directory.add_domain(&address.domain)?;
    }
    let text = address.text();
    let password = match directory.account(&text)? {
        Some(_) => None,
        None => {
            let password = generate_password()?;
            directory.add_account(&text, &password, "", now)?;
            Some(password)
        }
    };
    if directory.account(&text)?.is_some_and(|account| !account.admin) {
        directory.set_admin(&text, true)?;
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_second_time_makes_nothing_and_overwrites_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (file, data) = (dir.path().join("pillarbox.toml"), dir.path().join("da \"ta"));
        let steps = |host: &str, who: &str| {
            let is_new = configure(&file, Some(&data), host, who)?;
            first_steps(&file, host, who).map(|steps| (is_new, steps))
        };
        for (host, who) in
            [("mail", "you@example.org"), ("mail.example.org", "you"), ("mail.example.org", "@example.org")]
        {
            assert!(steps(host, who).is_err(), "{host} {who}");
        }
        assert!(!file.exists() && !data.exists(), "what cannot be done was begun");
        let (is_new, first) = steps("Mail.example.org", "You@Example.org").unwrap();
        assert!(is_new && first.password.is_some() && first.data_dir == data, "{first:?}");
        let key = |record: &DnsRecord| record.name.contains("-rsa._domainkey.example.org.");
        assert!(first.records.iter().any(key) && first.records[0].value == "10 mail.example.org.");

        fs::write(&file, fs::read_to_string(&file).unwrap() + "queue.lifetime_hours = 24\n").unwrap();
        let mine = fs::read_to_string(&file).unwrap();
        assert!(Config::load(&file).unwrap().uses_mx(), "a mail host sends mail");
        let second = steps("mail.example.org", "you@example.org").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), mine);
        assert_eq!(second, (false, FirstSteps { password: None, ..first.clone() }));

        let other = steps("mail.example.net", "you@example.org").unwrap_err().to_string();
        assert!(other.contains("is the configuration of mail.example.org"), "{other}");
        // Somebody else in another domain, later.
        let (_, third) = steps("mail.example.org", "me@example.net").unwrap();
        assert!(third.password.is_some() && third.domain == "example.net");
    }

    #[test]
    fn what_was_interrupted_is_brought_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let (file, data) = (dir.path().join("pillarbox.toml"), dir.path().join("data"));
        assert!(write_config(&file, Some(&data), "mail.example.org", "you@example.org").unwrap());
        {
            let config = Config::load(&file).unwrap();
            let data = DataDir::open(&config.data_dir).unwrap();
            let stores = Stores::open(&data, &config).unwrap();
            stores.auth.directory().add_domain("example.org").unwrap();
        }
        assert!(!configure(&file, Some(&data), "mail.example.org", "you@example.org").unwrap());
        let steps = first_steps(&file, "mail.example.org", "you@example.org").unwrap();
        assert!(steps.password.is_some());
        let config = Config::load(&file).unwrap();
        let data = DataDir::open(&config.data_dir).unwrap();
        let stores = Stores::open(&data, &config).unwrap();
        let account = stores.auth.directory().account("you@example.org").unwrap().unwrap();
        assert!(account.admin && stores.auth.directory().has_administrator().unwrap());
    }
}
