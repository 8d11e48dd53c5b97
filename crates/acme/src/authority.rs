//! Orders.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use dns::Dns;
use instant_acme::{
    Account, AccountCredentials, AuthorizationHandle, AuthorizationStatus, ChallengeType, ExternalAccountKey,
    Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use tokio::time::timeout;

use crate::certificate::Facts;
use crate::challenges::Challenges;
use crate::http::Https;

/// Names in one certificate.
pub const NAMES_MAX: usize = 100;
/// An order takes no longer.
pub const ORDER_SECS_MAX: u64 = 600;

/// How long the authority may look at our answers, and make the certificate.
const POLL: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));
/// What of an authority's words is kept.
const WORDS_CHARS_MAX: usize = 600;

/// An authority, and who asks it.
pub struct Authority {
    /// The URL of its directory (RFC 8555 §7.1.1).
    pub directory: String,
    /// Where it may write to when something is wrong: a mail address.
    pub contact: Option<String>,
    /// An account that it knows already (RFC 8555 §7.3.4), where it wants one.
    pub external: Option<ExternalAccount>,
    /// Who finds its address.
    pub dns: Dns,
    /// Whom its own certificate is trusted by.
    pub roots: Vec<CertificateDer<'static>>,
}

/// An account that an authority knows already.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    /// How it calls it.
    pub id: String,
    /// The key that it gave for it, decoded.
    key: Vec<u8>,
}

impl ExternalAccount {
    /// `key` in base64url, as authorities give it.
    ///
    /// # Errors
    /// It is not that: a sentence.
    pub fn new(id: &str, key: &str) -> Result<Self, String> {
        let key = URL_SAFE_NO_PAD.decode(key.trim().trim_end_matches('='));
        let key = key.map_err(|_| "the key must be in base64url (letters, digits, - and _)".to_owned())?;
        Ok(Self { id: id.to_owned(), key })
    }
}

impl fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalAccount").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How it is proven that a name leads here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// TLS on port 443 (RFC 8737).
    TlsAlpn,
    /// HTTP on port 80 (RFC 8555 §8.3).
    Http,
}

impl Way {
    /// The port at which the authority looks.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::TlsAlpn => 443,
            Self::Http => 80,
        }
    }
}

/// What is ordered.
pub struct Wanted<'a> {
    /// Host names, at most [`NAMES_MAX`].
    pub names: &'a [String],
    /// Its key: PKCS#8.
    pub key: &'a [u8],
    /// The certificate that it is to follow.
    pub before: Option<&'a Facts>,
    /// How the names are proven.
    pub way: Way,
}

/// Why there is no certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// In a sentence.
    pub what: String,
    /// The names that could not be proven, where it was that.
    pub unproven: Vec<String>,
    /// It does not know the account (any more): another one is to be opened.
    pub is_account_unknown: bool,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error {
    /// In a sentence, on one line and of bounded length, whoever wrote it.
    #[must_use]
    pub fn new(what: impl fmt::Display) -> Self {
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        let what = what.to_string().chars().map(clean).take(WORDS_CHARS_MAX).collect();
        Self { what, unproven: Vec::new(), is_account_unknown: false }
    }
}

