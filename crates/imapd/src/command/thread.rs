//! THREAD (RFC 5256 §3): a SEARCH whose answer comes in threads.

use super::search;
use crate::context::Context;
use crate::search::Arrange;
use crate::tagged::Tagged;
use crate::work::Work;
use ::search::Algorithm;
use imap_proto::command::ThreadAlgorithm;
use imap_proto::{Tag, command};

pub(super) fn begin(
    context: &mut Context<'_>,
    tag: Tag,
    request: command::Thread,
) -> Result<impl Work + use<>, Tagged> {
    let algorithm = match request.algorithm {
        ThreadAlgorithm::OrderedSubject => Algorithm::OrderedSubject,
        ThreadAlgorithm::References => Algorithm::References,
        ThreadAlgorithm::Refs => Algorithm::Refs,
    };
    search::begin_arranged(context, tag, request.search, Arrange::Thread(algorithm))
}
