//! The clocks of the real machine. The simulation replaces those of the standard library; these ask the system itself.

use rustix::time::{ClockId, clock_gettime};

/// CPU seconds that some work takes, on all threads of the process.
pub fn cpu_seconds(work: impl FnOnce()) -> f64 {
    let before = cpu_now();
    work();
    cpu_now() - before
}

/// CPU seconds that the process has taken so far, on all threads.
pub fn cpu_now() -> f64 {
    clock_ns(ClockId::ProcessCPUTime) as f64 / 1e9
}

/// Real nanoseconds since some moment.
pub fn now_ns() -> u64 {
    clock_ns(ClockId::Monotonic)
}

/// The most memory that the process has held so far, in megabytes, as Linux counts it.
pub fn memory_peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux describes every process");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")?.trim().parse().ok());
    peak.map(|kb: f64| kb / 1024.0).expect("Linux counts the memory of every process")
}

fn clock_ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
