//! What is taken of the pipe pages that all pipes of a user share, and given back.

mod common;

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{can, finish, hwm, skipped, wait, wait_until};
use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};

/// The kernel's size for a new pipe of a user who has not used up his share.
const USUAL: usize = 65_536;

fn size(end: impl AsFd) -> usize {
    fcntl_getpipe_size(end).expect("a pipe")
}

fn waits(process: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("voluntary"));
    line.expect("a count").to_owned()
}

fn pipe_ends(process: u32) -> usize {
    let fds = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    fds.flatten()
        .filter(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.starts_with("pipe:")))
        .count()
}

/// It may be about to go to sleep; whoever wakes up for nothing does so in less than this time.
fn wait_until_it_sleeps(process: u32) {
    wait_until("it sleeps", || {
        let before = waits(process);
        std::thread::sleep(Duration::from_millis(2_500));
        waits(process) == before
    });
}

#[test]
fn pipes_grow_for_a_dense_stream_and_an_idle_process_gives_them_back_and_sleeps() {
    let grows = |_| fcntl_setpipe_size(&std::io::pipe().unwrap().1, 1 << 20).is_ok();
    if !(0..40).all(grows) {
        return skipped("the user's pipe pages are used up");
    }
    let (stdin, mut feed) = std::io::pipe().unwrap();
    let (mut out, stdout) = std::io::pipe().unwrap();
    let child = hwm(&["-q"]).stdin(stdin).stdout(stdout).spawn().unwrap();
    let mut exchange = |bytes: usize| {
        feed.write_all(&vec![b'x'; bytes]).unwrap();
        out.read_exact(&mut vec![0; bytes]).unwrap();
        (size(&feed), size(&out))
    };
    assert_eq!(exchange(1), (USUAL, USUAL), "a byte is not worth it");
    wait_until("they grow", || {
        exchange(USUAL) > (USUAL, USUAL) && exchange(1).1 > USUAL
    });
    wait_until("they are given back", || {
        (size(&feed), size(&out)) == (USUAL, USUAL)
    });
    // Its own ones too: what is left are those of a process that has moved nothing yet.
    let pipes = pipe_ends(child.id());
    assert!(pipes <= 10, "{pipes} pipe ends");
    wait_until_it_sleeps(child.id());
    drop((feed, out));
    finish(child, b"");
}

#[test]
fn pipes_that_were_full_when_it_was_time_are_given_back_when_they_are_emptied() {
    let grows = |_| fcntl_setpipe_size(&std::io::pipe().unwrap().1, 1 << 20).is_ok();
    if !(0..40).all(grows) {
        return skipped("the user's pipe pages are used up");
    }
    const SENT: usize = 3_000_000;
    let (stdin, mut feed) = std::io::pipe().unwrap();
    let (mut out, stdout) = std::io::pipe().unwrap();
    let child = hwm(&["-q"]).stdin(stdin).stdout(stdout).spawn().unwrap();
    feed.write_all(&vec![b'x'; SENT]).unwrap();
    // Before a consumer that takes nothing.
    wait_until_it_sleeps(child.id());
    assert!(size(&out) > USUAL, "it has not grown");
    out.read_exact(&mut vec![0; SENT]).unwrap();
    wait_until("all are given back", || {
        (size(&feed), size(&out)) == (USUAL, USUAL) && pipe_ends(child.id()) <= 10
    });
    wait_until_it_sleeps(child.id());
    drop((feed, out));
    finish(child, b"");
}

/// Another user, who has no privileges and no pipes yet.
struct User {
    id: u32,
    /// hwm where he can run it.
    program: PathBuf,
    _directory: tempfile::TempDir,
}

