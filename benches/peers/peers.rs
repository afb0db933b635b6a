//! The relays that are on this machine.
//!
//! Refuses to guess: a pv that the environment names and that does not run is an error, not a gap in
//! the tables.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::hidden;

/// What a relay is, for comparisons: versions and sizes of one kind are the same peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Hwm,
    Pv,
    PvCopy,
    Mbuffer,
    Buffer,
    Cat,
    Dd,
    Splice,
    Wc,
}

/// A relay and its command line, for pipes on both sides and without a display.
#[derive(Debug, Clone)]
pub struct Peer {
    pub kind: Kind,
    pub label: String,
    pub line: Vec<String>,
}

/// See the module's header.
pub struct Peers {
    /// Those that pass everything on, hwm first.
    pub relays: Vec<Peer>,
    pub wc: Option<Peer>,
    /// What each program says of its version.
    pub versions: Vec<String>,
    /// What was looked for and is not here.
    pub missing: Vec<&'static str>,
}

/// Where cargo puts the program.
const HWM: &str = env!("CARGO_BIN_EXE_hwm");

/// Names more pvs, separated by colons.
const MORE_PVS: &str = "HWM_BENCH_PV";

impl Peer {
    fn new(kind: Kind, label: &str, program: &str, arguments: &[&str]) -> Self {
        let line = std::iter::once(program).chain(arguments.iter().copied());
        Self {
            kind,
            label: label.to_owned(),
            line: line.map(str::to_owned).collect(),
        }
    }
}

/// hwm with these arguments.
pub fn hwm(arguments: &[&str]) -> Vec<String> {
    Peer::new(Kind::Hwm, "", HWM, arguments).line
}

/// Puts hwm as users have it where cargo put one for this bench: that one has also what the
/// development dependencies turn on in common dependencies: half a megabyte and a fifth of a start-up.
fn build() -> Result<(), String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--locked", "--bin", "hwm"])
        .args(["--manifest-path", manifest])
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err("hwm cannot be built".to_owned()),
    }
}

/// This program itself.
pub fn myself() -> String {
    let path = std::env::current_exe().expect("our own path");
    path.to_str().expect("a path in UTF-8").to_owned()
}

impl Peers {
    /// Looks for all of them.
    pub fn find() -> Result<Self, String> {
        build()?;
        let own = HWM;
        let mut found = Self {
            relays: vec![
                Peer::new(Kind::Hwm, "hwm", own, &["-q"]),
                Peer::new(Kind::Hwm, "hwm -C", own, &["-q", "-C"]),
            ],
            wc: None,
            versions: vec![version(own).ok_or("hwm does not run")?],
            missing: Vec::new(),
        };
        found.find_pvs()?;
        for (kind, name, labels) in OTHERS {
            found.find_other(kind, name, labels);
        }
        let splice = Peer::new(
            Kind::Splice,
            "bare splice loop",
            &myself(),
            &[hidden::SPLICE],
        );
        found.relays.push(splice);
        found.wc = found
            .look("wc")
            .map(|wc| Peer::new(Kind::Wc, "wc -l", &wc, &["-l"]));
        Ok(found)
    }

    fn find_pvs(&mut self) -> Result<(), String> {
        let named = std::env::var(MORE_PVS).unwrap_or_default();
        let named = named.split(':').filter(|path| !path.is_empty());
        let pvs: Vec<String> = on_path("pv")
            .into_iter()
            .chain(named.map(str::to_owned))
            .collect();
        if pvs.is_empty() {
            self.missing.push("pv");
        }
        for pv in pvs {
            let version = version(&pv).ok_or(format!("{MORE_PVS}: cannot run {pv}"))?;
            // "pv 1.6.20 - Copyright ..."
            let label = version.split(" - ").next().unwrap_or("pv").to_owned();
            let copying = format!("{label} -C");
            self.relays.push(Peer::new(Kind::Pv, &label, &pv, &["-q"]));
            self.relays
                .push(Peer::new(Kind::PvCopy, &copying, &pv, &["-q", "-C"]));
            self.versions.push(version);
        }
        Ok(())
    }

    fn find_other(&mut self, kind: Kind, name: &'static str, variants: &[(&str, &[&str])]) {
        if let Some(program) = self.look(name) {
            let peers = variants
                .iter()
                .map(|(label, arguments)| Peer::new(kind, label, &program, arguments));
            self.relays.extend(peers);
        }
    }

    fn look(&mut self, name: &'static str) -> Option<String> {
        let Some(program) = on_path(name) else {
            self.missing.push(name);
            return None;
        };
        // buffer has no --version.
        self.versions
            .push(version(&program).unwrap_or_else(|| name.to_owned()));
        Some(program)
    }

    /// The relays of these kinds.
    pub fn of(&self, kinds: &[Kind]) -> Vec<Peer> {
        let is_asked = |peer: &&Peer| kinds.contains(&peer.kind);
        self.relays.iter().filter(is_asked).cloned().collect()
    }
}

/// A variant's label and its arguments.
type Variants = &'static [(&'static str, &'static [&'static str])];

const OTHERS: [(Kind, &str, Variants); 4] = [
    (
        Kind::Mbuffer,
        "mbuffer",
        &[
            ("mbuffer", &["-q"]),
            ("mbuffer -m 64M", &["-q", "-m", "64M"]),
        ],
    ),
    (Kind::Buffer, "buffer", &[("buffer", &[])]),
    (Kind::Cat, "cat", &[("cat", &[])]),
    (Kind::Dd, "dd", &[("dd bs=64k", &["bs=64k", "status=none"])]),
];

fn on_path(name: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path)
        .map(|directory: PathBuf| directory.join(name))
        .find(|program| program.is_file())?;
    found.to_str().map(str::to_owned)
}

/// The first line of what `--version` prints, wherever it prints it.
fn version(program: &str) -> Option<String> {
    let mut command = Command::new(program);
    let output = command
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    if !output.status.success() {
        return None;
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    Some(text.lines().next()?.trim().to_owned())
}
