//! Kafka's client `kcat` before librdkafka's mock broker, which is inside another kcat: it has a port like a real
//! one, but keeps everything in memory, gets another port when it starts again, and forgets what is above 5 MiB.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::cases::{self, Engine};
use crate::common::can;
use crate::server::Server;

struct Kafka {
    server: Server,
    address: String,
    /// Of the topic.
    number: u32,
    _folder: TempDir,
}

impl Kafka {
    fn start() -> Option<Self> {
        if !can(&["kcat", "-V"]) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut server = Command::new("kcat");
        // It has no messages of its own, and ends with its input.
        server.args([
            "-P",
            "-t",
            "none",
            "-b",
            "none",
            "-X",
            "test.mock.num.brokers=1",
        ]);
        let log = folder.path().join("log");
        let address = move || {
            let told = fs::read_to_string(&log).unwrap();
            let (_, address) = told.split_once("replaced with ")?;
            address.split_whitespace().next().map(str::to_owned)
        };
        let told = address.clone();
        Some(Self {
            server: Server::start(folder.path(), server, move || told().is_some()),
            address: address().unwrap(),
            number: 0,
            _folder: folder,
        })
    }
}

impl Engine for Kafka {
    fn client(&self) -> String {
        let Self {
            address, number, ..
        } = self;
        format!(
            "exec kcat -P -b {address} -t log-{number} -p 0 -X queue.buffering.max.messages=500"
        )
    }

    fn empty(&mut self) {
        self.number += 1;
    }

    fn rows(&self) -> Vec<String> {
        let mut consumer = Command::new("kcat");
        consumer.args(["-C", "-e", "-q", "-b", &self.address, "-p", "0"]);
        consumer.args(["-t", &format!("log-{}", self.number)]);
        let got = String::from_utf8(consumer.output().unwrap().stdout).unwrap();
        got.lines().map(str::to_owned).collect()
    }

    fn server(&mut self) -> &mut Server {
        &mut self.server
    }
}

#[test]
fn has_the_rows_that_hwm_accounts_for() {
    if let Some(mut kafka) = Kafka::start() {
        cases::all_but_its_death(&mut kafka);
    }
}
