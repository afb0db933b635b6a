//! The committed completions in the shells that they are for: somebody types on a terminal, TAB completes,
//! and what a command called `hwm` was given then is what counts.

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Child;

use common::session::{Screen, session};
use common::{can, wait_until};
use rustix::termios::{LocalModes, Winsize, tcsetwinsize};

/// A folder with files to complete, and beside it a `hwm` that writes down what it is given, a word a
/// line, and counts how often it ran.
struct Home {
    root: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self {
            root: tempfile::tempdir().unwrap(),
        };
        for folder in ["work/sub", "bin"] {
            std::fs::create_dir_all(home.at(folder)).unwrap();
        }
        for file in ["work/alpha.log", "work/disk one.img"] {
            std::fs::write(home.at(file), "").unwrap();
        }
        std::fs::write(home.at("runs"), "0\n").unwrap();
        let script = "#!/bin/sh\nprintf '%s\\n' \"$@\" >../words\nread runs <../runs\n\
                      echo $((runs + 1)) >../runs\n";
        let hwm = home.at("bin/hwm");
        std::fs::write(&hwm, script).unwrap();
        assert!(can(&["chmod", "+x", hwm.to_str().unwrap()]));
        home
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

/// A shell that somebody types to.
struct Shell {
    home: Home,
    screen: Screen,
    child: Child,
    name: &'static str,
    /// How often hwm ran. The prompt shows it, so that it is known to be a new one.
    runs: usize,
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn completions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("completions")
}

impl Shell {
    /// None where it is not installed; says so.
    fn start(name: &'static str) -> Option<Self> {
        Self::start_with(name, "")
    }

    /// `more` is what its start-up file has besides.
    fn start_with(name: &'static str, more: &str) -> Option<Self> {
        if !can(&[name, "-c", "true"]) {
            return None;
        }
        let home = Home::new();
        let from = completions();
        let from = from.display();
        let (file, start_up, command) = match name {
            "bash" => (
                ".bashrc",
                format!(
                    "{more}\nsource '{from}/hwm.bash'\nbind 'set show-all-if-ambiguous on'\nPS1='after $(cat ../runs)> '\n"
                ),
                "bash --noprofile --rcfile ../.bashrc -i",
            ),
            "zsh" => (
                ".zshrc",
                format!(
                    "fpath=('{from}' $fpath)\nautoload -U compinit\ncompinit -u -D\nunsetopt LIST_AMBIGUOUS\nsetopt PROMPT_SUBST\nPS1='after $(cat ../runs)> '\n"
                ),
                "zsh -d -i",
            ),
            _ => (
                "init.fish",
                format!(
                    "source '{from}/hwm.fish'\nfunction fish_prompt; echo -n after (cat ../runs)'> '; end\nset fish_greeting\nset -g fish_autosuggestion_enabled 0\n"
                ),
                "fish --no-config -C 'source ../init.fish' -i",
            ),
        };
        std::fs::write(home.at(file), start_up).unwrap();
        let root = home.root.path().display().to_string();
        let script = format!(
            "export HOME='{root}' ZDOTDIR='{root}' XDG_CONFIG_HOME='{root}' XDG_DATA_HOME='{root}' \
             PATH='{root}/bin':\"$PATH\"; exec {command}"
        );
        let screen = Screen::with(LocalModes::empty());
        // Wide enough that no list is cut.
        let size = Winsize {
            ws_row: 50,
            ws_col: 200,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&screen.terminal, size).unwrap();
        let child = session(&screen.terminal, &script, &home.at("work"));
        let shell = Self {
            home,
            screen,
            child,
            name,
            runs: 0,
        };
        shell.await_prompt();
        Some(shell)
    }

    /// What was shown behind the first `from` bytes, without what steers a terminal.
    fn shown(&self, from: usize) -> String {
        let shown = self.screen.shown();
        // A character may have been shown by half before.
        let rest = (from..).find_map(|from| shown.get(from..));
        plain(rest.unwrap_or_default())
    }

    fn await_prompt(&self) {
        let prompt = format!("after {}>", self.runs);
        let what = format!("{}: {prompt}", self.name);
        wait_until(&what, || self.shown(0).contains(&prompt));
    }

