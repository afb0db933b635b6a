//! The lossy policies on a real-looking log through real pipes: every line out is a line in, whole
//! and in order, the producer is never held up, and the account agrees with counting.

mod common;

use std::io::{Read, Write};
use std::time::Duration;

use common::{Account, assert_subsequence, finish, hwm, lines, log, run, slurp, summary_of, wait};

/// What a run did with a log while its consumer did not read before all of it had been taken.
struct Run {
    output: Vec<u8>,
    account: Account,
}

/// Feeds `input` while nobody reads; a lossy policy takes it all the same. Then reads everything.
fn run_with_late_consumer(args: &[&str], input: &[u8]) -> Run {
    let mut child = hwm(args).args(["--report", "json"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(input)
        .expect("the producer is never held up");
    drop(stdin);
    let output = slurp(child.stdout.take().unwrap());
    let stderr = slurp(child.stderr.take().unwrap());
    assert_eq!(wait(&mut child).code(), Some(0));
    let account = Account(summary_of(&String::from_utf8(stderr).unwrap()));
    Run { output, account }
}

/// Checks everything that holds for every lossy policy. Returns how many records were lost.
fn check(run: &Run, input: &[u8]) -> u64 {
    let missing = assert_subsequence(input, &run.output) as u64;
    let account = &run.account;
    account.assert_balanced();
    assert_eq!(account.count("in_bytes"), input.len() as u64);
    assert_eq!(account.count("in_records"), lines(input).len() as u64);
    assert_eq!(account.count("out_bytes"), run.output.len() as u64);
    assert_eq!(
        account.count("out_records"),
        lines(&run.output).len() as u64
    );
    assert_eq!(account.lost_in_all("lost_records"), missing);
    assert!(account.count("peak_held_bytes") <= account.count("capacity_bytes"));
    missing
}

const SMALL: [&str; 2] = ["-B", "64k"];

/// A small buffer that lost some of this, by the rule of the policy.
fn overflown(input: &[u8], policy: &str) -> Run {
    let args = [&SMALL[..], &["--when-full", policy]].concat();
    let run = run_with_late_consumer(&args, input);
    assert!(check(&run, input) > 0);
    run
}

fn assert_end_is_whole(run: &Run, input: &[u8]) {
    let (ours, theirs) = (lines(&run.output), lines(input));
    let last = 20;
    assert!(
        ours[ours.len() - last..] == theirs[theirs.len() - last..],
        "the end is whole"
    );
}

#[test]
fn drop_newest_keeps_the_oldest_lines() {
    let input = log(30_000);
    let run = overflown(&input, "drop-newest");
    let kept = 64 * 1024 / 2;
    assert!(
        run.output[..kept] == input[..kept],
        "the beginning is whole"
    );
}

#[test]
fn drop_oldest_keeps_the_newest_lines() {
    let input = log(30_000);
    let run = overflown(&input, "drop-oldest");
    assert_end_is_whole(&run, &input);
}

#[test]
fn no_more_records_are_held_than_allowed() {
    let input = log(20_000);
    for policy in ["drop-newest", "drop-oldest", "sample"] {
        let args = ["-B", "1M", "--buffer-records", "7", "--when-full", policy];
        let run = run_with_late_consumer(&args, &input);
        assert!(check(&run, &input) > 0, "{policy}");
        let longest = lines(&input).iter().map(|line| line.len()).max().unwrap() as u64;
        assert!(
            run.account.count("peak_held_bytes") <= 7 * longest,
            "{policy}"
        );
    }
    // Where nothing may be lost, the bound holds the producer, also where it is one.
    for (policy, most) in [
        ("block", "1"),
        ("block", "1000"),
        ("drop-oldest", "1000000"),
    ] {
        let args = ["-q", "--buffer-records", most, "--when-full", policy];
        assert!(run(&args, &input[..1 << 18]).expect(0).stdout == input[..1 << 18]);
    }
    let args = ["-q", "--buffer-records", "3", "--when-full", "fail"];
    assert_eq!(
        run(&args, b"1\n2\n3\n4\n").code(),
        0,
        "the consumer keeps up"
    );
}

#[test]
fn drop_buffer_starts_over_when_it_is_full() {
    let input = log(30_000);
    let run = overflown(&input, "drop-buffer");
    assert_end_is_whole(&run, &input);
}

#[test]
fn sample_lets_some_of_all_ages_pass() {
    let input = log(30_000);
    let specs = ["1/50", "2%", "adaptive", "first=9,then=90,per=1h"];
    for spec in specs.into_iter().chain(["reservoir=50/1h"]) {
        let args = ["--when-full", "sample", "--sample", spec, "--seed", "7"];
        let run = run_with_late_consumer(&[&SMALL[..], &args].concat(), &input);
        assert!(check(&run, &input) > 0, "{spec}");
        assert!(run.account.lost("sampled").1 > 0, "{spec}");
    }
}

#[test]
fn a_seed_makes_the_choice_repeatable() {
    let input = log(2_000);
    // Always pressured, never full: only the sampler decides.
    let args = [
        "-B",
        "64M",
        "--high-water",
        "1",
        "--low-water",
        "0",
        "--when-full",
        "sample",
    ];
    let with = |seed| {
        let all = [&args[..], &["--sample", "30%", "--seed", seed]].concat();
        finish(hwm(&all).spawn().unwrap(), &input).expect(0).stdout
    };
    assert!(with("1") == with("1"));
    assert!(with("1") != with("2"));
}

#[test]
fn marks_stand_where_lines_are_missing_and_sum_to_the_loss() {
    let input = log(30_000);
    for policy in [
        "drop-newest",
        "drop-oldest",
        "drop-buffer",
        "latest",
        "sample",
        "red",
    ] {
        let args = ["--when-full", policy, "--mark=~ {records} ~", "--seed", "1"];
        let mut run = run_with_late_consumer(&[&SMALL[..], &args].concat(), &input);
        let mut marked = 0;
        let mut rest = Vec::new();
        for line in lines(&run.output) {
            match line
                .strip_prefix(b"~ ")
                .and_then(|rest| rest.strip_suffix(b" ~\n"))
            {
                Some(number) => {
                    marked += std::str::from_utf8(number).unwrap().parse::<u64>().unwrap();
                }
                None => rest.extend_from_slice(line),
            }
        }
        let mark_bytes = (run.output.len() - rest.len()) as u64;
        run.output = rest;
        assert_eq!(marked, check(&run, &input), "{policy}");
        assert_eq!(run.account.count("mark_bytes"), mark_bytes);
    }
}

#[test]
fn marks_with_a_time_between_them_sum_to_the_loss_and_delay_nothing() {
    let input = log(30_000);
    for policy in ["drop-newest", "drop-oldest", "sample", "red"] {
        let args = ["--when-full", policy, "--mark=~{records}~", "--seed", "1"];
        let args = [&SMALL[..], &args, &["--mark-every", "1h"]].concat();
        let mut run = run_with_late_consumer(&args, &input);
        let (marks, rest): (Vec<&[u8]>, Vec<&[u8]>) =
            lines(&run.output).iter().partition(|l| l.starts_with(b"~"));
        let missing = |mark: &&[u8]| -> u64 {
            let text = std::str::from_utf8(mark).unwrap();
            text.trim_matches(['~', '\n']).parse().unwrap()
        };
        let marked: u64 = marks.iter().map(missing).sum();
        assert!(marks.len() <= 2, "the first, and the rest at the end");
        run.output = rest.concat();
        assert_eq!(marked, check(&run, &input), "{policy}");
    }
}

#[test]
fn what_was_lost_between_two_marks_is_reported_in_time_also_when_nothing_more_comes() {
    let args = ["-B", "1k", "--high-water", "0", "--when-full", "sample"];
    let args = [&args[..], &["--sample", "1/2", "--mark={records} lost"]].concat();
    let args = [&args[..], &["--mark-every", "300ms"]].concat();
    let mut child = hwm(&args).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // The first record makes it pressured, and it stays so.
    stdin.write_all(b"1\n2\n3\n4\n5\n6\n").unwrap();
    let expected = b"1 lost\n2\n4\n6\n2 lost\n";
    let mut output = vec![0; expected.len()];
    stdout.read_exact(&mut output).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output),
        String::from_utf8_lossy(expected)
    );
    drop(stdin);
    assert_eq!(slurp(stdout), b"");
    assert_eq!(wait(&mut child).code(), Some(0));
}

