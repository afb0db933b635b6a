//! No report and no display ever changes what is relayed: one corpus through every option of the
//! headings "Report" and "Display, as in pv", alone and together, gives the same bytes and the same
//! exit status as without them.
//!
//! The options come from the definition of the command line: one that is new there and has no values
//! here fails.

mod common;

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use common::{Finished, finish, hwm, log, raw_terminal};
use highwater::cli;

/// What is relayed, and how.
struct Transfer {
    /// What takes part in it; `F` is a file with the corpus, `G` another, `D` a folder for what is told.
    options: &'static str,
    /// Whether the corpus comes by stdin, too.
    by_stdin: bool,
}

const TRANSFERS: [Transfer; 12] = [
    by_stdin(""),
    by_stdin("-l -S -s 2"),
    by_stdin("-S -s 3"),
    by_stdin("-C --when-full drop-oldest -B 64M"),
    by_stdin("-0 -B 7"),
    // What is longer than C is lost in any case, and nothing else.
    by_stdin("--when-full drop-newest -B 200k --fail-on-loss --lost-to D/lost"),
    from_files("F G"),
    from_files("-l -S F"),
    from_files("-l -S F G F"),
    from_files("-0 -S F G"),
    from_files("-S G F"),
    from_files("-l -S -s 1M F gone G"),
];

const fn by_stdin(options: &'static str) -> Transfer {
    Transfer {
        options,
        by_stdin: true,
    }
}

const fn from_files(options: &'static str) -> Transfer {
    Transfer {
        options,
        by_stdin: false,
    }
}

/// What options that take a value are tried with.
fn values(name: &str) -> &'static [&'static str] {
    match name {
        "report" => &["bar", "plain", "json", "summary", "none"],
        "report-to" => &["D/report"],
        "events" => &["D/events"],
        "metrics-file" => &["D/metrics"],
        "chart" => &["D/chart.svg"],
        "on-pressure" | "on-flow" | "on-respawn" => &["true"],
        "interval" => &["0.01"],
        "name" => &["a name"],
        "last-written" => &["0", "1", "1024"],
        "format" => &[
            "",
            "%p%t%e%I%r%a%b",
            "%100A|%L|%9L",
            "%{buffer}%{lost}%{state}",
        ],
        "bar-style" => &["granular"],
        "average-rate-window" => &["1"],
        "delay-start" => &["0.01", "1h"],
        "width" => &["1", "100000"],
        "height" => &["1"],
        other => panic!("--{other} is new: what shall it be tried with?"),
    }
}

/// Every option that is about what is told, with each of its values.
fn switches() -> Vec<Vec<String>> {
    let command = cli::command();
    let tells = |heading: &str| heading == "Report" || heading == "Display, as in pv";
    let options = command
        .get_arguments()
        .filter(|option| option.get_help_heading().is_some_and(tells));
    let mut switches = Vec::new();
    for option in options {
        let name = option.get_long().expect("a long name");
        let word = format!("--{name}");
        match option.get_action().takes_values() {
            false => switches.push(vec![word]),
            true => switches.extend(
                values(name)
                    .iter()
                    .map(|value| vec![word.clone(), (*value).to_owned()]),
            ),
        }
    }
    switches
}

/// Some of the switches, for ever others.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    /// Two to six of them that may be used together.
    fn some(&mut self, switches: &[Vec<String>]) -> Vec<String> {
        loop {
            let count = 2 + self.below(5);
            let drawn: Vec<String> = (0..count)
                .flat_map(|_| switches[self.below(switches.len())].clone())
                .collect();
            if is_accepted(&drawn) {
                return drawn;
            }
        }
    }
}

fn is_accepted(words: &[String]) -> bool {
    let words = ["hwm"].into_iter().chain(words.iter().map(String::as_str));
    cli::parse(words.map(OsString::from), false).is_ok()
}

/// The corpus, of which the last record has no end, and where it lies.
struct Corpus {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
}

