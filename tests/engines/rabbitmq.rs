//! RabbitMQ: a queue, filled by `amqp-publish -l`, which awaits nothing: what is under way when the server or the
//! connection dies is lost.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::cases::{self, Engine};
use crate::common::can;
use crate::server::{Server, answers, free_port};

/// Debian's wrapper around it becomes another user.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

const QUEUE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engines/amqp_queue.py");

struct RabbitMq {
    server: Server,
    /// Tells the server its own address.
    _names: Server,
    url: String,
    _folder: TempDir,
}

impl RabbitMq {
    fn start() -> Option<Self> {
        let has = [
            "sh",
            "-c",
            &format!("command -v {SERVER} epmd amqp-publish"),
        ];
        if !can(&has) || !can(&["python3", "-c", "import pika"]) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let (port, names) = (free_port(), free_port());
        let mut daemon = Command::new("epmd");
        daemon.args(["-address", "127.0.0.1", "-port", &names.to_string()]);
        let daemon = Server::start(folder.path(), daemon, answers(names));
        Some(Self {
            server: Server::start(
                folder.path(),
                server(folder.path(), port, names),
                answers(port),
            ),
            _names: daemon,
            url: format!("amqp://guest:guest@127.0.0.1:{port}"),
            _folder: folder,
        })
    }

    fn ask(&self, what: &str) -> String {
        let done = Command::new("python3")
            .args([QUEUE, &self.url, what])
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    }
}

fn server(folder: &Path, port: u16, names: u16) -> Command {
    let mut command = Command::new(SERVER);
    command
        .env("HOME", folder)
        .env("ERL_EPMD_PORT", names.to_string())
        .env("RABBITMQ_NODENAME", "hwm@localhost")
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", port.to_string())
        .env("RABBITMQ_DIST_PORT", free_port().to_string())
        .env("RABBITMQ_LOGS", "-")
        // Two schedulers that do not wait actively: the machine is the others' too.
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 2:2 +sbwt none");
    for (variable, file) in [
        ("RABBITMQ_MNESIA_BASE", "data"),
        ("RABBITMQ_LOG_BASE", "logs"),
        ("RABBITMQ_PID_FILE", "process"),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", "plugins"),
        ("RABBITMQ_CONF_ENV_FILE", "none"),
        ("RABBITMQ_CONFIG_FILE", "none"),
    ] {
        command.env(variable, folder.join(file));
    }
    command
}

impl Engine for RabbitMq {
    fn client(&self) -> String {
        format!("exec amqp-publish --url={} -r log -p -l", self.url)
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
    if let Some(mut rabbitmq) = RabbitMq::start() {
        cases::all(&mut rabbitmq);
    }
}
