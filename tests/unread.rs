//! What a consumer that is gone left unread, with real pipes and sockets: lost, counted to the byte, and kept whole by
//! `--lost-to`.

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{Account, Finished, can, command, finish, hwm, lines, log, slurp, wait, wait_until};

/// More than a pipe of 1 MiB and a small buffer take.
fn flood() -> Vec<u8> {
    log(30_000)
}

/// What is read of `from` before it is closed: exactly so many bytes.
fn read_exactly(from: &mut impl Read, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes).expect("so much comes");
    bytes
}

/// How often each line stands in `bytes`.
fn census(bytes: &[u8]) -> BTreeMap<&[u8], usize> {
    let mut found = BTreeMap::new();
    for line in lines(bytes) {
        *found.entry(line).or_default() += 1;
    }
    found
}

/// Whole lines in `bytes`, a mark not counted.
fn whole(bytes: &[u8]) -> Vec<&[u8]> {
    let all = lines(bytes).into_iter();
    all.filter(|line| line.ends_with(b"\n") && !line.starts_with(b"~"))
        .collect()
}

/// Fails unless the consumer had `read` just what the account says, and everything else is lost.
#[track_caller]
fn assert_taken(account: &Account, read: &[u8]) {
    let marks: usize = lines(read)
        .into_iter()
        .filter(|line| line.starts_with(b"~"))
        .map(<[u8]>::len)
        .sum();
    assert_eq!(account.count("mark_bytes"), marks as u64, "{}", account.0);
    let taken = read.len() - marks;
    assert_eq!(account.count("out_bytes"), taken as u64, "{}", account.0);
    assert_eq!(account.count("held_bytes"), 0);
    let lost = account.lost_in_all("lost_bytes");
    assert_eq!(account.count("in_bytes"), account.count("out_bytes") + lost);
    if !account.0["in_records"].is_null() {
        account.assert_balanced();
        let records = whole(read).len() as u64;
        assert_eq!(account.count("out_records"), records, "{}", account.0);
    }
}

/// Fails unless each line of what came in of `input` and was not read to its end is in the file once, and no
/// other. Where not all found space to wait for the disk, the sums must tell.
#[track_caller]
fn assert_kept(account: &Account, input: &[u8], read: &[u8], path: &Path) {
    let dead_letters = account.count("spilled_bytes") + account.count("unspilled_bytes");
    assert_eq!(
        dead_letters,
        account.lost_in_all("lost_bytes"),
        "{}",
        account.0
    );
    if account.count("unspilled_records") > 0 {
        return;
    }
    let mut came = input[..account.count("in_bytes") as usize].to_vec();
    if !came.ends_with(b"\n") {
        came.push(b'\n');
    }
    let mut expected = census(&came);
    for line in whole(read) {
        expected.remove(line);
    }
    let kept = std::fs::read(path).expect("the lost records");
    let kept = census(&kept);
    let (lost, found) = (expected.len(), kept.len());
    assert!(expected == kept, "{lost} lost, {found} kept");
}

/// Writes all of `input`, waits until `child` has taken what it will, and ends it by closing `output` after so
/// many bytes; returns these and what `child` left.
fn leave_after<R: Read>(
    mut child: Child,
    mut output: R,
    input: &[u8],
    count: usize,
) -> (Vec<u8>, Finished) {
    let mut stdin = child.stdin.take().expect("stdin");
    let feed = input.to_vec();
    let feeder = std::thread::spawn(move || {
        // With `block` it is stopped, and then told.
        let _ = stdin.write_all(&feed);
        stdin
    });
    let read = read_exactly(&mut output, count);
    let write_mode = std::time::Instant::now();
    while !feeder.is_finished() && write_mode.elapsed().as_millis() < 300 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(output);
    let done = finish(child, b"");
    drop(feeder.join().expect("the feeder"));
    (read, done)
}

#[test]
fn what_nobody_read_of_a_flood_is_lost_and_kept() {
    let input = flood();
    for policy in ["drop-oldest", "drop-newest", "drop-buffer"] {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("lost");
        let mut child = hwm(&["--when-full", policy, "-B", "1M", "--report", "json"])
            .arg("--lost-to")
            .arg(&path)
            .spawn()
            .expect("spawn");
        let output = child.stdout.take().expect("stdout");
        let (_, done) = leave_after(child, output, &input, 0);
        let account = done.expect(141).summary();
        assert_taken(&account, b"");
        assert!(account.lost("unread").1 > 0, "{}", account.0);
        assert_kept(&account, &input, b"", &path);
    }
}

