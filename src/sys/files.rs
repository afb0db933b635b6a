//! Which files a run reads and writes: no file may be two of them.
//!
//! A file that is written and is an input, the output or another side file at once would be destroyed
//! with exit status 0. So there is one list of all of them, made before anything is opened, and it
//! goes by what the names lead to: a device and an inode, whatever links, relative paths or `/dev/fd/N`
//! led there. What is not there yet is known by its folder and its name. As each is opened it is looked
//! at once more, for names can be given to other files meanwhile, and a file may be reopened.
//!
//! Nothing is destroyed by a terminal or /dev/null, nor by two kinds of lines in one pipe. They are let
//! be, and so is what the shell did: standard output and standard error may be the same.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FileType, OFlags, Stat};

use crate::config::{Config, ReportMode, Side, Sink, Source};

use super::path::{descriptor, folder_of, inherited};

/// What is wrong with an input that is also the output.
pub(super) const SAME_FILE: &str = "input and output are the same file; write to another one";

/// What a file is for, in the order in which it is looked at: of two that are the same, the later is
/// refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Stdin, or a FILE.
    Input,
    /// `-s @FILE`: of which only the size is read.
    Measure,
    /// Stdout, or `-o`.
    Output,
    /// Where errors go, and the report if it does not go elsewhere.
    StandardError,
    /// `--demand`.
    Demand,
    /// `--report-to`.
    Report,
    /// `--events`.
    Events,
    /// `--lost-to`.
    Lost,
    /// `--metrics-file`.
    Metrics,
    /// `--chart`.
    Chart,
    /// `-P`.
    PidFile,
    /// The list of rows of `-c`.
    Rows,
}

impl Role {
    /// What a file for something else is told that is this one.
    fn is_also(self) -> &'static str {
        match self {
            Role::Input => "it is also the input",
            Role::Measure => "its size is what -s expects",
            Role::Output => "it is also the output",
            Role::StandardError => "standard error goes there too",
            Role::Demand => "the demand comes from there",
            Role::Report => "the report goes there too",
            Role::Events => "the events go there too",
            Role::Lost => "the lost records go there too",
            Role::Metrics => "the metrics go there too",
            Role::Chart => "the picture of the run goes there too",
            Role::PidFile => "the process's number goes there too",
            Role::Rows => "the rows of -c are kept there",
        }
    }

    /// What cannot be done, for people, to the file at this path.
    fn cannot(self, name: &str) -> String {
        match self {
            Role::Input | Role::Measure | Role::Output | Role::StandardError | Role::Rows => {
                name.to_owned()
            }
            Role::Demand => format!("cannot open --demand {name}"),
            Role::Report => format!("cannot report to {name} (--report-to)"),
            Role::Events => format!("cannot write events to {name} (--events)"),
            Role::Lost => format!("cannot append lost records to {name} (--lost-to)"),
            Role::Metrics => format!("cannot write metrics to {name} (--metrics-file)"),
            Role::Chart => format!("cannot draw the run to {name} (--chart)"),
            Role::PidFile => format!("cannot write {name} (-P)"),
        }
    }
}

/// Two files of a run are the same; its text is one line without the program's name.
#[derive(Debug)]
pub struct Clash(String);

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Clash {}

/// What there is to be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Thing {
    kind: Kind,
    device: u64,
    inode: u64,
    /// Of what is not there yet; device and inode are those of its folder then.
    name: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A regular file or a block device, or what may become one.
    Disk,
    Pipe,
    Socket,
    /// A terminal, /dev/null: several may use it.
    Device,
}

