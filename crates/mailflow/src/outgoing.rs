//! The one door to outside addresses: what leaves is signed by the domain that it says it is from, and queued.

use crate::flow::MailFlow;
use directory::SealedKeys;
use dkim::Signer;
use message::content::Content;
use message::{address, header};
use queue::{Enqueued, Error, NewEntry};
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

impl MailFlow {
    /// Signs a message and queues it with `trace` on top; `None` where there is no queue.
    pub(crate) fn send_out(
        &self,
        mut content: Arc<Content>,
        trace: &[u8],
        entry: impl FnOnce(Shared) -> NewEntry,
        now: Timestamp,
    ) -> Result<Option<Enqueued>, Error> {
        let Some(queue) = &self.queue else { return Ok(None) };
        let outgoing = Arc::make_mut(&mut content);
        // Those of a copy for a mailbox here.
        outgoing.set_fields(&[]);
        let signatures = self.signatures(outgoing)?;
        let fields: Vec<&[u8]> = signatures.iter().map(Vec::as_slice).chain([trace]).collect();
        outgoing.set_fields(&fields);
        queue.enqueue(entry(content), now).map(Some)
    }

    /// The signatures of the domain in From. None where that has no keys (yet), or none that can be used: a message that is
    /// not signed is better than one that is not sent.
    fn signatures(&self, content: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let directory = self.auth.directory();
        for domain in author_domains(content) {
            let Some(keys) = directory.signing_keys_for(&domain)? else { continue };
            let Some(signers) = self.signers.ready(&keys, || directory.open_signing_keys(&keys)) else {
                let domain = keys.domain();
                warn!(
                    domain,
                    "the keys that sign its mail were made with another auth-secret, so nothing is signed; \
                     `pillarbox domain rotate` makes new ones"
                );
                return Ok(Vec::new());
            };
            let signed: Result<Vec<_>, _> = signers.iter().map(|signer| signer.sign(content)).collect();
            return Ok(signed.unwrap_or_else(|error| {
                warn!(domain, %error, "a message could not be signed");
                Vec::new()
            }));
        }
        Ok(Vec::new())
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

/// The domains of the addresses in From.
fn author_domains(content: &[u8]) -> Vec<String> {
    let fields = header::fields(content).filter(|field| field.is("from")).take(1);
    let addresses = fields.flat_map(|field| address::parse_list(&field.unfolded())).take(AUTHORS_MAX);
    let text = addresses.filter_map(|address| Some(String::from_utf8_lossy(&address.addr_spec()?).into_owned()));
    text.filter_map(|text| text.rsplit_once('@').map(|(_, domain)| domain.to_owned())).collect()
}
