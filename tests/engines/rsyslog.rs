//! rsyslog: a file, filled over TCP by `logger`, with the length before each message so that none is mistaken for
//! another. Nobody answers, so what is under way when the server dies is lost.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::cases::{self, Engine};
use crate::common::can;
use crate::server::{Server, answers, free_port};

struct Rsyslog {
    server: Server,
    port: u16,
    folder: TempDir,
}

impl Rsyslog {
    fn start() -> Option<Self> {
        if !can(&["rsyslogd", "-v"]) || !can(&["logger", "--version"]) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let path = folder.path().display();
        let configuration = format!(
            r#"global(workDirectory="{path}")
            module(load="imptcp")
            template(name="text" type="string" string="%msg%\n")
            input(type="imptcp" address="127.0.0.1" port="{port}" ruleset="file")
            ruleset(name="file") {{ action(type="omfile" file="{path}/rows" template="text") }}"#
        );
        let file = folder.path().join("configuration");
        fs::write(&file, configuration).unwrap();
        let mut server = Command::new("rsyslogd");
        server.arg("-n").arg("-f").arg(file);
        server.arg("-i").arg(folder.path().join("process"));
        Some(Self {
            server: Server::start(folder.path(), server, answers(port)),
            port,
            folder,
        })
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("rows")
    }
}

impl Engine for Rsyslog {
    fn client(&self) -> String {
        let port = self.port;
        format!("exec logger --tcp --octet-count -n 127.0.0.1 -P {port} -t app")
    }

    fn empty(&mut self) {
        fs::write(self.file(), "").unwrap();
    }

    fn rows(&self) -> Vec<String> {
        let text = fs::read_to_string(self.file()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// What it was writing into its file when it was killed may be a part of a row, and the next one would append to that.
    fn start_again(&mut self) {
        let text = fs::read(self.file()).unwrap();
        let whole = text.iter().rposition(|byte| *byte == b'\n');
        fs::write(self.file(), &text[..whole.map_or(0, |end| end + 1)]).unwrap();
        self.server.start_again();
    }
}

#[test]
fn has_the_rows_that_hwm_accounts_for() {
    if let Some(mut rsyslog) = Rsyslog::start() {
        cases::all(&mut rsyslog);
    }
}
