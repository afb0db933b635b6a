//! NATS JetStream: a stream, filled by a client that awaits what the server says. No client of the kind is in Debian,
//! so there is one of a few lines beside this file.

use std::process::Command;

use tempfile::TempDir;

use crate::cases::{self, Engine};
use crate::common::can;
use crate::server::{Server, answers, free_port};

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engines/jetstream.py");

struct Nats {
    server: Server,
    url: String,
    _folder: TempDir,
}

impl Nats {
    fn start() -> Option<Self> {
        if !can(&["nats-server", "--version"]) || !can(&["python3", "-c", "import nats"]) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut server = Command::new("nats-server");
        server.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]);
        server.arg(folder.path().join("data"));
        Some(Self {
            server: Server::start(folder.path(), server, answers(port)),
            url: format!("nats://127.0.0.1:{port}"),
            _folder: folder,
        })
    }

    fn ask(&self, what: &str) -> String {
        let done = Command::new("python3")
            .args([CLIENT, &self.url, what])
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    }
}

impl Engine for Nats {
    fn client(&self) -> String {
        format!("exec python3 {CLIENT} {} publish", self.url)
    }

    fn empty(&mut self) {
        self.ask("empty");
    }

    fn rows(&self) -> Vec<String> {
        self.ask("rows").lines().map(str::to_owned).collect()
    }

    fn server(&mut self) -> &mut Server {
        &mut self.server
    }
}

#[test]
fn has_the_rows_that_hwm_accounts_for() {
    if let Some(mut nats) = Nats::start() {
        cases::all(&mut nats);
    }
}
