//! An own certificate authority, so that TLS works from the first second without a network.
//!
//! Three files: `ca.key` and `ca.pem` are made once and stay, because people import `ca.pem` into their devices;
//! `server.pem` holds key and certificate together, is replaced as a whole, and is made anew when it is about to
//! expire, lacks a name or is not signed by this authority. It deliberately signs nothing but this server.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tracing::{info, warn};

use super::{pem, provider};
use crate::private_file;
use crate::setup::SetupError;

/// Long enough that nobody has to import a new one in the life of a device.
const AUTHORITY_DAYS: i64 = 20 * 365;
/// Apple takes no server certificate that is valid for more than 398 days, and Mozilla recommends none of more than 366.
const SERVER_DAYS: i64 = 365;
/// What is left when a server certificate is replaced.
const RENEW_DAYS: i64 = 30;
const DAY_SECONDS: i64 = 24 * 3600;
/// Names in one certificate.
const NAMES_MAX: usize = 64;

/// Where the authority's certificate is, for people to import.
pub(super) fn authority_file(directory: &Path) -> PathBuf {
    directory.join("ca.pem")
}

/// The server's certificate, made anew when it does not serve for `names` in the time to come.
pub(super) fn load_or_make(directory: &Path, names: &[String], unix_seconds: i64) -> Result<CertifiedKey, SetupError> {
    make_directory(directory)?;
    let names = valid_names(names);
    let server_file = directory.join("server.pem");
    let authority = Authority::load_or_make(directory, unix_seconds)?;
    if !server_file.exists() || !authority.vouches(&server_file, &names, unix_seconds + RENEW_DAYS * DAY_SECONDS) {
        let pem = authority.sign(&names, unix_seconds)?;
        if let Err(error) = write(&server_file, &pem) {
            warn!(%error, "the new TLS certificate is good for this run only");
            return pem::parse(&pem, &server_file);
        }
        info!(file = %server_file.display(), names = names.join(", "), "made a TLS certificate");
    }
    pem::load(&server_file, &server_file)
}

/// Host names and addresses that can stand in a certificate, each once.
fn valid_names(names: &[String]) -> Vec<String> {
    let mut valid: Vec<String> = Vec::new();
    for name in names.iter().map(|name| name.to_ascii_lowercase()) {
        if ServerName::try_from(name.as_str()).is_ok() && !valid.contains(&name) && valid.len() < NAMES_MAX {
            valid.push(name);
        }
    }
    valid
}

struct Authority {
    key: KeyPair,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn load_or_make(directory: &Path, unix_seconds: i64) -> Result<Self, SetupError> {
        let key_file = directory.join("ca.key");
        let key = match fs::read_to_string(&key_file) {
            Ok(pem) => KeyPair::from_pem(&pem).map_err(|error| {
                SetupError::new(format!(
                    "{} is not the key that Pillarbox made ({error}); restore it from a backup, or remove the \
                     directory {} to have a new authority made, which every device must then be told to trust",
                    key_file.display(),
                    directory.display()
                ))
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let key = KeyPair::generate().map_err(failed)?;
                write(&key_file, &key.serialize_pem())?;
                key
            }
            Err(error) => return Err(SetupError::file("read", &key_file, &error, "check who owns it")),
        };
        let file = authority_file(directory);
        if !file.exists() {
            let certificate = authority_params(&key, unix_seconds)?.self_signed(&key).map_err(failed)?;
            write(&file, &certificate.pem())?;
        }
        let certificate = pem::chain(&file)?.swap_remove(0);
        Ok(Self { key, certificate })
    }

    /// Whether the certificate in `file` is ours and good for every name at `unix_seconds`.
    fn vouches(&self, file: &Path, names: &[String], unix_seconds: i64) -> bool {
        let mut roots = RootCertStore::empty();
        let verifier = roots
            .add(self.certificate.clone())
            .ok()
            .and_then(|()| WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok());
        let chain = pem::load(file, file).map(|certified| certified.cert.clone());
        let (Some(verifier), Ok(chain)) = (verifier, chain) else { return false };
        let Some(certificate) = chain.first() else { return false };
        let at = UnixTime::since_unix_epoch(Duration::from_secs(unix_seconds.max(0).unsigned_abs()));
        names
            .iter()
            .filter_map(|name| ServerName::try_from(name.as_str()).ok())
            .all(|name| verifier.verify_server_cert(certificate, &[], &name, &[], at).is_ok())
    }

    /// A new key with a certificate for `names`, as PEM.
    fn sign(&self, names: &[String], unix_seconds: i64) -> Result<String, SetupError> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = nameless_params(names, unix_seconds, SERVER_DAYS)?;
        let host = names.iter().find(|name| name.parse::<IpAddr>().is_err());
        params.distinguished_name.push(DnType::CommonName, host.map_or("Pillarbox", String::as_str));
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // The issuer's fields that go into a certificate are its name and key, which are the same at every start.
        let issuer_params = authority_params(&self.key, unix_seconds)?;
        let issuer = Issuer::from_params(&issuer_params, &self.key);
        let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
        Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
    }
}

