//! SETQUOTA (RFC 9208 §4.1.3): who may, and what it does.

use crate::harness::Server;

#[test]
fn an_administrator_says_how_much_there_may_be() {
    let server = Server::new();
    let mut client = server.alice();
    let of_account = || server.account().usage().unwrap().quota_bytes;
    client.check("a SETQUOTA Account (STORAGE 1)", &["a NO [NOPERM] Administrators say how much there may be"]);
    assert_eq!(of_account(), None);
    server.service.auth.directory().set_admin("alice@example.org", true).unwrap();
    client.check("b SETQUOTA Account (STORAGE 3)", &["* QUOTA \"Account\" (STORAGE 0 3)", "b OK SETQUOTA done"]);
    assert_eq!(of_account(), Some(3072));
    client.check("c SETQUOTA Other (STORAGE 1)", &["c NO [NONEXISTENT] No such quota root"]);
    client.check("d SETQUOTA Account (MESSAGE 1)", &["d NO [CANNOT] There is a limit for STORAGE alone"]);
    client.check("e SETQUOTA Account (STORAGE 1 MESSAGE 1)", &["e NO [CANNOT] There is a limit for STORAGE alone"]);
    assert_eq!(of_account(), Some(3072));
    client.check("f SETQUOTA Account ()", &["f OK SETQUOTA done"]);
    assert_eq!(of_account(), None);
}