#[test]
fn a_record_of_which_a_part_was_read_is_lost_whole() {
    let input = flood();
    for args in [
        &["--when-full", "drop-oldest"][..],
        &["--when-full", "drop-newest", "--no-splice"],
        &["--when-full", "latest"],
        &["-l"],
        &["-l", "--no-splice"],
        &["-l", "-L", "300k"],
    ] {
        for count in [1, 1_000, 100_001, 700_000] {
            if args.contains(&"-L") && count > 100_001 {
                continue;
            }
            let folder = tempfile::tempdir().expect("folder");
            let path = folder.path().join("lost");
            let mut child = hwm(args)
                .args(["-B", "64k", "--broken-pipe", "ok", "--report", "json"])
                .arg("--lost-to")
                .arg(&path)
                .spawn()
                .expect("spawn");
            let output = child.stdout.take().expect("stdout");
            // A part of it, so that all of it came in: block has no space for more.
            let input = match args.contains(&"-l") {
                true => &input[..1_050_000],
                false => &input[..],
            };
            let (read, done) = leave_after(child, output, input, count);
            let account = done.expect(0).summary();
            assert_taken(&account, &read);
            assert_kept(&account, input, &read, &path);
        }
    }
}

#[test]
fn bytes_that_nobody_counts_in_records_are_reported_from_what_was_read() {
    let input = flood();
    for args in [&[][..], &["--no-splice"], &["-B", "1000"]] {
        for count in [0, 1, 70_000] {
            let mut child = hwm(&["--report", "json"])
                .args(args)
                .spawn()
                .expect("spawn");
            let output = child.stdout.take().expect("stdout");
            let (read, done) = leave_after(child, output, &input, count);
            let account = done.expect(141).summary();
            assert_taken(&account, &read);
            assert!(
                account.0["lost_bytes"]["unread"].as_u64() > Some(0),
                "{}",
                account.0
            );
        }
    }
}

#[test]
fn marks_that_were_not_read_are_no_records() {
    let mut marks = 0;
    for count in [0, 100, 65_000, 100_000, 200_001] {
        let mut child = hwm(&["--when-full", "drop-newest", "-B", "3000"])
            .args(["--mark=~{records}", "--report", "json"])
            .spawn()
            .expect("spawn");
        let mut stdin = child.stdin.take().expect("stdin");
        let feeder = std::thread::spawn(move || {
            let input = log(100);
            while stdin.write_all(&input).is_ok() {}
        });
        let mut output = child.stdout.take().expect("stdout");
        let mut read = Vec::new();
        // Little at a time, so that there is space for something behind what is lost.
        while read.len() < count {
            let piece = 5_000.min(count - read.len());
            read.extend(read_exactly(&mut output, piece));
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        wait_until("it is full", || {
            rustix::io::ioctl_fionread(&output).expect("fionread") > 20_000
        });
        drop(output);
        let account = finish(child, b"").expect(141).summary();
        feeder.join().expect("the feeder");
        assert_taken(&account, &read);
        marks += account.count("marks");
    }
    assert!(marks > 0, "nobody met a mark");
}

#[test]
fn a_fifo_gives_back_what_was_not_read() {
    let folder = tempfile::tempdir().expect("folder");
    let fifo = folder.path().join("fifo");
    let path = folder.path().join("lost");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0).expect("mknod");
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || File::open(fifo).expect("open")
    });
    let child = hwm(&[
        "--when-full",
        "drop-oldest",
        "-B",
        "1M",
        "--report",
        "json",
        "-o",
    ])
    .arg(&fifo)
    .arg("--lost-to")
    .arg(&path)
    .spawn()
    .expect("spawn");
    let input = flood();
    let reader = reader.join().expect("a reader");
    let (read, done) = leave_after(child, reader, &input, 12_345);
    let account = done.expect(141).summary();
    assert_taken(&account, &read);
    assert_kept(&account, &input, &read, &path);
}

/// Runs hwm with this output, whose other end reads so many bytes of the input and closes; the input goes on, and
/// ends behind that.
fn over(theirs: OwnedFd, mut ours: impl Read, count: usize) -> (Vec<u8>, Account) {
    let mut child = hwm(&["-l", "--broken-pipe", "ok", "--report", "json"])
        .stdout(theirs)
        .spawn()
        .expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin");
    stdin.write_all(b"one\ntwo\nthree\n").expect("write");
    let read = read_exactly(&mut ours, count);
    drop(ours);
    let feeder = std::thread::spawn(move || while stdin.write_all(b"more\n").is_ok() {});
    let done = finish(child, b"").expect(0);
    feeder.join().expect("the feeder");
    (read, done.summary())
}

