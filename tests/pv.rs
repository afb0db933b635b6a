//! hwm beside pv: typical command lines of pv's users give the same bytes on stdout, the same exit
//! meaning, and stderr of the same form. Runs where pv is installed, and says so where it is not;
//! HWM_PV may name another pv.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{can, skipped};

/// A command line, with `pv` for the program.
struct Line {
    script: &'static str,
    /// The first of pv's versions that knows it.
    since: (u32, u32),
}

const fn always(script: &'static str) -> Line {
    Line {
        script,
        since: (1, 6),
    }
}

const fn since_1_11(script: &'static str) -> Line {
    Line {
        script,
        since: (1, 11),
    }
}

/// In a folder with `data` (5 MB), `lines` (a log), `more`, and `empty`.
const LINES: [Line; 58] = [
    always("pv data"),
    always("pv < data"),
    always("pv data lines more"),
    always("cat data | pv | cat"),
    always("cat data | pv -q"),
    always("cat data | pv - lines"),
    always("pv -f -pterb data"),
    always("pv -fp -w 40 data"),
    always("pv -fb data"),
    always("pv -ft data"),
    always("pv -fr data"),
    always("cat data | pv -fptrb"),
    always("cat data | pv -fptrb -s 5000000"),
    always("cat data | pv -s 1M -S"),
    // More than was expected.
    always("cat data | pv -fpb -s 1M"),
    always("pv -fpterb -N name data"),
    always("pv -fbt -i 0.25 -L 10m < data"),
    always("cat lines | pv -flb"),
    always("cat lines | pv -flbrt"),
    always("cat lines | pv -flpb -s 3000"),
    always("tr '\\n' '\\0' < lines | pv -f0lb"),
    always("pv -n data"),
    always("pv -n -i 0.2 -L 10M data"),
    always("pv -nb data"),
    always("pv -nbt data"),
    always("cat lines | pv -nl -s 3000"),
    always("pv -nlb lines"),
    always("pv -f -F '%b and %t' data"),
    always("pv -f -F 'x %p y %%' -w 50 data"),
    always("pv -fbW data"),
    always("pv -fb -D 5 data"),
    always("pv -fb missing data"),
    always("pv -fbC -B 64k data"),
    always("pv -T -fb data"),
    always("pv data > /dev/null && echo good"),
    always("pv missing > /dev/null || echo bad"),
    always("(pv -fb data | head -c 10) ; cat data | pv -fbL 1000000 | tail -c 3"),
    always("cat lines | pv -f --lin --by --ti --rate-l 1M"),
    always("pv -f --prog --wid 50 --nam=x data"),
    // Before, the average had other brackets and a share two digits.
    since_1_11("pv -fa data"),
    since_1_11("pv -fbrat empty"),
    since_1_11("cat data | pv -fpteb -s 10M"),
    // Before, a share beyond 100% was told with a minus.
    since_1_11("pv -n -s 1000000 < data"),
    since_1_11("pv -fbp -i 0.2 -L 10M data"),
    since_1_11("pv -fbrae -i 0.1 -m 2 -L 10M data"),
    since_1_11("pv -fpg -i 0.1 -L 10M < /dev/null"),
    since_1_11("cat data | pv -fpgb -u granular"),
    since_1_11("pv -fIb data"),
    since_1_11("pv -nF '{\"t\":%t,\"b\":%b,\"p\":%{progress-amount-only}}' data"),
    since_1_11("pv -f -F '%{sgr:red}%b%{sgr:reset} %{bar-shaded}|' lines"),
    since_1_11("pv -kfb -s 5k -S data"),
    since_1_11("pv -fb -P pid data && ls pid*"),
    since_1_11("pv -fbY data > copy && cat copy"),
    since_1_11("pv -fEb data"),
    since_1_11("pv -fk8 -bra data"),
    since_1_11("pv -flp lines"),
    since_1_11("pv -o out data && cat out"),
    since_1_11("pv -fXb data && pv -f -F '%N %{bytes} %12{name}' -N n lines"),
];

/// What a script leaves: stdout, whether it succeeded, stderr.
fn run(script: &str, program: &str, folder: &Path) -> (Vec<u8>, bool, String) {
    let done = Command::new("bash")
        .args([
            "-c",
            &format!("set -o pipefail; pv() {{ {program} \"$@\"; }}; {script}"),
        ])
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let stderr = String::from_utf8(done.stderr).unwrap();
    (done.stdout, done.status.success(), stderr)
}

