//! How much of a message is looked into. Beyond a limit nothing fails: the rest is opaque.

/// Parts inside parts: a `multipart` or `message` nested deeper than this is not opened, it has one text part that
/// covers its body.
pub const MIME_DEPTH_MAX: usize = 64;

/// Parts of one message. The content of the last one reaches to the end of the message.
/// A `multipart` that cannot be opened has one made-up part more, so a structure has at most twice as many.
pub const PARTS_MAX: usize = 4096;

/// Bytes of one header that are read for envelope, structure and traces; fields after them are passed over.
/// (Ranges and `HEADER.FIELDS` are exact at any size.)
pub const HEADER_BYTES_MAX: usize = 1024 * 1024;

/// Fields of one header that are read for envelope, structure and traces.
pub const HEADER_FIELDS_MAX: usize = 10_000;

/// Bytes of one field's value that are read; the rest is cut off.
pub const FIELD_BYTES_MAX: usize = 256 * 1024;

/// Parameters of one `Content-Type` or `Content-Disposition`, and languages of one `Content-Language`.
pub const PARAMETERS_MAX: usize = 64;

/// Entries (addresses, group starts) of one address list, not counting the end of its last group.
pub const ADDRESSES_MAX: usize = 10_000;

/// Bytes of one RFC 2047 encoded-word. The RFC says 75; mail programs write longer ones.
pub(crate) const ENCODED_WORD_BYTES_MAX: usize = 1024;