#[test]
fn a_socket_tells_that_something_was_left_and_no_more() {
    for tcp in [false, true] {
        for count in [4, 14] {
            let (read, account) = match tcp {
                false => {
                    let (ours, theirs) = UnixStream::pair().expect("sockets");
                    over(theirs.into(), ours, count)
                }
                true => {
                    let (theirs, ours) = connection();
                    over(theirs.into(), ours, count)
                }
            };
            account.assert_balanced();
            let unread = account.lost("unread");
            // On TCP, what came after everything was read goes out once, and is not read.
            match count == 14 && !tcp {
                true => assert_eq!(unread, (0, 0), "{}", account.0),
                false => assert_eq!(unread, (1, 1), "{}", account.0),
            }
            assert!(account.count("out_bytes") >= read.len() as u64);
        }
    }
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let near = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    (near, listener.accept().expect("accept").0)
}

#[test]
fn a_consumer_that_is_done_sending_gets_everything() {
    let input = flood();
    let (theirs, mut ours) = connection();
    ours.shutdown(Shutdown::Write).expect("shutdown");
    let child = hwm(&["-q"])
        .stdout(OwnedFd::from(theirs))
        .spawn()
        .expect("spawn");
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        ours.read_to_end(&mut all).expect("read");
        all
    });
    finish(child, &input).expect(0);
    assert!(reader.join().expect("the reader") == input);
}

#[test]
fn a_tcp_consumer_that_leaves_something_is_missed_at_once_also_while_input_is_idle() {
    let (theirs, ours) = connection();
    let mut child = hwm(&["-l", "--report", "json"])
        .stdout(OwnedFd::from(theirs))
        .spawn()
        .expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin");
    stdin.write_all(b"one\n").expect("write");
    wait_until("it came", || {
        ours.peek(&mut [0; 4]).is_ok_and(|count| count == 4)
    });
    drop(ours);
    // The input stays open and idle: had hwm not heard of it, it would not end.
    let account = finish(child, b"").expect(141).summary();
    assert_eq!(account.lost("unread"), (1, 1));
    drop(stdin);
}

#[test]
fn a_run_that_ended_well_tells_what_its_consumer_had_left() {
    for (args, records) in [(&["-l"][..], true), (&[], false)] {
        let mut child = hwm(args).args(["--report", "json"]).spawn().expect("spawn");
        let mut stdin = child.stdin.take().expect("stdin");
        stdin.write_all(b"one\ntwo\nthr").expect("write");
        let mut output = child.stdout.take().expect("stdout");
        // All of it is there, and a part of it is read.
        wait_until("it is written", || {
            rustix::io::ioctl_fionread(&output).expect("fionread") == 11
        });
        assert_eq!(read_exactly(&mut output, 5), b"one\nt");
        drop(output);
        drop(stdin);
        let account = finish(child, b"").expect(0).summary();
        assert_eq!(account.count("out_bytes"), 5);
        assert_eq!(account.0["lost_bytes"]["unread"], 6);
        if records {
            account.assert_balanced();
            assert_eq!(account.count("out_records"), 1);
            assert_eq!(account.lost("unread"), (6, 2));
        }
    }
}

#[test]
fn a_pipe_with_another_writer_never_makes_it_more_than_was_sent() {
    for args in [&["-l"][..], &[], &["--when-full", "drop-oldest"]] {
        let (reader, writer) = std::io::pipe().expect("pipe");
        (&writer)
            .write_all(&b"another's\n".repeat(500))
            .expect("write");
        let mut child = hwm(args)
            .args(["--report", "json"])
            .stdout(writer.try_clone().expect("clone"))
            .spawn()
            .expect("spawn");
        let mut stdin = child.stdin.take().expect("stdin");
        stdin.write_all(b"one\ntwo\n").expect("write");
        wait_until("it is written", || {
            rustix::io::ioctl_fionread(&reader).expect("fionread") == 5_008
        });
        drop((reader, writer));
        let done = finish(child, b"").expect(141);
        assert_taken(&done.summary(), b"");
        drop(stdin);
    }
}

/// hwm run by `words`, with records counted: also where a helper thread writes, in whatever piece it was.
#[track_caller]
fn counts_what_it_cannot_read_back(words: &[&str]) {
    let binary = env!("CARGO_BIN_EXE_hwm");
    if !can(&[words, &[binary, "--version"]].concat()) {
        return;
    }
    let input = log(3_000);
    for args in [
        &["-l"][..],
        &["--when-full", "drop-oldest", "--mark=~{records}"],
    ] {
        for count in [0, 10_000] {
            let mut child = command(&[words, &[binary], args].concat())
                .args(["--report", "json"])
                .spawn()
                .expect("spawn");
            let output = child.stdout.take().expect("stdout");
            let (read, done) = leave_after(child, output, &input, count);
            assert_taken(&done.summary(), &read);
        }
    }
}

