//! The PROXY protocol: a header is read to its end and no further, whatever it is; nobody becomes a client on this machine.
#![no_main]

#[path = "../../crates/server/src/listen/proxy.rs"]
mod proxy;

use futures::executor::block_on;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let mut rest = octets;
    let client = block_on(proxy::read_header(&mut rest));
    let used = octets.len() - rest.len();
    let Ok(client) = client else { return };
    // What was the header is one by itself, and less of it is none.
    let (header, _) = octets.split_at(used);
    assert_eq!(block_on(proxy::read_header(&mut &header[..])).ok(), Some(client));
    assert!(block_on(proxy::read_header(&mut &header[..used - 1])).is_err());
    assert!(header.starts_with(b"PROXY ") || header.starts_with(b"\r\n\r\n\0\r\nQUIT\n"));
    let balancer = ([192, 0, 2, 1], 1000).into();
    let told = proxy::client(balancer, client);
    assert!(!told.ip().to_canonical().is_loopback() && proxy::HEADER_MILLIS > 0);
});
