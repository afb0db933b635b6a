//! Redis: a stream, filled by `redis-cli --pipe` with one command a line. The server takes a command whole or not at
//! all.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::cases::{self, Engine};
use crate::common::can;
use crate::server::{Server, answers, free_port};

struct Redis {
    server: Server,
    port: String,
    _folder: TempDir,
}

impl Redis {
    fn start() -> Option<Self> {
        if !can(&["redis-server", "--version"]) || !can(&["redis-cli", "--version"]) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        Some(Self {
            server: Server::start(folder.path(), server(folder.path(), port), answers(port)),
            port: port.to_string(),
            _folder: folder,
        })
    }

    /// What the server says to a command.
    fn ask(&self, words: &[&str]) -> String {
        let mut asked = Command::new("redis-cli");
        asked.args(["-p", &self.port, "--raw"]).args(words);
        String::from_utf8(asked.output().unwrap().stdout).unwrap()
    }
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
        format!("redis-cli -p {} --pipe", self.port)
    }

    fn wrap(text: &str) -> String {
        format!("XADD log * line \"{text}\"")
    }

    fn empty(&mut self) {
        self.ask(&["del", "log"]);
    }

    fn rows(&self) -> Vec<String> {
        // Of each entry its number, the name of the field, and the text.
        let told = self.ask(&["xrange", "log", "-", "+"]);
        let texts = told.lines().skip(2).step_by(3);
        texts.map(str::to_owned).collect()
    }

    fn server(&mut self) -> &mut Server {
        &mut self.server
    }
}

#[test]
fn redis_pauses() {
    if let Some(mut redis) = Redis::start() {
        cases::pauses(&mut redis);
    }
}
