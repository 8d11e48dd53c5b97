//! What of a configuration only makes sense together.

use std::net::SocketAddr;

use super::options::OPTIONS;
use super::{Config, DatabaseFiles, Delivery, DeliveryBy, StorageEngine};
use crate::service::Service;

/// What only makes sense together; each problem with the key that it is about.
pub(super) fn contradictions(config: &Config) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if let Some(files) = &config.tls_files {
        let lone = if files.key.as_os_str().is_empty() { Some(("tls.certificate", "tls.key")) } else { None };
        let lone = if files.certificate.as_os_str().is_empty() { Some(("tls.key", "tls.certificate")) } else { lone };
        found.extend(lone.map(|(given, missing)| (given, format!("needs `{missing}` beside it"))));
    }
    found.extend(acme_contradictions(config));
    let has_bucket = config.database.bucket_url_file.is_some();
    match (config.engine, &config.database) {
        (StorageEngine::Postgres, DatabaseFiles { url_file: None, .. }) => {
            found.push(("store.engine", "needs `store.url_file` beside it".to_owned()));
        }
        (StorageEngine::Sqlite, DatabaseFiles { url_file: Some(_), .. }) => {
            found.push(("store.url_file", "needs `store.engine = \"postgres\"` beside it".to_owned()));
        }
        (StorageEngine::Sqlite, DatabaseFiles { authority: Some(_), .. }) if !has_bucket => {
            let text = "needs `store.engine = \"postgres\"` or `store.bucket_url_file` beside it";
            found.push(("store.authority", text.to_owned()));
        }
        (StorageEngine::Sqlite | StorageEngine::Postgres, _) => {}
    }
    found.extend(cluster_contradictions(config));
    if let Some(smarthost) = &config.smarthost {
        if smarthost.host.is_empty() {
            found.push(("smarthost", "needs `smarthost.host`".to_owned()));
        }
        match (&smarthost.user, &smarthost.password_file) {
            (Some(_), None) => found.push(("smarthost.user", "needs `smarthost.password_file` beside it".to_owned())),
            (None, Some(_)) => found.push(("smarthost.password_file", "needs `smarthost.user` beside it".to_owned())),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    let Delivery { by, smarthost_for, from, .. } = &config.delivery;
    let needs_smarthost = *by == Some(DeliveryBy::Smarthost) || !smarthost_for.is_empty() || !from.smarthost.is_empty();
    if needs_smarthost && config.smarthost.is_none() {
        found.push(("delivery", "sends mail to the smarthost; needs `smarthost.host`".to_owned()));
    }
    found.extend(limit_contradictions(config));
    let is_open = |address: &SocketAddr| !address.ip().is_loopback();
    if let Some(address) = config.listen.get(&Service::Http).and_then(|addresses| addresses.iter().find(|a| is_open(a)))
    {
        let text =
            format!("{address} can be reached from elsewhere, where passwords need TLS; give 127.0.0.1 or [::1]");
        found.push(("listen.http", text));
    }
    let monitors = config.listen.get(&Service::Metrics);
    if let Some(address) = monitors.and_then(|addresses| addresses.iter().find(|a| is_open(a)))
        && config.metrics_token_file.is_none()
    {
        let text =
            format!("{address} can be reached from elsewhere; needs `metrics.token_file`, or 127.0.0.1 or [::1]");
        found.push(("listen.metrics", text));
    }
    found.extend(standby_contradictions(config));
    found.extend(taken_twice(config));
    if config.listen.values().all(Vec::is_empty) {
        found.push(("listen", "switches every service off; give at least one an address".to_owned()));
    }
    found
}

/// Limits that would not do what they are for.
fn limit_contradictions(config: &Config) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if config.connections.per_address >= config.connections.total {
        let text = "must be less than `limits.connections_max`, or one address could lock all others out";
        found.push(("limits.connections_per_address_max", text.to_owned()));
    }
    // RFC 9738 §3: one of both is announced.
    if config.per_command.messages_max.is_some() && config.per_command.messages_saved_max.is_some() {
        let text = "cannot stand beside `limits.messages_per_command_max`, which says it too: leave out one of them";
        found.push(("limits.messages_saved_per_command_max", text.to_owned()));
    }
    found
}

