//! Redis: a stream, filled by `redis-cli --pipe` with one command a line. The server takes a command whole or not at
//! all.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::cases::{self, Engine};
use crate::common::can;
use crate::server::{Server, free_port};

struct Redis {
    server: Server,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    fn start() -> Option<Self> {
        if !can(&["redis-server", "--version"]) || !can(&["redis-cli", "--version"]) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let is_ready = move || ask(port, &["ping"]) == "PONG\n";
        Some(Self {
            server: Server::start(folder.path(), server(folder.path(), port), is_ready),
            port,
            _folder: folder,
        })
    }
}

/// What the server says to a command.
fn ask(port: u16, words: &[&str]) -> String {
    let mut asked = Command::new("redis-cli");
    asked.args(["-p", &port.to_string(), "--raw"]).args(words);
    String::from_utf8(asked.output().unwrap().stdout).unwrap()
}

fn server(folder: &Path, port: u16) -> Command {
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string()])
        .args(["--bind", "127.0.0.1", "--appendonly", "yes"])
        .args(["--save", "", "--dir"])
        .arg(folder);
    command
}

impl Engine for Redis {
    fn client(&self) -> String {
        // As long as a server loads its data it refuses each command.
        let client = format!("redis-cli -p {}", self.port);
        format!("until {client} ping | grep -q PONG; do sleep .1; done; exec {client} --pipe")
    }

    fn wrap(text: &str) -> String {
        format!("XADD log * line \"{text}\"")
    }

    fn empty(&mut self) {
        ask(self.port, &["del", "log"]);
    }

    fn rows(&self) -> Vec<String> {
        // Of each entry its number, the name of the field, and the text.
        let told = ask(self.port, &["xrange", "log", "-", "+"]);
        let texts = told.lines().skip(2).step_by(3);
        texts.map(str::to_owned).collect()
    }

    fn server(&mut self) -> &mut Server {
        &mut self.server
    }
}

#[test]
fn has_the_rows_that_hwm_accounts_for() {
    if let Some(mut redis) = Redis::start() {
        cases::all(&mut redis);
    }
}
