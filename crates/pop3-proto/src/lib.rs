//! POP3 on the wire: a sans-io command machine and reply encoder.
