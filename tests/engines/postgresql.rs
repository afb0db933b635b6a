//! PostgreSQL: a table, filled by `psql` with COPY, whose rows are there when all of them have come, or none is; so
//! portions, each tried until it is in, lose nothing. And a run of hwm that is cut short must not leave half a row.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::getuid;
use tempfile::TempDir;

use crate::cases::{self, Engine};
use crate::common::{command, finish, skipped, wait_until};
use crate::records::MARK;
use crate::server::Server;

/// A server on a socket in a folder of its own.
struct PostgreSql {
    server: Server,
    folder: TempDir,
    how: How,
}

/// How rows are given to psql.
enum How {
    /// All in one COPY.
    AtOnce,
    /// By `split`, in portions.
    Split,
    /// In portions as well, each asked for when the one before is in.
    AskedFor,
}

impl PostgreSql {
    /// Started; says that the test is skipped where there is none.
    fn start(how: How) -> Option<Self> {
        let Some(programs) = programs() else {
            skipped("no PostgreSQL server is installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // The server refuses to run as root, and Debian's package brings it a user.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let data = folder.path().join("data");
        let mut init = as_its_user(&programs.join("initdb"));
        init.args(["-U", "hwm", "-A", "trust", "-N", "-D"])
            .arg(&data);
        let made = init.output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut server = as_its_user(&programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(folder.path());
        // Nobody else gives rows a place, and a process that is killed keeps what it has written.
        for setting in ["listen_addresses=", "fsync=off", "autovacuum=off"] {
            server.args(["-c", setting]);
        }
        let path = folder.path().to_owned();
        let is_ready = move || {
            shell(&path, "psql -c 'select 1'")
                .status()
                .unwrap()
                .success()
        };
        Some(Self {
            server: Server::start(folder.path(), server, is_ready),
            folder,
            how,
        })
    }

    /// What psql says to a query.
    fn ask(&self, query: &str) -> String {
        let asked = self.shell(&format!("psql -qAtc '{query}'")).spawn();
        let said = finish(asked.unwrap(), b"").expect(0).stdout;
        String::from_utf8(said).unwrap()
    }

    fn shell(&self, line: &str) -> Command {
        shell(self.folder.path(), line)
    }
}

/// A line of bash in which psql finds the server in `folder`, and hwm is `$HWM`.
fn shell(folder: &Path, line: &str) -> Command {
    let mut command = command(&["bash", "-c", line]);
    command
        .env("PGHOST", folder)
        .env("PGUSER", "hwm")
        .env("PGDATABASE", "postgres");
    command
}

fn as_its_user(program: &Path) -> Command {
    let mut command = match getuid().is_root() {
        true => Command::new("setpriv"),
        false => Command::new(program),
    };
    if getuid().is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        command.arg(program);
    }
    command.current_dir("/").stdin(Stdio::null());
    command
}

/// Where Debian and others put them: not where commands are searched for.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut folders = versions.flatten().map(|version| version.path().join("bin"));
    folders.find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

impl Engine for PostgreSql {
    fn client(&self) -> String {
        let folder = self.folder.path().display();
        let copy = format!("psql -qh {folder} -U hwm postgres -c \"copy log (line) from stdin\"");
        let until = format!("until {copy} <{folder}/portion; do sleep .1; done");
        match self.how {
            How::AtOnce => format!("exec {copy}"),
            How::Split => {
                format!("exec split -l 100 --filter='cat >{folder}/portion && {until}'")
            }
            How::AskedFor => format!(
                "exec 3<>{folder}/ask
                while echo 100 >&3; head -n 100 >{folder}/portion; [ -s {folder}/portion ]
                do {until}; done"
            ),
        }
    }

    fn options(&self) -> Vec<String> {
        match self.how {
            How::AskedFor => {
                let ask = self.folder.path().join("ask").display().to_string();
                let _ = Command::new("mkfifo").arg(&ask).status();
                vec!["--demand".to_owned(), ask]
            }
            _ => Vec::new(),
        }
    }

    fn empty(&mut self) {
        self.ask("drop table if exists log; create table log (id bigserial, line text)");
    }

    fn rows(&self) -> Vec<String> {
        let told = self.ask("select line from log order by id");
        told.lines().map(str::to_owned).collect()
    }

    /// No row can be seen before the last of its COPY has come, but that they come.
    fn has_some(&self) -> bool {
        let under_way = "select 1 from pg_stat_progress_copy where tuples_processed > 0";
        let told = self.ask(&format!("select 1 from log union {under_way}"));
        !told.is_empty()
    }

    fn server(&mut self) -> &mut Server {
        &mut self.server
    }
}

#[test]
fn has_the_rows_that_hwm_accounts_for() {
    if let Some(mut postgresql) = PostgreSql::start(How::AtOnce) {
        cases::all(&mut postgresql);
    }
}

/// The command, with its backend terminated ten times: each time the COPY under way is rolled back, and with it
/// all that its psql had read. From the first row of the last COPY on, nothing is missing but what a mark tells of.
#[test]
fn a_terminated_backend_takes_its_transaction_alone() {
    let Some(mut postgresql) = PostgreSql::start(How::AtOnce) else {
        return;
    };
    let mark = format!("--mark={MARK}");
    let options = [
        "-B",
        "64M",
        "--when-full",
        "drop-oldest",
        &mark,
        "--respawn",
        "--respawn-delay=10ms",
    ];
    let mut run = cases::start(&mut postgresql, &options);
    for deaths in 1..=10 {
        run.allow(2000);
        wait_until("a COPY is under way", || postgresql.has_some());
        postgresql.ask("select pg_terminate_backend(pid) from pg_stat_progress_copy");
        // psql learns it when it has something to send.
        wait_until("psql is started again", || {
            if run.has_written_all() && run.count("respawn") < deaths {
                run.allow(10);
            }
            run.count("respawn") == deaths
        });
    }
    run.allow(2000);
    let verdict = cases::end(&postgresql, run);
    assert_eq!(verdict.restarts, 10);
    assert!(verdict.own_runs <= 1);
    cases::tell(&postgresql, &verdict, "ten backends terminated");
}

#[test]
fn loses_none_of_its_portions() {
    let Some(mut postgresql) = PostgreSql::start(How::Split) else {
        return;
    };
    for how in [How::Split, How::AskedFor] {
        postgresql.how = how;
        let verdict = cases::a_server_is_killed(&mut postgresql);
        assert_eq!((verdict.own, verdict.restarts), (0, 0));
    }
}

#[test]
fn no_row_is_cut_in_two_where_a_run_is_cut_short() {
    let Some(server) = PostgreSql::start(How::AtOnce) else {
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
