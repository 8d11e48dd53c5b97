//! In which states a command is allowed (RFC 9051 §3, §6).

use crate::harness::{Client, Server};

/// Commands, and whether each is refused without a login, without a selected mailbox, in one that is open read-only.
const COMMANDS: [(&str, [bool; 3]); 37] = [
    ("CAPABILITY", [false, false, false]),
    ("NOOP", [false, false, false]),
    ("ID NIL", [false, false, false]),
    ("ENABLE CONDSTORE", [true, false, false]),
    ("CREATE x", [true, false, false]),
    ("RENAME x y", [true, false, false]),
    ("DELETE y", [true, false, false]),
    ("SUBSCRIBE y", [true, false, false]),
    ("UNSUBSCRIBE y", [true, false, false]),
    ("LIST \"\" *", [true, false, false]),
    ("LSUB \"\" *", [true, false, false]),
    ("NAMESPACE", [true, false, false]),
    ("STATUS INBOX (MESSAGES)", [true, false, false]),
    ("GETQUOTA Account", [true, false, false]),
    ("GETQUOTAROOT INBOX", [true, false, false]),
    ("MYRIGHTS INBOX", [true, false, false]),
    ("GETACL INBOX", [true, false, false]),
    ("APPEND INBOX {2+}\r\nhi", [true, false, false]),
    ("IDLE", [true, false, false]),
    ("CHECK", [true, true, false]),
    ("SEARCH ALL", [true, true, false]),
    ("UID SEARCH ALL", [true, true, false]),
    ("FETCH 1 FLAGS", [true, true, false]),
    ("UID FETCH 1 FLAGS", [true, true, false]),
    ("COPY 1 Junk", [true, true, false]),
    ("UID COPY 1 Junk", [true, true, false]),
    ("STORE 1 +FLAGS \\Seen", [true, true, true]),
    ("UID STORE 1 +FLAGS \\Seen", [true, true, true]),
    ("MOVE 1 Trash", [true, true, true]),
    ("UID MOVE 1 Trash", [true, true, true]),
    ("EXPUNGE", [true, true, true]),
    ("UID EXPUNGE 1", [true, true, true]),
    // These leave the mailbox.
    ("CLOSE", [true, true, false]),
    ("UNSELECT", [true, true, false]),
    ("SELECT INBOX", [true, false, false]),
    ("EXAMINE INBOX", [true, false, false]),
    ("UNAUTHENTICATE", [true, false, false]),
];

const REFUSALS: [&str; 3] =
    ["a BAD Log in first", "a BAD Select a mailbox first", "a NO [READ-ONLY] The mailbox is open read-only"];

#[test]
fn a_command_is_refused_in_the_states_that_it_is_not_for() {
    let server = Server::new();
    server.alice().fill(1);
    let nowhere: fn(&Server) -> Client = Server::alice;
    let read_only: fn(&Server) -> Client = |server| {
        let mut client = server.alice();
        client.send("s EXAMINE INBOX");
        client
    };
    for (at, begin) in [Server::connect as fn(&Server) -> Client, nowhere, read_only].into_iter().enumerate() {
        for (command, refused) in COMMANDS {
            let answer = begin(&server).send(&format!("a {command}"));
            let is_refused = REFUSALS.iter().any(|refusal| answer.contains(refusal));
            assert_eq!(is_refused, refused[at], "{command} in state {at}: {answer}");
            assert!(!is_refused || answer == format!("{}\r\n", REFUSALS[at]), "{command} in state {at}: {answer}");
        }
    }
    for command in ["LOGIN alice x", "AUTHENTICATE PLAIN", "STARTTLS"] {
        server.alice().check(&format!("a {command}"), &["a BAD Already logged in"]);
    }
}