#[test]
fn a_mark_is_always_followed_by_a_record() {
    let script = "seq 300000 | \"$HWM\" -q -B 64 -L 2000 --when-full drop-oldest --mark=gap";
    let done = std::process::Command::new("sh")
        .args(["-c", script])
        .env("HWM", env!("CARGO_BIN_EXE_hwm"))
        .output()
        .expect("sh");
    let text = String::from_utf8(done.stdout).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.contains(&"gap"), "nothing was lost");
    let adjacent = lines.windows(2).any(|pair| pair == ["gap", "gap"]);
    assert!(!adjacent && lines.last() != Some(&"gap"), "{lines:?}");
}

#[test]
fn the_default_mark_says_how_much() {
    let input = [b"one\n".as_slice(), &[b'x'; 2047], b"\nthree\n"].concat();
    let done = run(
        &["-B", "100", "--when-full", "drop-newest", "--mark"],
        &input,
    )
    .expect(0);
    assert_eq!(
        String::from_utf8(done.stdout).unwrap(),
        "one\nhwm: 1 record (2.00KiB) lost\nthree\n"
    );
}

#[test]
fn a_mark_may_be_a_row_of_typed_columns() {
    let rows: String = (1..=50_000).map(|id| format!("{id},row,1\n")).collect();
    let args = [
        "--mark=-1,MARK,{records}",
        "-B",
        "64k",
        "--when-full",
        "drop-oldest",
    ];
    let run = run_with_late_consumer(&args, rows.as_bytes());
    let output = String::from_utf8(run.output).unwrap();
    let (mut total, mut marks) = (0, 0);
    for row in output.lines() {
        let columns: Vec<&str> = row.split(',').collect();
        let [id, what, count] = columns[..] else {
            panic!("{row}");
        };
        id.parse::<i32>().unwrap();
        marks += u32::from(what == "MARK");
        total += count.parse::<u32>().unwrap();
    }
    assert!(marks > 0);
    assert_eq!(total, 50_000, "each row or its mark");
}