/// What a server with a standby must not lack, and must not have.
fn standby_contradictions(config: &Config) -> Vec<(&'static str, String)> {
    let listens = config.listen.get(&Service::Standby).is_some_and(|addresses| !addresses.is_empty());
    let mut found = Vec::new();
    if !listens {
        return found;
    }
    if config.standby_token_file.is_none() {
        found.push(("listen.standby", "needs `standby.token_file` beside it".to_owned()));
    }
    if config.engine != StorageEngine::Sqlite || config.database.bucket_url_file.is_some() {
        let text =
            "copies mail that is in files; PostgreSQL has replication of its own, and buckets have, too: leave it out";
        found.push(("listen.standby", text.to_owned()));
    }
    found
}

/// What a server that is one of several must not lack, and must not have.
fn cluster_contradictions(config: &Config) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let hints = [
        ("cluster.hints", config.hints.address.is_some()),
        ("cluster.hints_url_file", config.hints.url_file.is_some()),
    ];
    let given: Vec<&str> = hints.iter().filter(|(_, is_given)| *is_given).map(|(key, _)| *key).collect();
    if let [_, second] = given[..] {
        found
            .push((second, "cannot stand beside `cluster.hints`, which says it too: leave out one of them".to_owned()));
    }
    if config.node.is_none() {
        let text = "needs `cluster.node` beside it: a server that is alone has nobody to tell";
        found.extend(given.into_iter().take(1).map(|key| (key, text.to_owned())));
        return found;
    }
    if config.engine != StorageEngine::Postgres || config.database.bucket_url_file.is_none() {
        let text = "needs `store.engine = \"postgres\"` and `store.bucket_url_file` beside it";
        found.push(("cluster.node", text.to_owned()));
    }
    if config.acme.is_some() {
        let text = "cannot stand beside `tls.acme`: the authority would ask another server; use `tls.certificate`";
        found.push(("cluster.node", text.to_owned()));
    }
    found
}

/// What is missing for certificates that come by themselves.
fn acme_contradictions(config: &Config) -> Vec<(&'static str, String)> {
    let Some(acme) = &config.acme else { return Vec::new() };
    let mut found = Vec::new();
    let listens = |service| config.listen.get(&service).is_some_and(|addresses| !addresses.is_empty());
    if acme.directory.is_empty() {
        found.push(("tls.acme", "is missing; the options beside it say more about it".to_owned()));
    }
    if config.tls_files.is_some() {
        found.push(("tls.acme", "cannot stand beside `tls.certificate`: leave out one of them".to_owned()));
    }
    if !listens(Service::Https) && !listens(Service::Redirect) && !listens(Service::Http) {
        let text = "proves names on port 443 or 80; needs `listen.https` or `listen.redirect`";
        found.push(("tls.acme", text.to_owned()));
    }
    if !config.hostname.contains('.') {
        found.push(("tls.acme", "needs a `hostname` in the DNS, such as mail.example.org".to_owned()));
    }
    match (&acme.external_id, &acme.external_key_file) {
        (Some(_), None) => found.push(("tls.acme_eab_id", "needs `tls.acme_eab_key_file` beside it".to_owned())),
        (None, Some(_)) => found.push(("tls.acme_eab_key_file", "needs `tls.acme_eab_id` beside it".to_owned())),
        (Some(_), Some(_)) | (None, None) => {}
    }
    found
}

/// Addresses that two services, or one twice, would listen on.
fn taken_twice(config: &Config) -> Vec<(&'static str, String)> {
    let all = config.addresses();
    let mut found = Vec::new();
    for (at, (service, address)) in all.iter().enumerate() {
        let before = all.iter().take(at).find(|(_, other)| overlap(*address, *other));
        let Some((other_service, other)) = before else { continue };
        let key = format!("listen.{service}");
        let Some(option) = OPTIONS.iter().find(|option| option.key == key) else { continue };
        let text = format!(
            "has {address}, but listen.{other_service} has {other} already (of what the file leaves out, the default \
             counts); give each a port of its own"
        );
        found.push((option.key, text));
    }
    found
}

/// Whether one of them takes what the other one listens on. `[::]` stands for IPv4 too.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let all = |a: SocketAddr, b: SocketAddr| a.ip().is_unspecified() && (a.is_ipv6() || b.is_ipv4());
    // Port 0 is one that the system chooses.
    one.port() == other.port() && one.port() != 0 && (one.ip() == other.ip() || all(one, other) || all(other, one))
}
