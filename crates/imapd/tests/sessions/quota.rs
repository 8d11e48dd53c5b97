//! SETQUOTA (RFC 9208 §4.1.3): who may, and what it does.

use crate::harness::Server;
use store::Quota;

#[test]
fn an_administrator_says_how_much_there_may_be() {
    let server = Server::new();
    let mut client = server.alice();
    let of_bytes = |bytes| Quota { bytes: Some(bytes), messages: None };
    let of_account = || server.account().usage().unwrap().quota;
    client.check("a SETQUOTA Account (STORAGE 1)", &["a NO [NOPERM] Administrators say how much there may be"]);
    assert_eq!(of_account(), Quota::default());
    server.service.auth.directory().set_admin("alice@example.org", true).unwrap();
    client.check("b SETQUOTA Account (STORAGE 3)", &["* QUOTA \"Account\" (STORAGE 0 3)", "b OK SETQUOTA done"]);
    assert_eq!(of_account(), of_bytes(3072));
    client.check("c SETQUOTA Other (STORAGE 1)", &["c NO [NONEXISTENT] No such quota root"]);
    let alone = "NO [CANNOT] There are limits for STORAGE and MESSAGE alone";
    client.check("d SETQUOTA Account (MAILBOX 1)", &[&format!("d {alone}")]);
    client.check("e SETQUOTA Account (STORAGE 1 ANNOTATION-STORAGE 1)", &[&format!("e {alone}")]);
    client.check("f SETQUOTA Account (MESSAGE 1 MESSAGE 2)", &["f NO [CANNOT] A resource has one limit"]);
    assert_eq!(of_account(), of_bytes(3072));
    let both = "* QUOTA \"Account\" (STORAGE 0 3 MESSAGE 0 2)";
    client.check("g SETQUOTA Account (MESSAGE 2 STORAGE 3)", &[both, "g OK SETQUOTA done"]);
    assert_eq!(of_account(), Quota { messages: Some(2), ..of_bytes(3072) });
    client.check("h SETQUOTA Account (MESSAGE 7)", &["* QUOTA \"Account\" (MESSAGE 0 7)", "h OK SETQUOTA done"]);
    assert_eq!(of_account(), Quota { bytes: None, messages: Some(7) });
    client.check("i SETQUOTA Account ()", &["i OK SETQUOTA done"]);
    assert_eq!(of_account(), Quota::default());
}
