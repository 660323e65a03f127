//! The clocks of the real machine. The simulation replaces those of the standard library; these ask the system itself.

/// CPU seconds that some work takes, on all threads of the process.
pub fn cpu_seconds(work: impl FnOnce()) -> f64 {
    let before = clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID);
    work();
    (clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID) - before) as f64 / 1e9
}

/// Real nanoseconds since some moment.
pub fn now_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC_RAW)
}

/// The most memory that the process has held so far, in megabytes.
pub fn memory_peak_mb() -> f64 {
    // SAFETY: all zeros is a value of the structure, and the call fills it in.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0, "the system counts its processes' memory");
        usage
    };
    usage.ru_maxrss as f64 / 1024.0
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the place for the result is valid.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(result, 0, "the system has this clock");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
