//! The user's time zone: what `TZ` says, else the system's.
//!
//! Reads the few kilobytes of a zone's file itself. Refuses to read anything else, for `TZ` may name whatever
//! there is: a device has no end, a FIFO no beginning.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jiff::tz::TimeZone;

/// Many times the largest zone's file.
const LARGEST: u64 = 256 * 1024;

const SYSTEMS: &str = "/etc/localtime";

/// Where zones lie by their names.
const FOLDERS: [&str; 3] = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"];

/// The user's zone, looked up once. UTC where it is not known.
pub(crate) fn local() -> TimeZone {
    static LOCAL: OnceLock<TimeZone> = OnceLock::new();
    let found = || {
        of(
            env::var_os("TZ").as_deref(),
            env::var_os("TZDIR").as_deref(),
        )
    };
    LOCAL.get_or_init(found).clone()
}

/// As in the C library, a colon in front says that it is no rule.
fn of(variable: Option<&OsStr>, folder: Option<&OsStr>) -> TimeZone {
    let Some(variable) = variable else {
        return from_file(Path::new(SYSTEMS)).unwrap_or(TimeZone::UTC);
    };
    let text = variable.to_string_lossy();
    let named = text.strip_prefix(':');
    let rule = || TimeZone::posix(&text).ok().filter(|_| named.is_none());
    let zone = rule().or_else(|| named_by(named.unwrap_or(&text), folder));
    zone.unwrap_or(TimeZone::UTC)
}

fn named_by(name: &str, folder: Option<&OsStr>) -> Option<TimeZone> {
    let folders = FOLDERS.map(PathBuf::from);
    let folders = folder.map(PathBuf::from).into_iter().chain(folders);
    // An absolute name stays as it is, whatever it is joined to.
    folders
        .filter(|_| !name.is_empty())
        .find_map(|folder| from_file(&folder.join(name)))
}

fn from_file(path: &Path) -> Option<TimeZone> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return None;
    }
    let mut data = Vec::new();
    let file = File::open(path).ok()?;
    file.take(LARGEST).read_to_end(&mut data).ok()?;
    TimeZone::tzif("local", &data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hours east of Greenwich on 2026-01-15.
    fn hours(variable: &str, folder: Option<&Path>) -> i32 {
        let zone = of(Some(OsStr::new(variable)), folder.map(Path::as_os_str));
        let winter = jiff::Timestamp::from_second(1_768_478_400).unwrap();
        zone.to_offset(winter).seconds() / 3600
    }

    #[test]
    fn a_zone_is_a_rule_a_name_or_a_file() {
        let directory = tempfile::tempdir().unwrap();
        // Version 1 of RFC 8536: no transitions, one type, which is three hours east.
        let mut file = b"TZif\0".to_vec();
        file.extend([0; 15]);
        file.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        file.extend([0, 0, 0, 1, 0, 0, 0, 4]);
        file.extend([0, 0, 0x2a, 0x30, 0, 0]);
        file.extend(b"EAT\0");
        fs::write(directory.path().join("East"), &file).unwrap();
        let path = directory.path().join("East");
        let path = path.to_str().unwrap();
        let folder = Some(directory.path());
        for (variable, folder, expected) in [
            ("", None, 0),
            ("UTC", None, 0),
            ("XYZ-5:30", None, 5),
            ("EST5EDT4,M3.2.0,M11.1.0", None, -5),
            ("East", folder, 3),
            (":East", folder, 3),
            ("East", None, 0),
            (path, None, 3),
            (&format!(":{path}"), None, 3),
            (":XYZ-5:30", None, 0),
            ("nowhere/at all", folder, 0),
        ] {
            assert_eq!(hours(variable, folder), expected, "{variable:?}");
        }
    }

    #[test]
    fn only_a_regular_file_of_a_sane_size_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let large = directory.path().join("large");
        File::create(&large).unwrap().set_len(1 << 40).unwrap();
        fs::write(directory.path().join("text"), "no zone").unwrap();
        let folder = Some(directory.path());
        for variable in [
            ":/dev/zero",
            "/dev/zero",
            "/dev/random",
            ":../../../../../../../dev/zero",
            "/",
            ".",
            ":",
            "large",
            "text",
            "\0",
        ] {
            assert_eq!(hours(variable, folder), 0, "{variable:?}");
        }
        assert_eq!(hours("zero", Some(Path::new("/dev"))), 0);
    }
}
