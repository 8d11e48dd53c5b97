//! What a server needs from outside of its data directory, looked for before anything is made: a start that fails leaves
//! nothing behind, and `check-config` finds what would keep `serve` from starting, because both come here.

use std::sync::Arc;

use dns::Dns;

use crate::clock::Clock;
use crate::config::Config;
use crate::http::Token;
use crate::lifecycle::DataDir;
use crate::listen::{Bound, bind};
use crate::services::{authority, target};
use crate::setup::SetupError;
use crate::stores;
use crate::tls::{CertificateSource, Certificates};

/// All of it.
#[derive(Debug)]
pub struct Preparation {
    /// Read from files; an own certificate is made in the data directory.
    pub(crate) certificates: Option<Arc<Certificates>>,
    /// Open, and served by nobody yet.
    pub(crate) bound: Vec<Bound>,
    /// Asks the DNS, for all that do.
    pub dns: Dns,
    /// Who takes mail for outside addresses.
    pub(crate) smarthost: Option<queue::Smarthost>,
    /// Who gives certificates.
    pub(crate) authority: Option<acme::Authority>,
}

/// How a configuration stands.
#[derive(Debug)]
pub enum Checked {
    /// A server can be started with it.
    Ready,
    /// A server runs on its data directory, so ports were not tried. The rest is fine.
    Runs,
}

impl Preparation {
    /// Looks for everything. Must be called on a runtime.
    ///
    /// # Errors
    /// Everything that is wrong, with what to do about it.
    pub fn new(config: &Config, clock: Clock) -> Result<Self, Vec<SetupError>> {
        if let Some(owner) = DataDir::owner(&config.data_dir) {
            return Err(vec![DataDir::in_use(&config.data_dir, &owner)]);
        }
        let mut problems = Vec::new();
        let Unbound { certificates, dns, smarthost, authority } = without_ports(config, clock, &mut problems);
        let bound = bind(&config.addresses()).unwrap_or_else(|found| {
            problems.extend(found);
            Vec::new()
        });
        match dns {
            Some(dns) if problems.is_empty() => Ok(Self { certificates, bound, dns, smarthost, authority }),
            Some(_) | None => Err(problems),
        }
    }

    /// Whether a server can be started with `config`. Ports are opened, served to nobody, and closed again.
    ///
    /// # Errors
    /// As [`Preparation::new`].
    pub fn check(config: &Config, clock: Clock) -> Result<Checked, Vec<SetupError>> {
        if DataDir::owner(&config.data_dir).is_none() {
            return Self::new(config, clock).map(|_| Checked::Ready);
        }
        let mut problems = Vec::new();
        without_ports(config, clock, &mut problems);
        if problems.is_empty() { Ok(Checked::Runs) } else { Err(problems) }
    }
}

/// What there is without listening; what is missing has left a problem.
struct Unbound {
    certificates: Option<Arc<Certificates>>,
    dns: Option<Dns>,
    smarthost: Option<queue::Smarthost>,
    authority: Option<acme::Authority>,
}

/// Who asks the DNS, as the configuration has it.
///
/// # Errors
/// A file of trust anchors that cannot be read.
pub fn resolver(config: &Config) -> Result<Dns, SetupError> {
    Dns::new(&config.dns).map_err(SetupError::new)
}

