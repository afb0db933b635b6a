//! A database at the end of the pipe commits what came, so a run that is cut short must not leave it half a
//! row: a real server, loaded by `psql` with COPY.

mod common;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{command, finish, skipped};
use tempfile::TempDir;

/// A server on a socket in a folder of its own, for as long as this lives.
struct Server {
    folder: TempDir,
    programs: PathBuf,
}

impl Server {
    /// Started; says that the test is skipped where that cannot be done.
    fn start() -> Option<Server> {
        let Some(programs) = programs() else {
            skipped("no PostgreSQL server is installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // The server refuses to run as root, and Debian's package brings it a user.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let server = Server { folder, programs };
        let data = server.data();
        let data = data.to_str().unwrap();
        let options = ["-U", "hwm", "-A", "trust", "-N"];
        let init = server.do_as_its_user("initdb", &[&["-D", data][..], &options].concat());
        let settings = format!(
            "-c listen_addresses= -c fsync=off -k {}",
            server.folder.path().display()
        );
        let log = server.folder.path().join("log");
        let start = ["-w", "-D", data, "-l", log.to_str().unwrap(), "-o"];
        let start = [&start[..], &[&settings, "start"]].concat();
        if !init || !server.do_as_its_user("pg_ctl", &start) {
            skipped("the PostgreSQL server does not start");
            return None;
        }
        Some(server)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs a program of the server; returns whether that went well.
    fn do_as_its_user(&self, program: &str, arguments: &[&str]) -> bool {
        let program = self.programs.join(program);
        let mut command = match rustix::process::getuid().is_root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        let said = File::create(self.folder.path().join("said")).unwrap();
        let done = command
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .status();
        done.is_ok_and(|status| status.success())
    }

    /// What psql says to a query.
    fn ask(&self, query: &str) -> String {
        let query = format!("psql -qAtc '{query}'");
        let asked = finish(self.shell(&query).spawn().unwrap(), b"");
        String::from_utf8(asked.expect(0).stdout).unwrap()
    }

    /// A line of bash in which psql finds the server and hwm is `$HWM`.
    fn shell(&self, line: &str) -> Command {
        let mut command = command(&["bash", "-c", line]);
        command
            .env("PGHOST", self.folder.path())
            .env("PGUSER", "hwm")
            .env("PGDATABASE", "postgres");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.data();
        let stop = ["-D", data.to_str().unwrap(), "-m", "immediate", "stop"];
        self.do_as_its_user("pg_ctl", &stop);
    }
}

/// Where Debian and others put them: not where commands are searched for.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut folders = versions.flatten().map(|version| version.path().join("bin"));
    folders.find(|folder: &PathBuf| is_there(folder, "initdb") && is_there(folder, "pg_ctl"))
}

fn is_there(folder: &Path, program: &str) -> bool {
    folder.join(program).exists()
}

#[test]
fn no_row_is_cut_in_two_where_a_run_is_cut_short() {
    let Some(server) = Server::start() else {
        return;
    };
    // As long as nobody reads, the producers have more than finds space.
    let fast = "seq 5000000";
    let slow = "i=1; while [ $i -lt 5000000 ] && seq $i $((i + 999)); do i=$((i + 1000)); sleep .002; done";
    // psql begins to read when hwm has ended; with `fail` hwm waits for it.
    let (behind_hwm, behind_overflow) = ("until [ -s status ]; do sleep .05; done", "sleep 2");
    let stall = "-B 1000000 --block-timeout .2s";
    for (producer, prefix, options, code, awaited) in [
        (fast, "", stall, 5, behind_hwm),
        (slow, "", stall, 5, behind_hwm),
        (slow, "timeout --foreground -s INT 1", "", 124, behind_hwm),
        (
            slow,
            "timeout --foreground -s TERM 1",
            "--drain-timeout .1s",
            124,
            behind_hwm,
        ),
        (fast, "", "-B 1000000 --when-full fail", 4, behind_overflow),
    ] {
        let folder = tempfile::tempdir().unwrap();
        server.ask("drop table if exists n; create table n (i bigint)");
        let line = format!(
            "{{ {producer}; }} 2>/dev/null |
             {{ {prefix} $HWM -q -l {options}; echo $? >status; }} |
             {{ {awaited}; psql -qc 'copy n from stdin'; }}
             cat status"
        );
        let mut command = server.shell(&line);
        command.current_dir(folder.path());
        let ran = finish(command.spawn().unwrap(), b"").expect(0);
        let what = format!("{line}: {}", ran.stderr);
        assert_eq!(
            String::from_utf8_lossy(&ran.stdout).trim(),
            code.to_string(),
            "{what}"
        );
        // As many rows as the last one says, each once: nothing is torn, nothing missing.
        let rows = server.ask("select count(*), count(distinct i), min(i), max(i) from n");
        let count = rows.split('|').next().unwrap();
        assert_ne!(count, "0", "{what}");
        assert_eq!(rows.trim(), format!("{count}|{count}|1|{count}"), "{what}");
    }
}