const AS_NOBODY: [&str; 3] = ["setpriv", "--reuid=65534", "--clear-groups"];

#[test]
fn a_pipe_that_may_not_be_read_is_counted_all_the_same() {
    counts_what_it_cannot_read_back(&AS_NOBODY);
}

#[test]
fn what_a_thread_could_still_write_is_counted_too() {
    let without_nowait = "inject=pwritev2:error=EOPNOTSUPP";
    let strace = ["strace", "-f", "-o", "/dev/null", "-e", without_nowait];
    counts_what_it_cannot_read_back(&[&AS_NOBODY[..], &strace].concat());
}

#[test]
fn the_reason_is_in_every_report() {
    let folder = tempfile::tempdir().expect("folder");
    let metrics = folder.path().join("metrics");
    let mut child = hwm(&["-l", "--broken-pipe", "ok", "-B", "10", "--metrics-file"])
        .arg(&metrics)
        .spawn()
        .expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin");
    let output = child.stdout.take().expect("stdout");
    stdin.write_all(b"one\ntwo\n").expect("write");
    wait_until("it is written", || {
        rustix::io::ioctl_fionread(&output).expect("fionread") == 8
    });
    drop(output);
    stdin.write_all(b"three\n").ok();
    let done = finish(child, b"").expect(0);
    assert!(
        done.stderr.contains("; 2 records read but not delivered"),
        "{}",
        done.stderr
    );
    let metrics = std::fs::read_to_string(metrics).expect("metrics");
    for line in [
        "hwm_lost_records_total{reason=\"unread\"} 2\n",
        "hwm_lost_bytes_total{reason=\"unread\"} 8\n",
        "hwm_sent_bytes_total 0\n",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    drop(stdin);
}

/// Hands `input` to hwm through a pipe that stays open, so that what was not taken is still there: returns how much was
/// taken, too.
fn hand_over(words: &[&str], input: &[u8], folder: &Path) -> (Finished, u64) {
    let flags = rustix::pipe::PipeFlags::CLOEXEC;
    let (reader, writer) = rustix::pipe::pipe_with(flags).expect("pipe");
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).expect("non-blocking");
    let output = File::create(folder.join("out")).expect("a file");
    // It begins late, so that hwm has waited for it: only then it takes what more pipes may hold.
    let mut sink = Command::new("sh")
        .args(["-c", "sleep 0.2; exec cat"])
        .stdin(Stdio::piped())
        .stdout(output)
        .spawn()
        .expect("cat");
    let mut child = command(words)
        .stdin(reader.try_clone().expect("clone"))
        .stdout(sink.stdin.take().expect("stdin"))
        .spawn()
        .expect("spawn");
    let mut writer = Some(writer);
    let mut written = 0;
    while child.try_wait().expect("wait").is_none() {
        let end = writer.take_if(|_| written == input.len());
        drop(end);
        let wrote = writer
            .as_ref()
            .map(|writer| rustix::io::write(writer, &input[written..]));
        match wrote {
            Some(Ok(count)) => written += count,
            _ => std::thread::sleep(std::time::Duration::from_millis(1)),
        }
    }
    let done = finish(child, b"");
    wait(&mut sink);
    let left = rustix::io::ioctl_fionread(&reader).expect("fionread");
    (done, written as u64 - left)
}

#[test]
fn what_was_taken_and_cannot_be_read_is_in_the_account() {
    if !can(&["strace", "-o", "/dev/null", "true"]) {
        return;
    }
    // More than is looked at before it is worth large pipes.
    let input = &log(20_000)[..];
    let mut met = 0;
    // Which read it is depends on what hwm looks at before.
    for number in 1..40 {
        let folder = tempfile::tempdir().expect("folder");
        let inject = format!("inject=read:error=EIO:when={number}");
        let (done, taken) = hand_over(
            &[
                "strace",
                "-f",
                "-o",
                "/dev/null",
                "-e",
                "trace=read",
                "-e",
                &inject,
                env!("CARGO_BIN_EXE_hwm"),
                "-l",
                "-B",
                "300k",
                "--report",
                "json",
            ],
            input,
            folder.path(),
        );
        if !done.stderr.contains("cannot read a pipe of its own: ") {
            continue;
        }
        met += 1;
        let account = done.expect(1).summary();
        account.assert_balanced();
        assert_eq!(account.count("in_bytes"), taken);
        assert!(account.lost("shutdown").0 > 0, "{}", account.0);
        let out = slurp(File::open(folder.path().join("out")).expect("a file"));
        assert_eq!(account.count("out_bytes"), out.len() as u64);
        assert!(input.starts_with(&out));
    }
    assert!(met > 0, "no read of its own pipe failed");
}
