//! The standard `process_*` values, read from `/proc/self` at scrape time.

use std::fs;

/// What `/proc/self` says; a field that cannot be read is absent.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Process {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_descriptors: Option<u64>,
    pub(super) max_descriptors: Option<u64>,
    /// Seconds since 1970.
    pub(super) start_seconds: Option<f64>,
}

impl Process {
    pub(super) fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks = rustix::param::clock_ticks_per_second();
        let page = rustix::param::page_size() as u64;
        Self {
            open_descriptors: fs::read_dir("/proc/self/fd").ok().map(|all| all.count() as u64),
            max_descriptors: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            ..Self::from_stat(&stat, &boot, ticks, page)
        }
    }

    /// Reads proc(5) `/proc/pid/stat` and the boot time of `/proc/stat`.
    fn from_stat(stat: &str, boot: &str, ticks: u64, page: u64) -> Self {
        // The command name may hold spaces and parentheses: fields count from the last one.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let seconds = |count: u64| count as f64 / ticks.max(1) as f64;
        let boot = boot
            .lines()
            .find_map(|line| line.strip_prefix("btime "))
            .and_then(|seconds| seconds.trim().parse::<f64>().ok());
        Self {
            cpu_seconds: field(14).zip(field(15)).map(|(user, system)| seconds(user + system)),
            resident_bytes: field(24).map(|pages| pages * page),
            start_seconds: field(22).zip(boot).map(|(after, boot)| boot + seconds(after)),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_parentheses_does_not_shift_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 9 0 0 0 150 50 0 0 20 0 3 0 400 99 12 18";
        let process = Process::from_stat(stat, "cpu 1\nbtime 1000\n", 100, 4096);
        assert_eq!(process.cpu_seconds, Some(2.0));
        assert_eq!(process.start_seconds, Some(1004.0));
        assert_eq!(process.resident_bytes, Some(12 * 4096));
    }

    #[test]
    fn this_process_has_every_value() {
        let process = Process::read();
        assert!(process.cpu_seconds.is_some() && process.start_seconds.is_some());
        assert!(process.resident_bytes.unwrap() > 1 << 20);
        assert!(process.open_descriptors.unwrap() < process.max_descriptors.unwrap());
    }
}