impl From<instant_acme::Error> for Error {
    fn from(error: instant_acme::Error) -> Self {
        // RFC 8555 §6.7.
        let unknown = "urn:ietf:params:acme:error:accountDoesNotExist";
        let is_account_unknown = match &error {
            instant_acme::Error::Api(problem) => problem.r#type.as_deref() == Some(unknown),
            _ => false,
        };
        Self { is_account_unknown, ..Self::new(error) }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Authority {
    /// Opens an account with the authority, whose terms are accepted; what [`Self::obtain`] needs of it, as JSON with the
    /// account's private key in it.
    ///
    /// # Errors
    /// It cannot be asked, or refuses.
    pub async fn register(&self) -> Result<Vec<u8>, Error> {
        let contact = self.contact.as_ref().map(|address| format!("mailto:{address}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let account = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let external = self.external.as_ref();
        let external = external.map(|external| ExternalAccountKey::new(external.id.clone(), &external.key));
        let builder = Account::builder_with_http(Box::new(self.https()?));
        let (_, credentials) = builder.create(&account, self.directory.clone(), external.as_ref()).await?;
        serde_json::to_vec(&credentials).map_err(Error::new)
    }

    /// Orders a certificate, with an account that [`Self::register`] opened; its chain in PEM form, the certificate itself first.
    /// `challenges` answers the authority meanwhile.
    ///
    /// # Errors
    /// The authority cannot be asked, refuses, or finds that a name does not lead here.
    pub async fn obtain(&self, account: &[u8], wanted: &Wanted<'_>, challenges: &Challenges) -> Result<String, Error> {
        let ordering = async {
            let account = self.account(account).await?;
            let mut order = self.order(&account, wanted).await?;
            prove(&mut order, wanted.way, challenges).await?;
            order.finalize_csr(&request(wanted)?).await?;
            Ok(order.poll_certificate(&POLL).await?)
        };
        let ended = timeout(Duration::from_secs(ORDER_SECS_MAX), ordering).await;
        challenges.clear();
        ended.unwrap_or_else(|_| Err(Error::new("the authority takes too long")))
    }

    /// When the authority would like a certificate to be renewed (RFC 9773 §4.2): from and to, in seconds since 1970. `None` where
    /// it has no opinion.
    ///
    /// # Errors
    /// It cannot be asked, or refuses.
    pub async fn renewal_window(&self, account: &[u8], facts: &Facts) -> Result<Option<(i64, i64)>, Error> {
        let Some(identifier) = facts.identifier() else { return Ok(None) };
        match self.account(account).await?.renewal_info(&identifier).await {
            Ok((info, _)) => {
                let window = info.suggested_window;
                Ok(Some((window.start.unix_timestamp(), window.end.unix_timestamp())))
            }
            Err(instant_acme::Error::Unsupported(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn account(&self, account: &[u8]) -> Result<Account, Error> {
        let credentials: AccountCredentials = serde_json::from_slice(account).map_err(Error::new)?;
        Ok(Account::builder_with_http(Box::new(self.https()?)).from_credentials(credentials).await?)
    }

    async fn order(&self, account: &Account, wanted: &Wanted<'_>) -> Result<Order, Error> {
        let names: Vec<Identifier> =
            wanted.names.iter().take(NAMES_MAX).map(|name| Identifier::Dns(name.clone())).collect();
        if let Some(before) = wanted.before.and_then(Facts::identifier) {
            // RFC 9773 §5: it may be one that the authority does not know, or has replaced already.
            if let Ok(order) = account.new_order(&NewOrder::new(&names).replaces(before)).await {
                return Ok(order);
            }
        }
        Ok(account.new_order(&NewOrder::new(&names)).await?)
    }

    fn https(&self) -> Result<Https, Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.roots.iter().cloned());
        let mut tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Error::new)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Https { dns: self.dns.clone(), tls: Arc::new(tls) })
    }
}

/// Proves all names of an order that are not proven yet.
async fn prove(order: &mut Order, way: Way, challenges: &Challenges) -> Result<(), Error> {
    let mut open = order.authorizations();
    while let Some(authorization) = open.next().await {
        let mut authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Valid => {}
            AuthorizationStatus::Pending => answer(&mut authorization, way, challenges).await?,
            status => return Err(Error::new(format!("{}: {status:?}", authorization.identifier()))),
        }
    }
    match order.poll_ready(&POLL).await {
        Ok(OrderStatus::Invalid) => Err(why_invalid(order).await),
        Ok(_) => Ok(()),
        Err(instant_acme::Error::Api(problem)) => {
            let mut error = why_invalid(order).await;
            if error.unproven.is_empty() {
                error = Error::new(problem);
            }
            Err(error)
        }
        Err(error) => Err(error.into()),
    }
}

async fn answer<'a>(
    authorization: &'a mut AuthorizationHandle<'a>,
    way: Way,
    challenges: &Challenges,
) -> Result<(), Error> {
    let kind = match way {
        Way::TlsAlpn => ChallengeType::TlsAlpn01,
        Way::Http => ChallengeType::Http01,
    };
    let name = authorization.identifier().to_string();
    let Some(mut challenge) = authorization.challenge(kind) else {
        return Err(Error::new(format!("the authority does not take a proof of {name} by {way:?}")));
    };
    let proof = challenge.key_authorization();
    match way {
        Way::TlsAlpn => challenges.answer_by_tls(&name, proof.digest().as_ref()).map_err(Error::new)?,
        Way::Http => challenges.answer_by_http(&challenge.token, proof.as_str()),
    }
    Ok(challenge.set_ready().await?)
}

/// Which names were not proven, and what the authority says to it.
async fn why_invalid(order: &mut Order) -> Error {
    let (mut words, mut unproven) = (Vec::new(), Vec::new());
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let name = authorization.identifier().to_string();
        let Ok(state) = authorization.refresh().await else { continue };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            words.push(format!("{name}: {}", problem.detail.as_deref().unwrap_or("no reason given")));
            unproven.push(name);
        }
    }
    let what = if words.is_empty() { "the authority refuses the order".to_owned() } else { words.join("; ") };
    Error { unproven, ..Error::new(what) }
}

/// What is signed, in DER form (RFC 8555 §7.4).
fn request(wanted: &Wanted<'_>) -> Result<Bytes, Error> {
    let key = KeyPair::try_from(wanted.key).map_err(Error::new)?;
    let mut params = CertificateParams::new(wanted.names.to_vec()).map_err(Error::new)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key).map_err(Error::new)?;
    Ok(Bytes::copy_from_slice(request.der()))
}
