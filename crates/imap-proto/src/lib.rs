//! IMAP4rev1 and IMAP4rev2 on the wire: a sans-io command machine and response encoder.