impl User {
    /// None where this cannot be: the test says so.
    fn new(id: u32) -> Option<User> {
        if !rustix::process::geteuid().is_root() {
            skipped("only root can be another user");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let program = directory.path().join("hwm");
        fs::copy(env!("CARGO_BIN_EXE_hwm"), &program).unwrap();
        let user = User {
            id,
            program,
            _directory: directory,
        };
        let version = user.command(&user.program).arg("--version").output();
        if !version.is_ok_and(|done| done.status.success()) {
            skipped("another user cannot run what is in the temporary directory");
            return None;
        }
        let unlimited = user.new_pipe_after(40);
        if unlimited != USUAL {
            skipped("another user has no pipe of the usual size");
            return None;
        }
        Some(user)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.uid(self.id).gid(self.id).current_dir("/");
        command
    }

    /// The size of a pipe that he makes behind so many others.
    fn new_pipe_after(&self, others: usize) -> usize {
        // F_GETPIPE_SZ
        let text =
            "push @all, [] && pipe($r[$_], $w[$_]) for 0..$ARGV[0]; print fcntl($w[-1], 1032, 0)";
        let mut perl = self.command(Path::new("perl"));
        let done = perl
            .args(["-e", text, &others.to_string()])
            .output()
            .unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        said.parse()
            .unwrap_or_else(|_| panic!("{said}, {}", done.status))
    }

    /// A shell that runs `script` until its stdin is closed, and says a word when it is in the middle.
    fn shell(&self, script: &str) -> Child {
        let mut shell = self.command(Path::new("sh"));
        let script = format!("exec 3<&0; {script}");
        shell.args(["-c", &script]).env("HWM", &self.program);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped());
        shell.spawn().unwrap()
    }

    /// Fourteen of these, each in the middle of its script.
    fn fourteen(&self, script: &str) -> Vec<Child> {
        let mut shells: Vec<_> = (0..14).map(|_| self.shell(script)).collect();
        for shell in &mut shells {
            let said = shell.stdout.as_mut().unwrap();
            said.read_exact(&mut [0; 5]).expect("done");
        }
        assert_eq!(self.running().len(), 14, "they run");
        shells
    }

    /// His hwm.
    fn running(&self) -> Vec<u32> {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let ids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
        let is_his = |id: &u32| {
            let program = fs::read_link(format!("/proc/{id}/exe"));
            program.is_ok_and(|program| program == self.program)
        };
        ids.filter(is_his).collect()
    }
}

/// Lets them end.
fn end(shells: Vec<Child>) {
    for mut shell in shells {
        drop(shell.stdin.take());
        let _ = wait(&mut shell);
    }
}

#[test]
fn fourteen_that_are_idle_leave_the_users_pipes_alone() {
    if !can(&["perl", "-e", "1"]) {
        return;
    }
    let Some(user) = User::new(54_321) else {
        return;
    };
    let shells = user.fourteen(
        "(head -c 10M /dev/zero; cat <&3) | $HWM -q |
         (exec 4<&0; sleep .5; head -c 10M >/dev/null; echo done; cat <&3 >/dev/null)",
    );
    wait_until("there are pipes for others", || {
        user.new_pipe_after(40) == USUAL
    });
    // All that is left of them: not much more than of fourteen that moved nothing.
    wait_until("they take a small share", || {
        user.new_pipe_after(400) == USUAL
    });
    end(shells);
}

#[test]
fn fourteen_whose_consumers_stopped_leave_the_user_a_quarter_of_the_pipe_pages() {
    if !can(&["perl", "-e", "1"]) {
        return;
    }
    let Some(user) = User::new(54_322) else {
        return;
    };
    let shells = user.fourteen(
        "(head -c 20M /dev/zero; cat <&3) 2>/dev/null | $HWM -q -B 16M |
         (exec 4<&0; head -c 1 >/dev/null; echo done; cat <&3 >/dev/null)",
    );
    // When they have taken what they can, and tried to give it back.
    let mut before = Vec::new();
    wait_until("they sleep", || {
        std::thread::sleep(Duration::from_millis(300));
        let now: Vec<_> = user.running().iter().map(|id| waits(*id)).collect();
        std::mem::replace(&mut before, now.clone()) == now
    });
    assert_eq!(user.new_pipe_after(100), USUAL);
    end(shells);
}