impl Thing {
    fn of(stat: &Stat) -> Option<Thing> {
        let (kind, device, inode) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => (Kind::Disk, stat.st_dev, stat.st_ino),
            // Whatever the name of its node, and no inode has the number 0.
            FileType::BlockDevice => (Kind::Disk, stat.st_rdev, 0),
            FileType::Fifo => (Kind::Pipe, stat.st_dev, stat.st_ino),
            FileType::Socket => (Kind::Socket, stat.st_dev, stat.st_ino),
            FileType::CharacterDevice => (Kind::Device, stat.st_dev, stat.st_ino),
            _ => return None,
        };
        Some(Thing {
            kind,
            device,
            inode,
            name: None,
        })
    }

    fn open_at(fd: impl AsFd) -> Option<Thing> {
        Thing::of(&rustix::fs::fstat(fd).ok()?)
    }

    /// What `path` leads to, now or once it is made.
    fn at(path: &Path) -> Option<Thing> {
        if let Some(number) = descriptor(path) {
            return Thing::open_at(inherited(number).ok()?);
        }
        match rustix::fs::stat(path) {
            Ok(stat) => Thing::of(&stat),
            Err(rustix::io::Errno::NOENT) => {
                let folder = rustix::fs::stat(folder_of(path)).ok()?;
                Some(Thing {
                    kind: Kind::Disk,
                    device: folder.st_dev,
                    inode: folder.st_ino,
                    name: Some(path.file_name()?.into()),
                })
            }
            Err(_) => None,
        }
    }
}

/// A file of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    role: Role,
    thing: Thing,
    /// Whether it is descriptor 1 or 2, which the shell may have made one.
    standard: Option<i32>,
}

impl Place {
    fn standard(role: Role, number: i32) -> Option<Place> {
        Some(Place {
            role,
            thing: Thing::open_at(inherited(number).ok()?)?,
            standard: Some(number),
        })
    }

    fn named(role: Role, path: &Path) -> Option<Place> {
        Some(Place {
            role,
            thing: Thing::at(path)?,
            standard: descriptor(path).filter(|number| matches!(number, 1 | 2)),
        })
    }

    /// Whether one file may be this and the `later` one.
    fn may_be(&self, later: &Place) -> bool {
        use Role::{Demand, Events, Input, Measure, Output, Report, StandardError};
        if self.thing != later.thing || self.role == later.role {
            return true;
        }
        let kind = self.thing.kind;
        let both_standard = self.standard.is_some() && later.standard.is_some();
        match (self.role, later.role) {
            // The output may be as large as it was the last time.
            (Input, Measure) | (Measure, Output | StandardError | Demand) => true,
            (Measure, _) => kind != Kind::Disk,
            // Who asks for more types it on the terminal on which the data shows, but types no data there.
            (Input, Demand) => false,
            (Output, Demand) => kind == Kind::Device,
            (Input, Output | StandardError) | (StandardError, Demand) => kind != Kind::Disk,
            (Output, StandardError) => both_standard || kind != Kind::Disk,
            // A pipe that we write to ourselves never ends. What a socket is told goes to its other side.
            (Input | Demand, _) => !matches!(kind, Kind::Disk | Kind::Pipe),
            // By 2>&1 it was the shell that mixed them.
            (Output, _) => {
                kind == Kind::Device || (self.standard, later.standard) == (Some(1), Some(2))
            }
            // By one description nothing is written over.
            (StandardError, _) => kind != Kind::Disk || both_standard,
            // All lines of ours, and each written as a whole.
            (Report, Events) => kind != Kind::Disk || both_standard,
            // The user's bytes, which lines of ours among them would spoil.
            _ => kind == Kind::Device,
        }
    }
}

/// See the module's header; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Files(Arc<Mutex<Vec<Place>>>);

impl Files {
    /// Looks at all that `config` names; opens and changes nothing.
    ///
    /// # Errors
    ///
    /// One file is two that it cannot be at once.
    pub fn of(config: &Config) -> Result<Files, Clash> {
        let others = others(config);
        // Thousands of FILEs are looked at only where one of them might be something else.
        let matters = |place: &Place| {
            place.thing.kind == Kind::Disk
                || !matches!(place.role, Role::Output | Role::StandardError)
        };
        let inputs = match others.iter().any(|(place, _)| matters(place)) {
            true => config.sources.iter().filter_map(input).collect(),
            false => Vec::new(),
        };
        let mut places: Vec<(Place, String)> = Vec::new();
        for (place, name) in inputs.into_iter().chain(others) {
            if let Some((other, other_name)) = places.iter().find(|(at, _)| !at.may_be(&place)) {
                return Err(Clash(match (other.role, place.role) {
                    (Role::Input, Role::Output) => format!("{other_name}: {SAME_FILE}"),
                    _ => format!("{}: {}", place.role.cannot(&name), other.role.is_also()),
                }));
            }
            places.push((place, name));
        }
        let places = places.into_iter().map(|(place, _)| place).collect();
        Ok(Files(Arc::new(Mutex::new(places))))
    }