/// The form of a stderr: its different lines, of which each number is one, whatever its digits, its
/// unit and its place, and each bar, however full.
fn form(stderr: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for line in stderr.split(['\r', '\n']) {
        let form = line_form(line.trim_end());
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    // How many intervals there were, and what stood at which moment, is a matter of time.
    forms.sort();
    forms
}

fn line_form(line: &str) -> String {
    let error = line
        .split_once(": ")
        .filter(|(program, _)| ["pv", "hwm"].contains(program));
    if let Some((_, message)) = error {
        // The words are each one's own; the file is named.
        return format!("error about {}", message.contains("missing"));
    }
    let mut form = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let is_bar = |c: char| "=<> █▉▊▋▌▍▎▏".contains(c);
        let bar = rest
            .strip_prefix('[')
            .and_then(|bar| bar.find(|c| !is_bar(c)));
        let end = rest
            .find(|c: char| !"0123456789.:".contains(c))
            .unwrap_or(rest.len());
        if let Some(end) = bar.filter(|end| rest[end + 1..].starts_with(']')) {
            form += &format!("[{}]", rest[1..=end].chars().count());
            rest = &rest[end + 2..];
        } else if end > 0 && first.is_ascii_digit() {
            form.push('#');
            rest = &rest[end..];
            let unit = rest.trim_start_matches(' ');
            let unit = unit
                .trim_start_matches(['K', 'k', 'M', 'G'])
                .trim_start_matches('i');
            if unit.starts_with(['B', 'b', '/']) {
                rest = unit;
            }
        } else {
            form.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    // A number may be padded.
    while form.contains("  ") {
        form = form.replace("  ", " ");
    }
    form.replace("[ #", "[#")
        .replace("( #", "(#")
        .replace("/ #", "/#")
        .trim()
        .to_owned()
}

/// pv's version.
fn version(pv: &str) -> (u32, u32) {
    let said = Command::new(pv).arg("--version").output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let number = said.split_whitespace().nth(1).unwrap();
    let mut parts = number.split('.').map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap())
}

#[test]
fn a_script_written_for_pv_gives_the_same() {
    let pv = std::env::var("HWM_PV").unwrap_or_else(|_| "pv".to_owned());
    if !can(&[&pv, "--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(folder.join("data"), data).unwrap();
    let lines: String = (0..3000).map(|n| format!("line {n}\n")).collect();
    fs::write(folder.join("lines"), lines).unwrap();
    fs::write(folder.join("more"), "more").unwrap();
    fs::write(folder.join("empty"), "").unwrap();
    let version = version(&pv);
    let hwm = env!("CARGO_BIN_EXE_hwm");
    let mut differences = Vec::new();
    for line in LINES.iter().filter(|line| line.since <= version) {
        let pv = run(line.script, &format!("command {pv}"), folder);
        let own = run(line.script, hwm, folder);
        let script = line.script;
        if pv.0 != own.0 {
            let lengths = (pv.0.len(), own.0.len());
            differences.push(format!("{script}: stdout differs, of lengths {lengths:?}"));
        }
        if pv.1 != own.1 {
            differences.push(format!("{script}: pv succeeds: {}, hwm: {}", pv.1, own.1));
        }
        // Without any switch for the display hwm has its own.
        let is_own = !script.contains(" -f") && !script.contains(" -n") && !script.contains(" -T");
        if !is_own && form(&pv.2) != form(&own.2) {
            differences.push(format!("{script}: stderr differs:\n{}\n{}", pv.2, own.2));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    let newer = LINES.iter().filter(|line| line.since > version).count();
    if newer > 0 {
        skipped(&format!(
            "{newer} of {} command lines want pv 1.11 (name one by HWM_PV)",
            LINES.len()
        ));
    }
}

#[test]
fn forms_tell_apart_what_looks_different() {
    let same = [
        "4.77MiB 0:00:00 [5.16GiB/s] [==========>] 100%",
        " 819KiB 0:12:34 [ 199  B/s] [==>        ]   7%",
    ];
    assert_eq!(line_form(same[0]), line_form(same[1]));
    for other in [
        "4.77MiB 0:00:00 [5.16GiB/s] [=========>] 100%",
        "4.77MiB 0:00:00 (5.16GiB/s) [==========>] 100%",
        "4.77MiB 0:00:00 [5.16GiB/s] [==========>] 100% ETA 0:00:00",
        "4.77Mib 0:00:00 [5.16GiB/s] [==========>] 100%",
    ] {
        assert_ne!(line_form(same[0]), line_form(other), "{other}");
    }
}