impl Corpus {
    fn new() -> Corpus {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = [b"1\n2\n3\0\n\n".to_vec(), log(100)].concat();
        bytes.extend(vec![b'x'; 250_000]);
        bytes.extend(b"\n\0the last");
        fs::write(folder.path().join("F"), b"1\n2\n3").unwrap();
        fs::write(folder.path().join("G"), &bytes).unwrap();
        Corpus { folder, bytes }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, transfer: &Transfer, switches: &[String]) -> Finished {
        let at = |word: &str| match word {
            "F" | "G" => format!("{}/{word}", self.path().display()),
            _ => word.replace("D/", &format!("{}/", self.path().display())),
        };
        let options = transfer.options.split_whitespace().map(at);
        let switches = switches.iter().map(|word| at(word));
        let words: Vec<String> = switches.chain(options).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let input = if transfer.by_stdin {
            &self.bytes[..]
        } else {
            b""
        };
        finish(hwm(&words).spawn().unwrap(), input)
    }

    #[track_caller]
    fn expect_same(&self, number: usize, switches: &[String], plain: &Finished) {
        let transfer = &TRANSFERS[number];
        let done = self.run(transfer, switches);
        let line = format!("hwm {switches:?} {}", transfer.options);
        assert_eq!(done.code(), plain.code(), "{line}: {}", done.stderr);
        assert!(done.stdout == plain.stdout, "{line}");
    }
}

#[test]
fn what_is_reported_changes_nothing_of_what_is_relayed() {
    let corpus = Corpus::new();
    let switches = switches();
    assert!(switches.len() > 40, "{switches:?}");
    let plain: Vec<_> = TRANSFERS
        .iter()
        .map(|transfer| corpus.run(transfer, &[]))
        .collect();
    // What it is without them: all of it, but where it was to be cut.
    let lengths: Vec<_> = plain.iter().map(|done| done.stdout.len()).collect();
    let all = corpus.bytes.len();
    let long = 250_001;
    assert_eq!(
        lengths,
        [
            all,
            4,
            3,
            all,
            all,
            all - long,
            all + 5,
            5,
            all + 10,
            all + 5,
            all + 5,
            all + 5
        ]
    );
    let codes: Vec<_> = plain.iter().map(Finished::code).collect();
    assert_eq!(codes, [0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 1]);

    let force = ["--force".to_owned()];
    for switch in &switches {
        for (number, plain) in plain.iter().enumerate() {
            // Most of what is shown is shown only where it is forced.
            let forced = [&force[..], switch].concat();
            if is_accepted(&forced) {
                corpus.expect_same(number, &forced, plain);
            }
        }
        corpus.expect_same(1, switch, &plain[1]);
    }
    let mut draw = Draw(0x5eed);
    for round in 0..200 {
        let number = round % TRANSFERS.len();
        corpus.expect_same(number, &draw.some(&switches), &plain[number]);
    }
}

#[test]
fn nor_does_a_terminal() {
    let corpus = Corpus::new();
    let file = corpus.path().join("F");
    let file = file.to_str().unwrap();
    for switch in switches() {
        // Told elsewhere, or not at all: nothing here.
        if switch[0].ends_with("-to")
            || ["--events", "--metrics-file", "--chart"].contains(&switch[0].as_str())
        {
            continue;
        }
        let (screen, terminal) = raw_terminal();
        let mut command = hwm(&["-l", "-S", file]);
        command.args(&switch).stderr(terminal);
        let child = command.spawn().unwrap();
        drop(command);
        let done = std::thread::scope(|scope| {
            // It ends in an error when nobody has the terminal any more.
            scope.spawn(|| fs::File::from(screen).read_to_end(&mut Vec::new()));
            finish(child, b"").expect(0)
        });
        assert_eq!(done.stdout, b"1\n2\n3", "{switch:?}");
    }
}

#[test]
fn counting_for_a_display_takes_nothing_from_a_file_that_the_shell_opened() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"1\n2\n3").unwrap();
    for switch in ["-fp", "-n", "-fF%e"] {
        std::io::Seek::rewind(&mut file).unwrap();
        let mut command = hwm(&["-l", "-S", switch]);
        command.stdin(file.try_clone().unwrap());
        let done = finish(command.spawn().unwrap(), b"").expect(0);
        assert_eq!(done.stdout, b"1\n2\n3", "{switch}");
        if switch == "-n" {
            assert!(done.stderr.ends_with("100\n"), "{:?}", done.stderr);
        }
    }
}
