//! Mosquitto: a topic, filled by `mosquitto_pub -l -q 1`, which is told of each message that it has arrived. It takes
//! all that it can read into its memory, and so gets portions, and is waited for after each. What has arrived is what
//! a subscriber gets.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::cases::{self, Engine};
use crate::common::{can, wait_until};
use crate::server::{Server, answers, free_port};

struct Mosquitto {
    server: Server,
    port: u16,
    /// Of the topic and its subscriber.
    number: u32,
    subscriber: Option<Child>,
    folder: TempDir,
}

/// Without its limits a subscriber that is slow gets everything.
const CONFIGURATION: &str = "allow_anonymous true\nmax_queued_messages 0\nlog_type subscribe\n";

impl Mosquitto {
    fn start() -> Option<Self> {
        let client = ["sh", "-c", "command -v mosquitto_pub mosquitto_sub"];
        if !can(&["sh", "-c", "command -v mosquitto"]) || !can(&client) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let configuration = folder.path().join("configuration");
        let listener = format!("listener {port} 127.0.0.1\n{CONFIGURATION}");
        fs::write(&configuration, listener).unwrap();
        let mut server = Command::new("mosquitto");
        server.arg("-c").arg(configuration);
        Some(Self {
            server: Server::start(folder.path(), server, answers(port)),
            port,
            number: 0,
            subscriber: None,
            folder,
        })
    }

    /// Where the subscriber puts what it gets.
    fn got(&self) -> PathBuf {
        self.folder.path().join(format!("got-{}", self.number))
    }

    /// How often somebody has subscribed, as the server tells.
    fn subscribed(&self) -> usize {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        log.matches("log/").count()
    }

    fn stop_subscriber(&mut self) {
        if let Some(mut subscriber) = self.subscriber.take() {
            subscriber.kill().unwrap();
            subscriber.wait().unwrap();
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.stop_subscriber();
    }
}

impl Engine for Mosquitto {
    fn client(&self) -> String {
        let Self { port, number, .. } = self;
        let client = format!("mosquitto_pub -p {port} -q 1 -t log/{number} -l");
        let portion = self.folder.path().join("portion");
        let portion = portion.display();
        format!(
            "exec split -l 200 --filter='cat >{portion} && until {client} <{portion}; do sleep .1; done'"
        )
    }

    const REPEATS: bool = true;

    fn empty(&mut self) {
        self.stop_subscriber();
        self.number += 1;
        let before = self.subscribed();
        let mut subscriber = Command::new("mosquitto_sub");
        subscriber
            .args(["-p", &self.port.to_string(), "-q", "1"])
            .args(["-t", &format!("log/{}", self.number)])
            .stdin(Stdio::null())
            .stdout(fs::File::create(self.got()).unwrap());
        self.subscriber = Some(subscriber.spawn().unwrap());
        wait_until("the subscriber is there", || self.subscribed() > before);
    }

    fn rows(&self) -> Vec<String> {
        let got = fs::read_to_string(self.got()).unwrap();
        got.lines().map(str::to_owned).collect()
    }

    fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    fn start_again(&mut self) {
        let before = self.subscribed();
        self.server.start_again();
        wait_until("the subscriber is back", || self.subscribed() > before);
    }
}

#[test]
fn has_the_rows_that_hwm_accounts_for() {
    if let Some(mut mosquitto) = Mosquitto::start() {
        cases::all(&mut mosquitto);
    }
}
