//! What memory our control group leaves us: beyond it the kernel kills, and nobody learns why.
//!
//! Looks where everybody mounts control groups, and at every group above ours, for each of them binds.
//! In a container our own path may not be there; then what is mounted is the container's. Refuses to fail:
//! what cannot be read is no limit.

use std::fs;
use std::path::{Path, PathBuf};

use crate::units::size;

/// Where groups are, and where they say how much: of version 2, beside version 1, and of version 1.
const UNIFIED: [(&str, &str); 2] = [
    ("sys/fs/cgroup", "memory.max"),
    ("sys/fs/cgroup/unified", "memory.max"),
];
const MEMORY: (&str, &str) = ("sys/fs/cgroup/memory", "memory.limit_in_bytes");

/// What version 1 says where there is no limit is about half of all 64 bits can say.
const NO_LIMIT: u64 = 1 << 62;

/// The least that a group of ours may use, and who says so.
#[derive(Debug, PartialEq, Eq)]
struct Limit {
    bytes: u64,
    file: PathBuf,
}

/// A line for people where a buffer of `capacity` bytes may become more than we may use.
pub fn too_large(capacity: u64) -> Option<String> {
    let limit = limit(Path::new("/"))?;
    (limit.bytes <= capacity).then(|| {
        format!(
            "the buffer may grow to {} (-B), and the kernel kills what uses more than {} here ({}): \
             take a smaller -B",
            size(capacity),
            size(limit.bytes),
            limit.file.display()
        )
    })
}

/// The same with all files below `root`.
fn limit(root: &Path) -> Option<Limit> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let limits = groups.lines().filter_map(|line| {
        // "4:memory,cpu:/a/b", and "0::/a/b" of version 2.
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let places = match controllers {
            "" => &UNIFIED[..],
            _ if controllers.split(',').any(|name| name == "memory") => &[MEMORY],
            _ => return None,
        };
        let of = |(mount, file): &(&str, &str)| lowest(&root.join(mount), path, file);
        places.iter().filter_map(of).min_by_key(|limit| limit.bytes)
    });
    limits.min_by_key(|limit| limit.bytes)
}

/// The lowest that a group at `path`, or one above it, has in `file`.
fn lowest(mount: &Path, path: &str, file: &str) -> Option<Limit> {
    let group = Path::new(path.trim_start_matches('/'));
    let limits = group.ancestors().filter_map(|group| {
        let file = mount.join(group).join(file);
        // "max" is no number.
        let bytes = fs::read_to_string(&file).ok()?.trim().parse().ok()?;
        (bytes < NO_LIMIT).then_some(Limit { bytes, file })
    });
    limits.min_by_key(|limit| limit.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system of these files, below a folder.
    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    const GROUPS: &str = "proc/self/cgroup";

    #[test]
    fn the_lowest_of_all_groups_above_counts() {
        for (files, found) in [
            (&[][..], None),
            (&[(GROUPS, "0::/a/b\n")], None),
            (
                &[
                    (GROUPS, "0::/a/b\n"),
                    ("sys/fs/cgroup/a/b/memory.max", "max\n"),
                    ("sys/fs/cgroup/a/memory.max", "3000\n"),
                    ("sys/fs/cgroup/memory.max", "9000\n"),
                ],
                Some((3000, "sys/fs/cgroup/a/memory.max")),
            ),
            (
                // As in a container, which does not see its own path.
                &[
                    (GROUPS, "0::/docker/1234\n"),
                    ("sys/fs/cgroup/memory.max", "7000\n"),
                ],
                Some((7000, "sys/fs/cgroup/memory.max")),
            ),
            (
                &[
                    (GROUPS, "9:name=systemd:/\n4:cpu,memory:/a:b\n0::/\n"),
                    (
                        "sys/fs/cgroup/memory/memory.limit_in_bytes",
                        "9223372036854771712\n",
                    ),
                    ("sys/fs/cgroup/memory/a:b/memory.limit_in_bytes", "5000\n"),
                    ("sys/fs/cgroup/unified/memory.max", "6000\n"),
                ],
                Some((5000, "sys/fs/cgroup/memory/a:b/memory.limit_in_bytes")),
            ),
            (
                &[
                    (GROUPS, "4:memory:/a\nnonsense\n:\n"),
                    (
                        "sys/fs/cgroup/memory/a/memory.limit_in_bytes",
                        "9223372036854771712\n",
                    ),
                ],
                None,
            ),
        ] {
            let folder = system(files);
            let found = found.map(|(bytes, file)| Limit {
                bytes,
                file: folder.path().join(file),
            });
            assert_eq!(limit(folder.path()), found, "{files:?}");
        }
    }
}