    fn press(&mut self, keys: &str) {
        self.screen.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// The line is complete, and runs hwm.
    fn enter(&mut self) {
        self.press("\r");
        self.runs += 1;
        self.await_prompt();
    }

    /// The words that hwm is given when `line` is typed, completed and entered.
    fn completes(&mut self, line: &str) -> Vec<String> {
        self.press(&format!("hwm {line}\t"));
        self.enter();
        let words = std::fs::read_to_string(self.home.at("words")).unwrap();
        words.lines().map(str::to_owned).collect()
    }

    /// All of `expected`, and none of `others`, is shown when `line` is typed and can be completed in
    /// several ways.
    fn lists(&mut self, line: &str, expected: &[&str], others: &[&str]) {
        let from = self.screen.shown().len();
        self.press(&format!("hwm {line}\t"));
        for one in expected {
            let what = format!("{}: {line}: {one}", self.name);
            wait_until(&what, || self.shown(from).contains(one));
        }
        let shown = self.shown(from);
        for one in others {
            assert!(!shown.contains(one), "{}: {line}: {shown}", self.name);
        }
        // In place of that line, in whatever menu it is.
        self.press("\x15hwm");
        self.enter();
    }
}

/// Text without escape sequences.
fn plain(shown: &str) -> String {
    let mut text = String::new();
    let mut rest = shown.chars();
    while let Some(letter) = rest.next() {
        if letter != '\u{1b}' {
            text.push(letter);
            continue;
        }
        match rest.next() {
            Some('[') => drop(rest.by_ref().find(char::is_ascii_alphabetic)),
            Some(']') => drop(rest.by_ref().find(|end| *end == '\u{7}')),
            Some('(') => drop(rest.next()),
            _ => {}
        }
    }
    text
}

fn policies_are_completed(shell: &mut Shell) {
    for (line, expected) in [
        ("--when-full=drop-o", &["--when-full=drop-oldest"][..]),
        ("--when-full drop-o", &["--when-full", "drop-oldest"]),
        ("--policy drop-b", &["--policy", "drop-buffer"]),
        ("--then=la", &["--then=latest"]),
        ("-q --then drop-n", &["-q", "--then", "drop-newest"]),
        ("--report js", &["--report", "json"]),
        ("--broken-pipe=si", &["--broken-pipe=signal"]),
        ("-u gr", &["-u", "granular"]),
    ] {
        assert_eq!(shell.completes(line), expected, "{}: {line}", shell.name);
    }
    let all = ["drop-newest", "drop-oldest", "drop-buffer"];
    for line in ["--when-full=dr", "--when-full dr", "--then=dr", "--then dr"] {
        shell.lists(line, &all, &["alpha.log", "latest"]);
    }
    shell.lists("--then ", &["drop-newest", "priority"], &["block", "fail"]);
}

fn files_are_completed(shell: &mut Shell) {
    for (line, expected) in [
        ("alp", &["alpha.log"][..]),
        ("-q dis", &["-q", "disk one.img"]),
        ("--mark alp", &["--mark", "alpha.log"]),
        ("alpha.log - dis", &["alpha.log", "-", "disk one.img"]),
        ("--lost-to alp", &["--lost-to", "alpha.log"]),
        ("--lost-to=alp", &["--lost-to=alpha.log"]),
        ("--events dis", &["--events", "disk one.img"]),
        ("-o alp", &["-o", "alpha.log"]),
        ("-P alp", &["-P", "alpha.log"]),
        ("--metrics-file=alp", &["--metrics-file=alpha.log"]),
        ("--chart=dis", &["--chart=disk one.img"]),
        ("--report-to alp", &["--report-to", "alpha.log"]),
        ("--demand alp", &["--demand", "alpha.log"]),
        ("-- alp", &["--", "alpha.log"]),
    ] {
        assert_eq!(shell.completes(line), expected, "{}: {line}", shell.name);
    }
    shell.lists("", &["alpha.log", "sub"], &["--when-full"]);
}

fn options_are_completed(shell: &mut Shell) {
    for (line, expected) in [
        ("--buffer-s", "--buffer-size"),
        ("--line", "--line-mode"),
        ("--low", "--low-water"),
    ] {
        let given = shell.completes(line);
        let option = given[0].trim_end_matches('=');
        assert_eq!(option, expected, "{}: {line}: {given:?}", shell.name);
    }
    shell.lists(
        "--re",
        &["--report", "--report-to", "--red-max"],
        &["alpha.log"],
    );
}

fn all_of(mut shell: Shell) {
    policies_are_completed(&mut shell);
    files_are_completed(&mut shell);
    options_are_completed(&mut shell);
}

#[test]
fn in_bash() {
    if let Some(shell) = Shell::start("bash") {
        all_of(shell);
    }
}

#[test]
fn in_bash_where_an_equals_sign_breaks_no_word() {
    if let Some(shell) = Shell::start_with("bash", "COMP_WORDBREAKS=${COMP_WORDBREAKS//=/}") {
        all_of(shell);
    }
}

#[test]
fn in_bash_with_the_package_that_most_have() {
    const PACKAGE: &str = "/usr/share/bash-completion/bash_completion";
    if can(&["test", "-e", PACKAGE])
        && let Some(shell) = Shell::start_with("bash", &format!("source {PACKAGE}"))
    {
        all_of(shell);
    }
}

#[test]
fn in_zsh() {
    if let Some(shell) = Shell::start("zsh") {
        all_of(shell);
    }
}

#[test]
fn in_fish() {
    if let Some(shell) = Shell::start("fish") {
        all_of(shell);
    }
}

#[test]
fn others_understand_what_is_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read_to_string(completions().join(name)).unwrap();
    if can(&["elvish", "-c", "nop"]) {
        // What only its editor has is given another name.
        let text = read("hwm.elv").replace("edit:completion:arg-completer", "completer");
        let path = folder.path().join("hwm.elv");
        std::fs::write(&path, format!("var completer = [&]\n{text}")).unwrap();
        assert!(can(&["elvish", "-compileonly", path.to_str().unwrap()]));
    }
    if can(&["nu", "-c", "true"]) {
        let path = completions().join("hwm.nu");
        assert!(can(&["nu", "-c", &format!("use '{}' *", path.display())]));
    }
    if can(&["pwsh", "-NoProfile", "-Command", "exit 0"]) {
        let path = completions().join("_hwm.ps1");
        let parse = format!(
            "$e = $null; [void][System.Management.Automation.Language.Parser]::ParseFile('{}', \
             [ref]$null, [ref]$e); exit $e.Count",
            path.display()
        );
        assert!(can(&["pwsh", "-NoProfile", "-Command", &parse]));
    }
}