#[test]
fn a_mark_for_what_is_missing_at_the_end_comes_at_the_end() {
    let input = [b"one\n".as_slice(), &[b'x'; 500]].concat();
    let args = [
        "-B",
        "100",
        "--when-full",
        "drop-oldest",
        "--mark={records} of {bytes} bytes",
    ];
    let done = run(&args, &input).expect(0);
    let text = String::from_utf8(done.stdout).unwrap();
    assert_eq!(text, "one\n1 of 500 bytes\n");
}

#[test]
fn oversize_records_are_lost_whole_and_the_others_stay() {
    let mut input = Vec::new();
    for number in 0..50 {
        input.extend_from_slice(format!("{number}\n").as_bytes());
        input.extend(std::iter::repeat_n(b'x', 10_000));
        input.push(b'\n');
    }
    let done = run(
        &[
            "-B",
            "5000",
            "--when-full",
            "drop-newest",
            "--report",
            "json",
        ],
        &input,
    );
    let account = done.summary();
    account.assert_balanced();
    assert_eq!(account.lost("oversize"), (50 * 10_001, 50));
    assert_eq!(
        lines(&done.stdout).len() as u64,
        50 - account.lost("queue_full").1
    );
}

#[test]
fn null_bytes_end_records_with_0() {
    let input = b"a\nb\0c\n\0tail";
    let done = run(
        &["-0", "--when-full", "drop-oldest", "--report", "json"],
        input,
    )
    .expect(0);
    assert_eq!(done.stdout, input);
    assert_eq!(done.summary().count("in_records"), 3);
}

#[test]
fn half_a_line_is_held_back_by_lossy_policies_and_passed_on_by_block() {
    for (policy, passes) in [("block", true), ("fail", true), ("drop-oldest", false)] {
        let mut child = hwm(&["--when-full", policy]).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"half").unwrap();
        let mut stdout = child.stdout.take().unwrap();
        if passes {
            let mut half = [0; 4];
            stdout.read_exact(&mut half).unwrap();
            assert_eq!(&half, b"half");
            stdin.write_all(b" a line\n").unwrap();
        } else {
            std::thread::sleep(Duration::from_millis(100));
            assert_eq!(rustix::io::ioctl_fionread(&stdout).unwrap(), 0);
            stdin.write_all(b" a line\n").unwrap();
        }
        drop(stdin);
        let rest = slurp(stdout);
        assert!(rest.ends_with(b" a line\n"), "{policy}");
        finish(child, b"").expect(0);
    }
}

