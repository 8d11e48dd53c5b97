//! An S3 server of the test's own: the one of moto, with what it holds in memory.

#![allow(dead_code)] // Each test uses a part of it.

#[path = "../../../../tests/support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A running server with a bucket `mail`.
pub struct Bucket {
    server: Child,
    port: u16,
}

/// Serves on a port that the system chooses, says which, and makes the bucket.
const SERVER: &str = "
import logging, sys
try:
    import moto.s3.models as models
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server
except ImportError:
    print('MISSING', flush=True)
    sys.exit()
logging.getLogger('werkzeug').setLevel(logging.ERROR)
server = make_server('127.0.0.1', 0, DomainDispatcherApplication(create_backend_app), threaded=True)
models.s3_backends['123456789012']['aws'].create_bucket('mail', 'us-east-1')
print(server.server_port, flush=True)
server.serve_forever()
";

impl Bucket {
    /// Starts one; `None`, with a line that says so, where moto is not installed.
    pub fn start() -> Option<Self> {
        let python = std::env::var("PILLARBOX_MOTO_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut command = Command::new(python);
        command.args(["-c", SERVER]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut line = String::new();
        let server = command.spawn().ok().map(|mut server| {
            BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
            server
        });
        match (server, line.trim().parse()) {
            (Some(server), Ok(port)) => Some(Self { server, port }),
            (server, _) => {
                server.map(|mut server| server.wait());
                not_tested::without("moto", "pip install 'moto[server]', PILLARBOX_MOTO_PYTHON");
                None
            }
        }
    }

    /// Where the bucket is.
    pub fn url(&self) -> String {
        format!("s3://key:secret/+=@127.0.0.1:{}/mail?tls=off", self.port)
    }

    /// Where another bucket would be, or a part of one.
    pub fn url_of(&self, path: &str) -> String {
        self.url().replace("/mail?", &format!("/{path}?"))
    }

    /// Ends the server as a machine that goes down.
    pub fn kill(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.kill();
    }
}
