//! A host of somebody else that does not behave.

use crate::rig::Lines;
use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// It speaks plain SMTP and offers no STARTTLS. A recipient `grey@` is put off the first time; with `dies@` it hangs up
/// when the first message is there, before it answers; `shut@` makes it say 421 once. The second time all is well. `later@` is put off until it is ready.
pub struct BadHost {
    /// What it was told, line by line, but for the contents of messages.
    pub commands: Arc<Mutex<Vec<String>>>,
    /// Whether it takes mail for `later@`.
    pub is_ready: Arc<AtomicBool>,
    /// The messages that it took.
    pub messages: Receiver<Vec<String>>,
}

type Seen = Arc<Mutex<BTreeMap<String, usize>>>;

impl BadHost {
    pub fn start(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let commands: Arc<Mutex<Vec<String>>> = Arc::default();
        let (taken, messages) = channel();
        let (notes, seen, is_ready) = (commands.clone(), Seen::default(), Arc::<AtomicBool>::default());
        let ready = Arc::clone(&is_ready);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (notes, seen, taken) = (notes.clone(), seen.clone(), taken.clone());
                let ready = Arc::clone(&ready);
                thread::spawn(move || converse(stream.unwrap(), (&notes, &taken), &seen, &ready));
            }
        });
        Self { commands, is_ready, messages }
    }
}

fn converse(
    stream: TcpStream,
    (notes, taken): (&Mutex<Vec<String>>, &Sender<Vec<String>>),
    seen: &Seen,
    ready: &AtomicBool,
) {
    let mut lines = Lines::new(Box::new(stream));
    lines.send("220 bad.test");
    let mut dies = false;
    let first_time = |who: &str| {
        let mut seen = seen.lock().unwrap();
        let times = seen.entry(who.to_owned()).or_default();
        *times += 1;
        *times == 1
    };
    loop {
        let line = lines.line();
        notes.lock().unwrap().push(line.clone());
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match word.as_str() {
            "" => return,
            "EHLO" => lines.send("250 bad.test"),
            "RCPT" if line.contains("<grey@") && first_time("grey") => lines.send("451 4.7.1 not now, come again"),
            "RCPT" if line.contains("<shut@") && first_time("shut") => return lines.send("421 4.3.2 closing"),
            "RCPT" if line.contains("<later@") && !ready.load(Ordering::SeqCst) => lines.send("450 4.2.1 later"),
            "RCPT" => {
                dies = line.contains("<dies@");
                lines.send("250 fine");
            }
            "DATA" => {
                lines.send("354 go on");
                let message = lines.until(".");
                if dies && first_time("dies") {
                    return;
                }
                let _gone = taken.send(message);
                lines.send("250 2.0.0 taken");
            }
            "QUIT" => return lines.send("221 bye"),
            _ => lines.send("250 fine"),
        }
    }
}