#[test]
fn the_newest_lines_arrive_when_the_consumer_comes_back() {
    let mut child = hwm(&["-B", "64k", "--when-full", "drop-oldest", "--mark"])
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = log(30_000);
    stdin.write_all(&input).unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // The run goes on: what is held must come without an end of input.
    let last = *lines(&input).last().unwrap();
    let mut seen = Vec::new();
    let mut some = vec![0; 65_536];
    while !seen.ends_with(last) {
        let count = stdout.read(&mut some).unwrap();
        assert!(count > 0, "ended early");
        seen.extend_from_slice(&some[..count]);
    }
    drop(stdin);
    drop(stdout);
    finish(child, b"");
}

#[test]
fn latest_delivers_the_newest_line_with_one_write_of_the_consumers_return() {
    const LAST: usize = 100_000;
    // A small buffer leaves the pipe behind hwm as it is.
    let mut child = hwm(&["-B", "4k", "--when-full", "latest"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for number in 1..=LAST {
        writeln!(stdin, "{number}").unwrap();
    }
    // All was read, and the run goes on.
    while rustix::io::ioctl_fionread(&stdin).unwrap() > 0 {
        std::thread::yield_now();
    }
    let mut stdout = child.stdout.take().unwrap();
    let last = format!("\n{LAST}\n").into_bytes();
    let mut seen = Vec::new();
    let mut some = vec![0; 4096];
    while !seen.ends_with(&last) {
        let count = stdout.read(&mut some).unwrap();
        assert!(count > 0, "ended early");
        seen.extend_from_slice(&some[..count]);
    }
    drop(stdin);
    seen.extend(slurp(stdout));
    let text = String::from_utf8(seen).unwrap();
    let numbers: Vec<usize> = text.lines().map(|line| line.parse().unwrap()).collect();
    // What the kernel's pipe took, and then the newest. The last page of a full pipe may still take a short one.
    let whole = numbers
        .iter()
        .zip(1..)
        .take_while(|(number, n)| **number == *n);
    let first_missing = whole.count() + 1;
    assert!(first_missing > 1_000 && first_missing < LAST);
    let behind = &numbers[first_missing - 1..];
    assert!(behind.is_sorted() && behind.last() == Some(&LAST));
    assert!(
        behind.len() <= 4096 / "10000\n".len(),
        "more than a page: {}",
        behind.len()
    );
    finish(child, b"");
}

#[test]
fn latest_loses_nothing_for_a_consumer_that_keeps_up() {
    let mut child = hwm(&["--when-full", "conflate"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    for round in 0..100 {
        let lines: String = (0..=round).map(|number| format!("{number}\n")).collect();
        stdin.write_all(lines.as_bytes()).unwrap();
        let mut came = vec![0; lines.len()];
        stdout.read_exact(&mut came).unwrap();
        assert_eq!(came, lines.as_bytes());
    }
    drop(stdin);
    finish(child, b"").expect(0);
}

#[test]
fn a_reservoir_goes_out_when_its_window_ends_though_the_input_is_idle() {
    let args = ["--high-water", "1", "--low-water", "0", "--seed", "1"];
    let sample = ["--when-full", "sample", "--sample", "reservoir=5/200ms"];
    let mut child = hwm(&[&args[..], &sample].concat())
        .args(["--report", "json"])
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = log(1_000);
    stdin.write_all(&input).unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut some = vec![0; 65_536];
    let count = stdout.read(&mut some).unwrap();
    assert!(lines(&some[..count]).len() >= 5);
    stdin.write_all(&input).unwrap();
    drop(stdin);
    let mut output = some[..count].to_vec();
    output.extend(slurp(stdout));
    let stderr = slurp(child.stderr.take().unwrap());
    assert_eq!(wait(&mut child).code(), Some(0));
    let account = Account(summary_of(&String::from_utf8(stderr).unwrap()));
    let run = Run { output, account };
    let lost = check(&run, &input.repeat(2));
    assert_eq!(run.account.lost("sampled").1, lost);
    assert!(lost > 1_900, "{lost}");
}

#[test]
fn records_of_some_pages_stay_whole_while_others_are_evicted() {
    let mut input = Vec::new();
    for number in 0..2_000_u64 {
        input.extend(format!("{number:06} ").bytes());
        let mixed = |at: u64| (number * 31 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59;
        input.extend((0..19_500).map(|at| b'a' + (mixed(at) % 26) as u8));
        input.push(b'\n');
    }
    for policy in [
        "drop-oldest",
        "drop-newest",
        "drop-buffer",
        "latest",
        "sample",
        "red",
    ] {
        let args = ["-B", "256k", "--when-full", policy];
        let run = run_with_late_consumer(&args, &input);
        assert!(check(&run, &input) > 0, "{policy}");
    }
}
