//! What this process may take of file descriptors and of memory for slow peers. Read once at start;
//! knows nothing of listeners.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::memory::MemoryGroup;

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
    /// Bytes of memory; `None` without a limit.
    pub(crate) memory: Option<u64>,
}

impl Limits {
    /// Raises the soft descriptor limit to the hard one and reads what there is.
    pub(crate) fn take(memory: Option<&MemoryGroup>) -> Self {
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
            memory: memory.map(MemoryGroup::limit),
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

#[cfg(test)]
mod tests {
    use super::*;

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
