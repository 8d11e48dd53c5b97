//! SORT (RFC 5256 §3): a SEARCH whose answer comes in an order.

use super::search;
use crate::context::Context;
use crate::search::Arrange;
use crate::tagged::Tagged;
use crate::work::Work;
use ::search::{Criterion, SortKey};
use imap_proto::{Tag, command};

pub(super) fn begin(context: &mut Context<'_>, tag: Tag, request: command::Sort) -> Result<impl Work + use<>, Tagged> {
    let criteria = request.criteria.into_iter().map(criterion).collect();
    search::begin_arranged(context, tag, request.search, Arrange::Sort(criteria))
}

fn criterion(criterion: command::SortCriterion) -> Criterion {
    let key = match criterion.key {
        command::SortKey::Arrival => SortKey::Arrival,
        command::SortKey::Cc => SortKey::Cc,
        command::SortKey::Date => SortKey::Date,
        command::SortKey::From => SortKey::From,
        command::SortKey::Size => SortKey::Size,
        command::SortKey::Subject => SortKey::Subject,
        command::SortKey::To => SortKey::To,
        command::SortKey::DisplayFrom => SortKey::DisplayFrom,
        command::SortKey::DisplayTo => SortKey::DisplayTo,
        command::SortKey::Relevancy => SortKey::Relevancy,
    };
    Criterion { key, reverse: criterion.reverse }
}