    /// What is opened for `role` must be nothing else, whatever its name led to before. From now on it
    /// is known as that.
    ///
    /// # Errors
    ///
    /// What it is as well.
    pub fn opened(&self, role: Role, fd: impl AsFd) -> io::Result<()> {
        let Some(thing) = Thing::open_at(fd) else {
            return Ok(());
        };
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = places.iter().position(|place| place.role == role);
        let place = Place {
            role,
            thing,
            standard: before.and_then(|at| places[at].standard),
        };
        let may_be = |other: &Place| match other.role < role {
            true => other.may_be(&place),
            false => place.may_be(other),
        };
        if let Some(other) = places.iter().find(|other| !may_be(other)) {
            return Err(io::Error::other(match (other.role, role) {
                (Role::Input, Role::Output) | (Role::Output, Role::Input) => SAME_FILE,
                (other, _) => other.is_also(),
            }));
        }
        match before {
            // There may be many.
            Some(at) if role != Role::Input => places[at] = place,
            _ if places.contains(&place) => {}
            _ => places.push(place),
        }
        Ok(())
    }
}

/// What people call a source.
pub(super) fn source_name(source: &Source) -> String {
    match source {
        Source::Stdin => "stdin".to_owned(),
        // Or nothing would stand there.
        Source::File(path) if path.as_os_str().is_empty() => "''".to_owned(),
        Source::File(path) => path.display().to_string(),
    }
}

/// An input, and what people call it.
fn input(source: &Source) -> Option<(Place, String)> {
    let place = match source {
        Source::Stdin => Place::standard(Role::Input, 0),
        Source::File(path) => Place::named(Role::Input, path),
    };
    Some((place?, source_name(source)))
}

/// All but the inputs, in the order of their roles, each with what people call it.
fn others(config: &Config) -> Vec<(Place, String)> {
    let command = config.transfer.command.as_ref();
    let is_of_command = command.is_some_and(|command| command.side == Side::In);
    // It writes there what it makes of what was read, and nobody else may write to such a file.
    let matters = |place: &Place| !is_of_command || place.thing.kind == Kind::Disk;
    let output = match &config.transfer.sink {
        Sink::Stdout => Place::standard(Role::Output, 1).filter(matters),
        Sink::File(path) => Place::named(Role::Output, path),
        Sink::Nowhere => None,
    };
    // Who started us may have given us anything there, also the input, to be read.
    let is_written = rustix::fs::fcntl_getfl(rustix::stdio::stderr())
        .is_ok_and(|flags| flags & OFlags::RWMODE != OFlags::RDONLY);
    let errors = match is_written {
        true => Place::standard(Role::StandardError, 2),
        false => None,
    };
    let report = match config.report.mode {
        ReportMode::None => &None,
        _ => &config.report.to,
    };
    let named = [
        (Role::Demand, &config.demand),
        (Role::Report, report),
        (Role::Events, &config.observers.events),
        (Role::Lost, &config.observers.lost_to),
        (Role::Metrics, &config.report.metrics_file),
        (Role::Chart, &config.report.chart),
        (Role::PidFile, &config.transfer.pid_file),
    ];
    let named = named.into_iter().filter_map(|(role, path)| {
        let path = path.as_deref()?;
        Some((Place::named(role, path)?, path.display().to_string()))
    });
    let errors = errors.map(|place| (place, "standard error".to_owned()));
    let output = output.map(|place| (place, String::new()));
    let measure = config.size_of.as_deref();
    let measure = measure.and_then(|path| Place::named(Role::Measure, path));
    let measure = measure.map(|place| (place, String::new()));
    let standard = measure.into_iter().chain(output).chain(errors);
    standard.chain(named).collect()
}
