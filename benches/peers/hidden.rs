//! What this program does when it calls itself: stand between the bench and a relay, or be a relay.
//!
//! The wrapper is a process of its own because the system tells only what all waited-for children of
//! a process took together. It keeps no end of the relay's pipes, so that the end of file and broken
//! pipes travel as if it were not there.
//!
//! What it cannot see: less memory than it has itself. The system's peak of a child begins with its
//! parent's size at the moment of the fork; the tables say how much that is.

use std::fs::File;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use rustix::pipe::{SpliceFlags, fcntl_setpipe_size, splice};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

pub const MEASURE: &str = "--hidden-measure";
pub const START_UP: &str = "--hidden-start-up";
pub const SPLICE: &str = "--hidden-splice";

/// A relay that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(90);

/// The pipe size of the bare splice loop: what the system allows a user by default.
const PIPE: usize = 1 << 20;

/// Does what the first argument asks for, if it is one of the above.
pub fn run(arguments: &[String]) -> Option<ExitCode> {
    let (mode, rest) = arguments.split_first()?;
    match mode.as_str() {
        MEASURE => measure(&rest[0], &rest[1..]),
        START_UP => start_up(rest[0].parse().expect("a number"), &rest[1..]),
        SPLICE => splice_all(),
        _ => return None,
    }
    Some(ExitCode::SUCCESS)
}

fn command(line: &[String]) -> Command {
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]);
    // Cargo's, for libraries that no relay has: each of a relay's own would be looked for there first.
    command.env_remove("LD_LIBRARY_PATH");
    command
}

/// Runs `line` with our stdin and stdout, its stderr going to the file `complaints`, and tells on our
/// stderr what it took.
fn measure(complaints: &str, line: &[String]) {
    let complaints = File::create(complaints).expect("a file for stderr");
    let started = Instant::now();
    let mut child = command(line)
        .stderr(complaints)
        .spawn()
        .expect("start the relay");
    let null = File::options().read(true).write(true).open("/dev/null");
    let null = null.expect("/dev/null");
    rustix::stdio::dup2_stdin(&null).expect("let go of stdin");
    rustix::stdio::dup2_stdout(&null).expect("let go of stdout");
    kill_at_limit(&child);
    let status = child.wait().expect("wait for the relay");
    tell(started.elapsed(), 1, status);
}

fn kill_at_limit(child: &Child) {
    let process = Pid::from_child(child);
    std::thread::spawn(move || {
        std::thread::sleep(LIMIT);
        let _ = kill_process(process, Signal::KILL);
    });
}

/// Runs `line` `count` times on an empty pipe, and tells the median time from start to exit.
fn start_up(count: usize, line: &[String]) {
    let mut times = Vec::new();
    let mut status = ExitStatus::default();
    for _ in 0..count {
        // New ones each time: a relay may have grown the last ones.
        let (input, _) = std::io::pipe().expect("a pipe");
        let (_output, into_output) = std::io::pipe().expect("a pipe");
        let mut command = command(line);
        command
            .stdin(input)
            .stdout(into_output)
            .stderr(Stdio::null());
        let started = Instant::now();
        status = command.status().expect("start the relay");
        times.push(started.elapsed());
        if !status.success() {
            break;
        }
    }
    times.sort_unstable();
    tell(times[times.len() / 2], count, status);
}

fn tell(elapsed: Duration, runs: usize, status: ExitStatus) {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage");
    let microseconds = [usage.user_time(), usage.system_time()]
        .map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    let cpu: i64 = microseconds.iter().sum();
    let told = json!({
        "elapsed_s": elapsed.as_secs_f64(),
        "cpu_s": cpu as f64 / 1e6 / runs as f64,
        "peak_kib": usage.max_rss(),
        "status": status.to_string(),
        "ok": status.success(),
    });
    eprintln!("{told}");
}

/// The least that a relay can do: pages from one pipe to another, both as large as they get.
fn splice_all() {
    let (input, output) = (std::io::stdin(), std::io::stdout());
    // Where it is refused, smaller pipes do it too.
    let _ = fcntl_setpipe_size(&input, PIPE);
    let _ = fcntl_setpipe_size(&output, PIPE);
    while splice(&input, None, &output, None, PIPE, SpliceFlags::empty()).expect("splice") > 0 {}
}
