//! RFC 5322 and MIME: structure, envelope, headers, charsets; pure and bounded.
