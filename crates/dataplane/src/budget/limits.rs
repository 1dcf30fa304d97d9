//! What the operating system allows this process: file descriptors and memory. Read once at
//! start; knows nothing of listeners.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors kept for what is not traffic: logs, admin endpoint, configuration, disk.
const RESERVED: u64 = 64;

/// Descriptors of a worker itself: its reactor's few, and the spare one.
const PER_WORKER: u64 = 8;

/// Blocked bytes one worker may hold at most, however much memory there is.
const RESIDUAL_MAX: u64 = 64 << 20;

/// The limits of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Descriptors that may be open.
    pub(crate) descriptors: u64,
    /// Descriptors that were open when the data plane started.
    pub(crate) open: u64,
    /// Bytes of the memory cgroup; `None` without a limit.
    pub(crate) memory: Option<u64>,
}

impl Limits {
    /// Raises the soft descriptor limit to the hard one and reads what there is.
    pub(crate) fn take() -> Self {
        let now = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: now.maximum, maximum: now.maximum };
        let descriptors = match setrlimit(Resource::Nofile, raised) {
            Ok(()) => raised.current,
            Err(_) => now.current,
        };
        Self {
            // None is "unlimited", which no kernel grants to a process.
            descriptors: descriptors.unwrap_or(1 << 20),
            open: fs::read_dir("/proc/self/fd").map_or(0, |all| all.count() as u64),
            memory: memory_limit(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup")),
        }
    }

    /// Descriptors that listening sockets, connections and flows may take.
    pub(crate) fn descriptors_for_traffic(&self, workers: usize) -> u64 {
        let others = RESERVED + self.open + PER_WORKER * workers as u64;
        self.descriptors.saturating_sub(others)
    }

    /// Bytes that one of `workers` may hold for peers that do not read: a quarter of the memory
    /// limit in all, so that slow readers cannot have the process killed.
    pub(crate) fn residual_bytes(&self, workers: usize) -> u64 {
        let workers = workers.max(1) as u64;
        self.memory.map_or(RESIDUAL_MAX, |memory| (memory / 4 / workers).min(RESIDUAL_MAX))
    }
}

/// The smallest memory limit of the cgroups this process is in, version 2 or 1, up to the root:
/// a parent's limit holds for its children.
fn memory_limit(membership: &Path, root: &Path) -> Option<u64> {
    let membership = fs::read_to_string(membership).ok()?;
    membership.lines().filter_map(|line| limit_of_line(line, root)).min()
}

fn limit_of_line(line: &str, root: &Path) -> Option<u64> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
    let (mount, file) = match controllers {
        "" => (root.to_path_buf(), "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            (root.join("memory"), "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let group = mount.join(group.trim_start_matches('/'));
    // Inside a container the path may be the host's; then the mount itself is our group.
    group
        .ancestors()
        .take_while(|directory| directory.starts_with(&mount))
        .filter_map(|directory| fs::read_to_string(directory.join(file)).ok()?.trim().parse().ok())
        // Version 1 writes "no limit" as a number close to 2^63.
        .filter(|limit| *limit < 1 << 60)
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lays out a cgroup tree and reads the limit of a process with this membership.
    fn limit(membership: &str, files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let file = root.path().join("self");
        fs::write(&file, membership).unwrap();
        memory_limit(&file, root.path())
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
    fn what_is_not_traffic_keeps_its_descriptors() {
        let limits = Limits { descriptors: 1024, open: 20, memory: None };
        assert_eq!(limits.descriptors_for_traffic(2), 1024 - 64 - 20 - 16);
        assert_eq!(limits.descriptors_for_traffic(1000), 0);
    }

    #[test]
    fn blocked_bytes_follow_the_memory_limit() {
        let bytes =
            |memory, workers| Limits { descriptors: 0, open: 0, memory }.residual_bytes(workers);
        assert_eq!(bytes(None, 4), 64 << 20);
        assert_eq!(bytes(Some(256 << 20), 2), 32 << 20);
        assert_eq!(bytes(Some(64 << 30), 2), 64 << 20);
    }
}