/// The name carries a piece of the key, so that the authorities of two servers can be told apart on a device.
fn authority_params(key: &KeyPair, unix_seconds: i64) -> Result<CertificateParams, SetupError> {
    let mut params = nameless_params(&[], unix_seconds, AUTHORITY_DAYS)?;
    let tag: String = key.public_key_raw().iter().rev().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name.push(DnType::CommonName, format!("Pillarbox own authority {tag}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// Without a distinguished name yet, valid from yesterday, because clocks differ, to `days` after that.
fn nameless_params(names: &[String], unix_seconds: i64, days: i64) -> Result<CertificateParams, SetupError> {
    let mut params = CertificateParams::new(names).map_err(failed)?;
    let day = |seconds: i64| {
        let date = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC).date();
        date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = day(unix_seconds - DAY_SECONDS);
    params.not_after = day(unix_seconds + (days - 1) * DAY_SECONDS);
    params.distinguished_name = DistinguishedName::new();
    Ok(params)
}

fn make_directory(directory: &Path) -> Result<(), SetupError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| SetupError::file("create", directory, &error, "TLS keys are kept there"))
}

fn write(path: &Path, pem: &str) -> Result<(), SetupError> {
    private_file::write(path, pem.as_bytes())
        .map_err(|error| SetupError::file("write", path, &error, "TLS keys are kept there"))
}

fn failed(error: rcgen::Error) -> SetupError {
    SetupError::new(format!("no TLS certificate can be made: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn leaf(directory: &Path, wanted: &[&str], now: i64) -> CertificateDer<'static> {
        load_or_make(directory, &names(wanted), now).unwrap().cert[0].clone()
    }

    #[test]
    fn it_is_kept_until_it_expires_or_lacks_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("tls");
        let first = leaf(&dir, &["localhost", "127.0.0.1", "::1"], NOW);
        let authority = fs::read(authority_file(&dir)).unwrap();
        assert_eq!(leaf(&dir, &["localhost"], NOW + 300 * DAY_SECONDS), first);
        let named = leaf(&dir, &["localhost", "mail.example.org"], NOW);
        assert_ne!(named, first);
        let renewed = leaf(&dir, &["localhost", "mail.example.org"], NOW + 380 * DAY_SECONDS);
        assert_ne!(renewed, named);
        assert_eq!(fs::read(authority_file(&dir)).unwrap(), authority, "devices trust it: it must stay");
    }

    #[test]
    fn a_certificate_of_another_authority_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        let foreign = leaf(&one, &["localhost"], NOW);
        leaf(&two, &["localhost"], NOW);
        fs::copy(one.join("server.pem"), two.join("server.pem")).unwrap();
        assert_ne!(leaf(&two, &["localhost"], NOW), foreign);
    }

    #[test]
    fn a_certificate_that_could_not_be_written_kept_the_server_from_its_start() {
        let dir = tempfile::tempdir().unwrap();
        let old = leaf(dir.path(), &["localhost"], NOW);
        // Nothing can take this place.
        fs::create_dir_all(dir.path().join("server.pem.new/x")).unwrap();
        let new = leaf(dir.path(), &["localhost"], NOW + 400 * DAY_SECONDS);
        assert_ne!(new, old);
        assert_eq!(leaf(dir.path(), &["localhost"], NOW), old, "the file stays as it was");
    }

    #[test]
    fn names_that_cannot_stand_in_a_certificate_are_left_out() {
        let given = names(&["Mail.Example.org", "mail.example.org", "under score", "", "127.0.0.1"]);
        assert_eq!(valid_names(&given), names(&["mail.example.org", "127.0.0.1"]));
    }

    #[test]
    fn a_foreign_key_file_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ca.key"), "mine").unwrap();
        let error = load_or_make(dir.path(), &names(&["localhost"]), NOW).unwrap_err().to_string();
        assert!(error.contains("ca.key") && error.contains("restore"), "{error}");
        assert_eq!(fs::read_to_string(dir.path().join("ca.key")).unwrap(), "mine");
    }
}
