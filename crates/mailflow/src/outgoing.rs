//! The one door to outside addresses: what leaves is signed by the domain that it says it is from, or, where somebody else wrote
//! it, sealed by the domain that passes it on; and queued.

use crate::flow::MailFlow;
use directory::SealedKeys;
use dkim::Signer;
use message::content::Content;
use message::{address, header};
use queue::{Enqueued, Error, NewEntry, TlsWish};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use store::Timestamp;
use store::objects::Shared;
use tracing::warn;

/// Keys of so many domains are held ready; reading one costs as much as some signatures.
const DOMAINS_MAX: usize = 1000;
/// So many addresses of From are looked at for one whose domain signs.
const AUTHORS_MAX: usize = 10;

/// Keys that are ready to sign, by domain, beside what they were made from.
#[derive(Default)]
pub(crate) struct Signers(Mutex<Ready>);

type Ready = HashMap<String, (SealedKeys, Arc<[Signer]>)>;

/// What stands on top of a message that leaves.
pub(crate) struct Top {
    trace: Vec<u8>,
    proof: Proof,
}

enum Proof {
    /// By the domain in From. For what accounts here and the server itself write, and for nothing else: the signature says that
    /// the author is who it says.
    Signature {
        /// A list of ours sends it.
        is_of_list: bool,
    },
    /// By this domain, with what was found out when it came (RFC 8617).
    Seal {
        domain: String,
        results: String,
    },
    None,
}

impl Top {
    /// For what an account here or the server itself wrote.
    pub(crate) fn signed(trace: Vec<u8>) -> Self {
        Self { trace, proof: Proof::Signature { is_of_list: false } }
    }

    /// For what a list sends: also what it says of itself is signed.
    pub(crate) fn signed_by_list(trace: Vec<u8>) -> Self {
        Self { trace, proof: Proof::Signature { is_of_list: true } }
    }

    /// For what others wrote. `results`: what stands in Authentication-Results, on one line.
    pub(crate) fn sealed(trace: Vec<u8>, domain: &str, results: String) -> Self {
        Self { trace, proof: Proof::Seal { domain: domain.to_owned(), results } }
    }

    /// For what others wrote, and nobody looked at.
    pub(crate) fn plain(trace: Vec<u8>) -> Self {
        Self { trace, proof: Proof::None }
    }
}

impl MailFlow {
    /// Signs a message and queues it; `None` where there is no queue.
    pub(crate) fn send_out(
        &self,
        content: Arc<Content>,
        top: Top,
        entry: impl FnOnce(Shared) -> NewEntry,
        now: Timestamp,
    ) -> Result<Option<Enqueued>, Error> {
        let Some(queue) = &self.queue else { return Ok(None) };
        let new = self.ready_to_go(content, top, entry)?;
        queue.enqueue(new, now).map(Some)
    }

    /// Signs a message: as it is to be queued.
    pub(crate) fn ready_to_go(
        &self,
        mut content: Arc<Content>,
        top: Top,
        entry: impl FnOnce(Shared) -> NewEntry,
    ) -> Result<NewEntry, Error> {
        let outgoing = Arc::make_mut(&mut content);
        // Those of a copy for a mailbox here.
        outgoing.set_fields(&[]);
        let proof = match top.proof {
            Proof::Signature { is_of_list } => self.signatures(outgoing, is_of_list)?,
            Proof::Seal { domain, results } => self.seals(outgoing, &domain, &results)?,
            Proof::None => Vec::new(),
        };
        let fields: Vec<&[u8]> = proof.iter().map(Vec::as_slice).chain([&top.trace[..]]).collect();
        outgoing.set_fields(&fields);
        let is_waived = waives_tls(&content);
        let mut new = entry(content);
        // RFC 8689 §3: where both are there, the parameter counts.
        if new.tls == TlsWish::Usual && is_waived {
            new.tls = TlsWish::Waived;
        }
        Ok(new)
    }

    /// The signatures of the domain in From. None where that has no keys (yet), or none that can be used: a message that is
    /// not signed is better than one that is not sent.
    fn signatures(&self, content: &[u8], is_of_list: bool) -> Result<Vec<Vec<u8>>, Error> {
        for domain in author_domains(content) {
            let Some(signers) = self.signers_of(&domain)? else { continue };
            let signed: Result<Vec<_>, _> = signers.iter().map(|signer| signer.sign(content, is_of_list)).collect();
            return Ok(signed.unwrap_or_else(|error| {
                warn!(domain, %error, "a message could not be signed");
                Vec::new()
            }));
        }
        Ok(Vec::new())
    }

    /// The seal of a domain that passes a message on; none where it has no keys.
    fn seals(&self, content: &[u8], domain: &str, results: &str) -> Result<Vec<Vec<u8>>, Error> {
        let Some(signers) = self.signers_of(domain)? else { return Ok(Vec::new()) };
        let sealed = signers.iter().find_map(|signer| signer.seal(content, results)).transpose();
        Ok(sealed
            .unwrap_or_else(|error| {
                warn!(domain, %error, "a message could not be sealed");
                None
            })
            .into_iter()
            .collect())
    }

    /// Who signs for a domain; nobody where its keys cannot be opened.
    fn signers_of(&self, domain: &str) -> Result<Option<Arc<[Signer]>>, Error> {
        let directory = self.auth.directory();
        let Some(keys) = directory.signing_keys_for(domain)? else { return Ok(None) };
        let signers = self.signers.ready(&keys, || directory.open_signing_keys(&keys));
        if signers.is_none() {
            let domain = keys.domain();
            warn!(
                domain,
                "the keys that sign its mail were made with another auth-secret, so nothing is signed; \
                 `pillarbox domain rotate` makes new ones"
            );
            return Ok(Some(Arc::new([])));
        }
        Ok(signers)
    }
}

impl Signers {
    fn ready(&self, keys: &SealedKeys, open: impl FnOnce() -> Option<Vec<Signer>>) -> Option<Arc<[Signer]>> {
        let known = |map: &Ready| {
            map.get(keys.domain()).filter(|(made_from, _)| made_from == keys).map(|(_, signers)| Arc::clone(signers))
        };
        if let Some(signers) = known(&self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Some(signers);
        }
        let signers: Arc<[Signer]> = open()?.into();
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= DOMAINS_MAX {
            map.clear();
        }
        map.insert(keys.domain().to_owned(), (keys.clone(), Arc::clone(&signers)));
        Some(signers)
    }
}

/// RFC 8689 §3: its sender rather has it sent in the clear than not at all.
fn waives_tls(content: &[u8]) -> bool {
    let is_no = |field: header::Field<'_>| field.unfolded().trim_ascii().eq_ignore_ascii_case(b"No");
    header::find_all(content, "TLS-Required").any(is_no)
}

/// The domains of the addresses in From.
pub(crate) fn author_domains(content: &[u8]) -> Vec<String> {
    let fields = header::fields(content).filter(|field| field.is("from")).take(1);
    let addresses = fields.flat_map(|field| address::parse_list(&field.unfolded())).take(AUTHORS_MAX);
    let text = addresses.filter_map(|address| Some(String::from_utf8_lossy(&address.addr_spec()?).into_owned()));
    text.filter_map(|text| text.rsplit_once('@').map(|(_, domain)| domain.to_owned())).collect()
}
