//! The producer and the consumer: this test binary again, in a process of its own, so that it can
//! be stopped and killed.
//!
//! libtest writes to stdout, so a producer gets its stream as stderr. What a peer did it leaves in
//! the round's folder, so that it is known also of one that was killed.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::round::{Dice, Round};
use super::{SEED, number, records};

/// What the process is, and the round's folder.
const ROLE: &str = "HWM_TORTURE_ROLE";
const FOLDER: &str = "HWM_TORTURE_FOLDER";

const PRODUCER: &str = "producer";
const CONSUMER: &str = "consumer";

/// In the folder: how much the producer wrote, and how much at most.
const WRITTEN: &str = "written";
/// In the folder: what the consumer read, or hwm wrote to a file.
pub const RECEIVED: &str = "received";

pub fn start_producer(round: &Round, folder: &Path, stream: OwnedFd) -> Child {
    let mut command = command(PRODUCER, round, folder);
    command.stdin(Stdio::null()).stderr(stream).spawn().unwrap()
}

pub fn start_consumer(round: &Round, folder: &Path, stream: OwnedFd) -> Child {
    let mut command = command(CONSUMER, round, folder);
    command.stdin(stream).spawn().unwrap()
}

fn command(role: &str, round: &Round, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "peers::peer", "--ignored", "--nocapture"])
        .env(ROLE, role)
        .env(SEED, round.seed.to_string())
        .env(FOLDER, folder)
        .stdout(Stdio::null());
    command
}

#[test]
#[ignore = "the peers of the random rounds"]
fn peer() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let round = Round::of(number(SEED).unwrap());
    let folder = std::env::var_os(FOLDER).unwrap();
    match &*role {
        PRODUCER => produce(&round, folder.as_ref()),
        CONSUMER => consume(&round, folder.as_ref()),
        other => panic!("no such role: {other}"),
    }
    std::process::exit(0);
}

/// Writes in random pieces with random pauses, until nobody reads.
fn produce(round: &Round, folder: &Path) {
    let mut stream = own(rustix::stdio::stderr());
    let null = File::options().write(true).open("/dev/null").unwrap();
    rustix::stdio::dup2_stderr(null).unwrap();
    let notes = File::create(folder.join(WRITTEN)).unwrap();
    let note = |done: usize, most: usize| {
        let bytes = [done.to_ne_bytes(), most.to_ne_bytes()].concat();
        notes.write_all_at(&bytes, 0).unwrap();
    };
    let source = records::source(round);
    let dice = &mut Dice::new(round.seed + 1);
    let mut done = 0;
    while done < source.len() {
        let most = (done + 1 + dice.below(round.largest_write) as usize).min(source.len());
        note(done, most);
        match stream.write(&source[done..most]) {
            Ok(count) => done += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
        pause(round, dice);
    }
    note(done, done);
}

/// Reads in random pieces with random pauses, to the end or until it leaves.
fn consume(round: &Round, folder: &Path) {
    let mut stream = own(rustix::stdio::stdin());
    let null = File::open("/dev/null").unwrap();
    rustix::stdio::dup2_stdin(null).unwrap();
    let mut received = File::create(folder.join(RECEIVED)).unwrap();
    let dice = &mut Dice::new(round.seed + 2);
    let mut left = round.leaves_after.unwrap_or(u64::MAX);
    while left > 0 {
        let mut piece = vec![0; 1 + dice.below(round.largest_read.min(left)) as usize];
        match stream.read(&mut piece) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A terminal whose other side is closed says EIO.
            Ok(0) | Err(_) => break,
            Ok(count) => {
                received.write_all(&piece[..count]).unwrap();
                left -= count as u64;
            }
        }
        pause(round, dice);
    }
}

fn own(fd: std::os::fd::BorrowedFd<'_>) -> File {
    File::from(fd.try_clone_to_owned().unwrap())
}

fn pause(round: &Round, dice: &mut Dice) {
    if dice.one_in(round.pauses) {
        std::thread::sleep(Duration::from_micros(dice.below(3_000)));
    }
}

/// How much the producer wrote, at least and at most: they differ if it was killed in a write.
pub fn written(folder: &Path) -> (u64, u64) {
    let notes = std::fs::read(folder.join(WRITTEN)).unwrap_or_default();
    let Some((done, most)) = notes
        .split_at_checked(8)
        .filter(|(_, most)| most.len() == 8)
    else {
        return (0, 0);
    };
    let number = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().unwrap());
    (number(done), number(most))
}
