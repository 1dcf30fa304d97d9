//! The memory group (cgroup) this process is in: its limit, how much of it is used, and what to
//! turn away when little is left, so that the kernel does not end the process for everyone.

use std::fs;
use std::path::{Path, PathBuf};

/// What is turned away when memory gets scarce, the cheapest loss first. Each includes those
/// before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Shedding {
    /// Nothing.
    #[default]
    Nothing = 0,
    /// New UDP flows.
    Flows = 1,
    /// New TLS handshakes.
    Handshakes = 2,
    /// New connections.
    Connections = 3,
}

impl Shedding {
    /// What to turn away when `used` of `limit` bytes are taken. The last twentieth is for what is
    /// open already.
    pub(crate) fn at(used: u64, limit: u64) -> Self {
        let twentieths = used.saturating_mul(20).checked_div(limit).unwrap_or(0);
        match twentieths {
            0..17 => Self::Nothing,
            17 => Self::Flows,
            18 => Self::Handshakes,
            _ => Self::Connections,
        }
    }

    /// The value stored as `number`.
    pub(super) fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Nothing,
            1 => Self::Flows,
            2 => Self::Handshakes,
            _ => Self::Connections,
        }
    }
}

/// A group with a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemoryGroup {
    limit: u64,
    directory: PathBuf,
    files: &'static Files,
}

/// How a version of cgroups names things.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    limit: &'static str,
    used: &'static str,
    /// Page cache that the kernel gives up before it ends a process.
    reclaimable: &'static str,
}

static VERSION_2: Files =
    Files { limit: "memory.max", used: "memory.current", reclaimable: "inactive_file" };
static VERSION_1: Files = Files {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file",
};

impl MemoryGroup {
    /// The group of this process; `None` if nothing limits it.
    pub(crate) fn of_this_process() -> Option<Self> {
        Self::find(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"))
    }

    /// The group with the smallest limit among those this process is in, up to the root: a
    /// parent's limit holds for its children.
    fn find(membership: &Path, root: &Path) -> Option<Self> {
        let membership = fs::read_to_string(membership).ok()?;
        let groups = membership.lines().filter_map(|line| Self::of_line(line, root));
        groups.min_by_key(|group| group.limit)
    }

    fn of_line(line: &str, root: &Path) -> Option<Self> {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
        let (mount, files) = match controllers {
            "" => (root.to_path_buf(), &VERSION_2),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (root.join("memory"), &VERSION_1)
            }
            _ => return None,
        };
        let group = mount.join(group.trim_start_matches('/'));
        // Inside a container the path may be the host's; then the mount itself is our group.
        let directories = group.ancestors().take_while(|directory| directory.starts_with(&mount));
        directories
            .filter_map(|directory| {
                let limit = number(&directory.join(files.limit))?;
                Some(Self { limit, directory: directory.to_path_buf(), files })
            })
            // Version 1 writes "no limit" as a number close to 2^63.
            .filter(|group| group.limit < 1 << 60)
            .min_by_key(|group| group.limit)
    }

    /// The limit in bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// What to turn away now.
    pub(crate) fn shedding(&self) -> Shedding {
        // What cannot be read is no reason to turn anybody away.
        self.used().map_or(Shedding::Nothing, |used| Shedding::at(used, self.limit))
    }

    /// Bytes in use that cannot be had back without harm.
    fn used(&self) -> Option<u64> {
        let used = number(&self.directory.join(self.files.used))?;
        let stat = fs::read_to_string(self.directory.join("memory.stat")).unwrap_or_default();
        let reclaimable = stat.lines().find_map(|line| {
            let (name, bytes) = line.split_once(' ')?;
            (name == self.files.reclaimable).then(|| bytes.trim().parse::<u64>().ok())?
        });
        Some(used.saturating_sub(reclaimable.unwrap_or(0)))
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lays out a cgroup tree and finds the group of a process with this membership.
    fn group(membership: &str, files: &[(&str, &str)]) -> Option<(u64, Shedding)> {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let file = root.path().join("self");
        fs::write(&file, membership).unwrap();
        MemoryGroup::find(&file, root.path()).map(|group| (group.limit(), group.shedding()))
    }

    fn limit(membership: &str, files: &[(&str, &str)]) -> Option<u64> {
        group(membership, files).map(|(limit, _)| limit)
    }

    #[test]
    fn the_smallest_limit_up_to_the_root_counts() {
        let files = [("pods/a/memory.max", "max\n"), ("pods/memory.max", "1000\n")];
        assert_eq!(limit("0::/pods/a\n", &files), Some(1000));
        assert_eq!(limit("0::/\n", &[("memory.max", "77\n")]), Some(77));
        assert_eq!(limit("0::/not/mounted/here\n", &[("memory.max", "77\n")]), Some(77));
        assert_eq!(limit("0::/\n", &[("memory.max", "max\n")]), None);
    }

    #[test]
    fn version_one_is_read_too() {
        let file = "memory/docker/x/memory.limit_in_bytes";
        let line = "5:cpu:/docker/x\n4:memory:/docker/x\n";
        assert_eq!(limit(line, &[(file, "4096\n")]), Some(4096));
        assert_eq!(limit(line, &[(file, "9223372036854771712\n")]), None);
    }

    #[test]
    fn page_cache_that_can_be_had_back_is_not_in_use() {
        let full = [
            ("memory.max", "1000"),
            ("memory.current", "990"),
            ("memory.stat", "anon 400\ninactive_file 500\nactive_file 90\n"),
        ];
        assert_eq!(group("0::/", &full), Some((1000, Shedding::Nothing)));
        assert_eq!(group("0::/", &full[..2]), Some((1000, Shedding::Connections)));
        assert_eq!(group("0::/", &full[..1]), Some((1000, Shedding::Nothing)), "unreadable");
    }

    #[test]
    fn the_cheapest_loss_comes_first() {
        let at = |percent| Shedding::at(percent, 100);
        assert_eq!([0, 84].map(at), [Shedding::Nothing; 2]);
        assert_eq!([85, 89].map(at), [Shedding::Flows; 2]);
        assert_eq!([90, 94].map(at), [Shedding::Handshakes; 2]);
        assert_eq!([95, 100, 200].map(at), [Shedding::Connections; 3]);
        assert!(Shedding::Flows < Shedding::Connections);
        for number in 0..4 {
            assert_eq!(Shedding::from_number(number) as u8, number);
        }
    }
}