fn without_ports(config: &Config, clock: Clock, problems: &mut Vec<SetupError>) -> Unbound {
    problems.extend(DataDir::check(&config.data_dir).err());
    let mut sound = |problem: SetupError| problems.push(problem);
    let certificates = match config.certificate_source() {
        source @ CertificateSource::Files { .. } => {
            Certificates::load(source, clock.now().unix_millis / 1000).map_err(&mut sound).ok()
        }
        CertificateSource::Own { .. } => None,
    };
    drop(stores::postgres(config).map_err(&mut sound));
    drop(stores::bucket(config).map_err(&mut sound));
    drop(stores::hint_address(config).map_err(&mut sound));
    let smarthost = config.smarthost.as_ref().and_then(|smarthost| target(config, smarthost).map_err(&mut sound).ok());
    drop(config.metrics_token_file.as_deref().map(Token::read).transpose().map_err(&mut sound));
    drop(config.standby_token_file.as_deref().map(Token::of_standby).transpose().map_err(&mut sound));
    let dns = resolver(config).map_err(&mut sound).ok();
    let authority = dns.as_ref().and_then(|dns| authority(config, dns).map_err(&mut sound).ok().flatten());
    Unbound { certificates, dns, smarthost, authority }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DatabaseFiles, HintPlace, Smarthost, StorageEngine, TlsFiles};
    use crate::service::Service;
    use std::fs;
    use std::net::TcpListener;
    use std::path::Path;

    /// A configuration below `place` that a server can be started with.
    fn sound(place: &Path) -> Config {
        let listen = [(Service::Imap, vec!["127.0.0.1:0".parse().unwrap()])].into();
        Config { listen, ..Config::trial(place.join("a/data")) }
    }

    fn certificate(place: &Path, name: &str) -> std::path::PathBuf {
        let source = CertificateSource::Own { directory: place.join(name), names: vec!["localhost".to_owned()] };
        Certificates::load(source, 1_800_000_000).unwrap();
        place.join(name).join("server.pem")
    }

    fn check(config: &Config) -> Result<Checked, String> {
        let runtime = crate::lifecycle::runtime().unwrap();
        let _context = runtime.enter();
        Preparation::check(config, Clock::start()).map_err(|problems| SetupError::all(&problems).to_string())
    }

    #[test]
    fn check_config_finds_what_keeps_serve_from_starting_and_neither_leaves_anything_behind() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path();
        let (pair, other) = (certificate(place, "one"), certificate(place, "two"));
        fs::write(place.join("text"), "no certificate").unwrap();
        fs::create_dir(place.join("foreign")).unwrap();
        fs::write(place.join("foreign/precious"), "").unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let sound = sound(place);
        assert!(matches!(check(&sound), Ok(Checked::Ready)));

        let with_tls = |certificate: &Path, key: &Path| Config {
            tls_files: Some(TlsFiles { certificate: certificate.to_owned(), key: key.to_owned() }),
            ..sound.clone()
        };
        assert!(matches!(check(&with_tls(&pair, &pair)), Ok(Checked::Ready)));
        let (none, text) = (place.join("none.pem"), place.join("text"));
        let smarthost = Smarthost {
            host: "smtp.example.net".to_owned(),
            user: Some("u".to_owned()),
            password_file: Some(none.clone()),
            ..Smarthost::default()
        };
        let database = DatabaseFiles { url_file: Some(none.clone()), ..DatabaseFiles::default() };
        let hints = |file: &Path| HintPlace { url_file: Some(file.to_owned()), ..HintPlace::default() };
        let listen = [(Service::Imap, vec![taken.local_addr().unwrap()])].into();
        for (config, expected) in [
            (with_tls(&none, &pair), "cannot read the TLS certificate"),
            (with_tls(&pair, &none), "cannot read the TLS private key"),
            (with_tls(&text, &pair), "contains no certificate in PEM form"),
            (with_tls(&other, &pair), "does not belong to the first certificate"),
            (Config { smarthost: Some(smarthost), ..sound.clone() }, "correct smarthost.password_file"),
            (Config { engine: StorageEngine::Postgres, database, ..sound.clone() }, "correct store.url_file"),
            (Config { hints: hints(&none), ..sound.clone() }, "correct cluster.hints_url_file"),
            (Config { hints: hints(&text), ..sound.clone() }, "is not like tls://user:password@host:4222"),
            (Config { listen, ..sound.clone() }, "another program (or another Pillarbox) listens there already"),
            (Config { data_dir: place.join("foreign"), ..sound.clone() }, "is not a data directory of Pillarbox"),
            (Config { data_dir: text.join("data"), ..sound.clone() }, "cannot create the data directory"),
        ] {
            let found = check(&config).unwrap_err();
            assert!(found.contains(expected), "{found} lacks {expected}");
            let refused = crate::run(&config, |_, _, _| Err(SetupError::new("it started"))).unwrap_err();
            assert_eq!(refused.to_string(), found);
            assert!(!place.join("a").exists(), "{expected}: something was left behind");
            assert_eq!(fs::read_dir(place.join("foreign")).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_configuration_is_checked_while_its_server_runs() {
        let dir = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = [(Service::Imap, vec![taken.local_addr().unwrap()])].into();
        let config = Config { listen, ..sound(dir.path()) };
        let running = DataDir::open(&config.data_dir).unwrap();
        assert!(matches!(check(&config), Ok(Checked::Runs)));
        let refused = crate::run(&config, |_, _, _| Ok(())).unwrap_err().to_string();
        assert!(refused.contains("is in use by another Pillarbox (process"), "{refused}");
        drop(running);
        assert!(check(&config).is_err(), "the port is somebody else's");
    }
}
