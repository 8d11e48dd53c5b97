//! COMPRESS (RFC 4978): what goes on below the protocol must not change what it bounds.

use crate::harness::Server;
use miniz_oxide::deflate::compress_to_vec;
use session::Step;

/// A stream that ends with its last block: what follows it is broken.
fn deflated(text: &str) -> Vec<u8> {
    compress_to_vec(text.as_bytes(), 6)
}

#[test]
fn a_bomb_goes_in_steps_and_past_no_limit_of_the_protocol() {
    let server = Server::new();
    let mut phone = server.alice();
    phone.check("a COMPRESS DEFLATE", &["a OK DEFLATE active"]);
    let bomb = deflated(&"x".repeat(8 << 20));
    assert!(bomb.len() < 16 * 1024, "{}", bomb.len());
    let steps = phone.steps_of(&bomb);
    assert!((30..=34).contains(&steps), "{steps} steps for 8 MiB");
    // The line was thrown away as it came, and the stream has ended.
    assert_eq!(phone.step, Step::Close);
}

#[test]
fn many_commands_in_few_octets_go_in_steps() {
    let server = Server::new();
    let mut phone = server.alice();
    phone.check("a COMPRESS DEFLATE", &["a OK DEFLATE active"]);
    let steps = phone.steps_of(&deflated(&"n NOOP\r\n".repeat(100_000)));
    assert!(steps >= 20, "{steps}");
}

#[test]
fn what_comes_with_the_command_is_read_as_compressed() {
    let server = Server::new();
    let mut phone = server.alice();
    let mut octets = b"a COMPRESS DEFLATE\r\n".to_vec();
    octets.extend(deflated("b LOGOUT\r\n"));
    phone.steps_of(&octets);
    assert_eq!(phone.step, Step::Close);
}

#[test]
fn a_stream_that_is_none_ends_the_connection() {
    let server = Server::new();
    let mut phone = server.alice();
    phone.check("a COMPRESS DEFLATE", &["a OK DEFLATE active"]);
    phone.steps_of(b"b NOOP\r\n");
    assert_eq!(phone.step, Step::Close);
}
