//! SMTP and LMTP on the wire: a sans-io server machine and client machine.
