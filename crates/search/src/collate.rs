//! By what texts are compared that are put in order or joined: the same as what is searched for.

pub(crate) use message::fold::casemap;
