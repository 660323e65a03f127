//! Values with units: durations, chances, rates, ranges. Reading and writing are exact inverses.

use std::time::Duration;

use super::model::{Distribution, Probability};

/// Why a value is refused: what is wrong (it goes on after the key's name), what to say beside it, what to write instead.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrong {
    /// Follows the key: ``is not a duration``.
    pub title: String,
    /// Stands beside the underlined value.
    pub label: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Wrong {
    /// A refusal with all three parts.
    pub fn new(title: impl Into<String>, label: impl Into<String>, help: impl Into<String>) -> Self {
        Wrong { title: title.into(), label: label.into(), help: Some(help.into()) }
    }

    /// A refusal whose label says all that is to be said.
    pub fn brief(title: impl Into<String>, label: impl Into<String>) -> Self {
        Wrong { title: title.into(), label: label.into(), help: None }
    }
}

/// The units of time, smallest first, in nanoseconds.
const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The longest time that a scenario may name: simulated clocks are nanoseconds in 64 bits.
const LONGEST: Duration = Duration::from_secs(1000 * 3600);

/// Reads `30ms`, `1.5s`, `2m`.
pub fn duration(text: &str) -> Result<Duration, Wrong> {
    let (number, unit) = split_unit(text);
    let bad = |label: &str| {
        Wrong::new("is not a duration", label, "write a number and its unit, for instance \"30ms\", \"1.5s\" or \"2m\"")
    };
    if number.is_empty() {
        return Err(bad("this does not begin with a number"));
    }
    if unit.is_empty() {
        let help =
            format!("for instance \"{number}ms\" or \"{number}s\"; the units are ns, us, ms, s, m (minutes) and h");
        return Err(Wrong::new("needs a unit", "a duration is a number with a unit", help));
    }
    let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(bad(&format!("`{unit}` is no unit of time; they are ns, us, ms, s, m and h")));
    };
    let nanos = scaled(number, *nanos).ok_or_else(|| bad("this is not a number of whole nanoseconds"))?;
    let time = Duration::from_nanos(nanos);
    if time > LONGEST {
        return Err(Wrong::brief("is too long", "a simulated run cannot be longer than 1000 hours"));
    }
    Ok(time)
}

/// Reads a duration that is not zero.
pub fn positive_duration(text: &str) -> Result<Duration, Wrong> {
    match duration(text)? {
        Duration::ZERO => Err(Wrong::brief("is zero", "this must be longer than nothing")),
        time => Ok(time),
    }
}

/// Writes a duration in the largest unit that needs no fraction.
pub fn write_duration(time: Duration) -> String {
    let nanos = time.as_nanos();
    let (unit, size) = match nanos {
        0 => ("s", 1),
        _ => *UNITS.iter().rev().find(|(_, size)| nanos.is_multiple_of(u128::from(*size))).expect("1 ns divides all"),
    };
    format!("{}{unit}", nanos / u128::from(size))
}

/// Reads `150ms..300ms`; both ends are included.
pub fn duration_range(text: &str) -> Result<(Duration, Duration), Wrong> {
    let Some((first, last)) = text.split_once("..") else {
        let help = "write the least and the most, for instance \"150ms..300ms\"; both ends are included";
        return Err(Wrong::new("is not a range", "a range has two ends with `..` between them", help));
    };
    let (first, last) = (duration(first.trim())?, duration(last.trim())?);
    if first > last {
        let help = format!("write \"{}..{}\"", write_duration(last), write_duration(first));
        return Err(Wrong::new("is an empty range", "the first end is greater than the second", help));
    }
    Ok((first, last))
}

/// Reads `2s` as `2s..2s`, or a range.
pub fn moment(text: &str) -> Result<(Duration, Duration), Wrong> {
    if text.contains("..") { duration_range(text) } else { duration(text).map(|time| (time, time)) }
}

/// Writes a range; one of equal ends as a single duration.
pub fn write_moment(first: Duration, last: Duration) -> String {
    if first == last { write_duration(first) } else { write_duration_range(first, last) }
}

/// Writes a range.
pub fn write_duration_range(first: Duration, last: Duration) -> String {
    format!("{}..{}", write_duration(first), write_duration(last))
}

/// Reads `5ms` (always the same) or `1ms..4ms` (evenly spread).
pub fn short_distribution(text: &str) -> Result<Distribution, Wrong> {
    if text.contains("..") {
        duration_range(text).map(|(min, max)| Distribution::Uniform { min, max })
    } else {
        duration(text).map(Distribution::Constant)
    }
}

/// Reads `1%` or `0.5%`.
pub fn probability(text: &str) -> Result<Probability, Wrong> {
    let (number, unit) = split_unit(text);
    let help = "write a percentage between \"0%\" and \"100%\", for instance \"0.5%\"";
    if unit.is_empty() && !number.is_empty() {
        return Err(Wrong::new("needs a unit", "a chance is written in percent", help));
    }
    if unit != "%" || number.is_empty() {
        return Err(Wrong::new("is not a chance", "a chance is a number followed by `%`", help));
    }
    let Some(ppm) = scaled(number, 10_000) else {
        return Err(Wrong::new("is not a chance", "at most four digits after the point", help));
    };
    match u32::try_from(ppm) {
        Ok(ppm @ 0..=1_000_000) => Ok(Probability(ppm)),
        _ => Err(Wrong::new("is more than certain", "a chance is at most 100%", help)),
    }
}

/// Writes a chance.
pub fn write_probability(chance: Probability) -> String {
    let (whole, rest) = (chance.0 / 10_000, chance.0 % 10_000);
    match rest {
        0 => format!("{whole}%"),
        _ => format!("{whole}.{}%", format!("{rest:04}").trim_end_matches('0')),
    }
}

/// Reads `200ppm`: a difference of clock rates, at most a tenth.
pub fn drift(text: &str) -> Result<u32, Wrong> {
    let (number, unit) = split_unit(text);
    let help = "write parts per million, for instance \"200ppm\"; at most \"100000ppm\", a tenth";
    if unit.is_empty() && !number.is_empty() {
        return Err(Wrong::new("needs a unit", "a drift is written in ppm, parts per million", help));
    }
    match number.parse::<u32>() {
        Ok(ppm) if unit == "ppm" && ppm <= 100_000 => Ok(ppm),
        Ok(_) if unit == "ppm" => Err(Wrong::new("is too large", "a clock this wrong is no clock", help)),
        _ => Err(Wrong::new("is not a drift", "a drift is a whole number followed by `ppm`", help)),
    }
}

/// Reads `+5s` or `-5s`, in nanoseconds.
pub fn jump(text: &str) -> Result<i64, Wrong> {
    let (forward, rest) = sign(text);
    let time = duration(rest)?;
    match i64::try_from(time.as_nanos()).expect("durations have a bound") {
        0 => Err(Wrong::new("is zero", "this moves no clock", "write how far, for instance \"+5s\" or \"-5s\"")),
        nanos => Ok(if forward { nanos } else { -nanos }),
    }
}

/// Writes a jump with its sign.
pub fn write_jump(nanos: i64) -> String {
    let sign = if nanos < 0 { '-' } else { '+' };
    format!("{sign}{}", write_duration(Duration::from_nanos(nanos.unsigned_abs())))
}

/// Reads `+50000ppm` or `-200ppm`.
pub fn drift_change(text: &str) -> Result<i64, Wrong> {
    let (faster, rest) = sign(text);
    match i64::from(drift(rest)?) {
        0 => Err(Wrong::new("is zero", "this changes no rate", "write how much, for instance \"+50000ppm\"")),
        ppm => Ok(if faster { ppm } else { -ppm }),
    }
}

/// Writes a difference of rates with its sign.
pub fn write_drift_change(ppm: i64) -> String {
    format!("{ppm:+}ppm")
}

/// The units of data, smallest first, in bytes.
const BYTES: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Reads `64KiB`.
pub fn bytes(text: &str) -> Result<u64, Wrong> {
    let help = "write a number and its unit, for instance \"64KiB\"; the units are B, KiB, MiB and GiB";
    let (number, unit) = split_unit(text);
    if unit.is_empty() && !number.is_empty() {
        return Err(Wrong::new("needs a unit", "an amount of data has a unit", help));
    }
    let size = BYTES.iter().find(|(name, _)| *name == unit).map(|(_, size)| *size);
    match size.and_then(|size| scaled(number, size)) {
        Some(0) => Err(Wrong::new("is zero", "nothing fits into nothing", help)),
        Some(bytes @ ..=0x100_0000_0000) => Ok(bytes),
        Some(_) => Err(Wrong::brief("is too large", "at most 1024GiB")),
        None => Err(Wrong::new("is not an amount of data", "an amount is a number followed by its unit", help)),
    }
}

/// Writes an amount of data in the largest unit that needs no fraction.
pub fn write_bytes(bytes: u64) -> String {
    let (unit, size) = BYTES.iter().rev().find(|(_, size)| bytes.is_multiple_of(*size)).expect("1 divides all");
    format!("{}{unit}", bytes / size)
}

/// Reads `10MiB/s` as bytes a second.
pub fn bandwidth(text: &str) -> Result<u64, Wrong> {
    let help = "write an amount a second, for instance \"10MiB/s\" or \"64KiB/s\"";
    let Some(amount) = text.trim_end().strip_suffix("/s") else {
        return Err(Wrong::new("needs a unit", "a bandwidth is written per second", help));
    };
    bytes(amount).map_err(|wrong| Wrong { help: Some(help.to_owned()), ..wrong })
}

/// Reads `80/s` or `0.5/s` as operations in a thousand seconds.
pub fn rate(text: &str) -> Result<u64, Wrong> {
    let help = "write operations a second, for instance \"80/s\" or \"0.5/s\"";
    let (number, unit) = split_unit(text);
    if unit.is_empty() && !number.is_empty() {
        return Err(Wrong::new("needs a unit", "a rate is written per second", help));
    }
    match scaled(number, 1000) {
        Some(0) if unit == "/s" => Err(Wrong::new("is zero", "at this rate nothing ever happens", help)),
        Some(milli @ ..=1_000_000_000) if unit == "/s" => Ok(milli),
        Some(_) if unit == "/s" => Err(Wrong::new("is too large", "at most a million a second", help)),
        _ => Err(Wrong::new("is not a rate", "a rate is a number followed by `/s`", help)),
    }
}

/// Writes a rate.
pub fn write_rate(milli: u64) -> String {
    match milli % 1000 {
        0 => format!("{}/s", milli / 1000),
        rest => format!("{}.{}/s", milli / 1000, format!("{rest:03}").trim_end_matches('0')),
    }
}

/// Reads `1..100`; both ends are included.
pub fn integer_range(text: &str) -> Result<(i64, i64), Wrong> {
    let help = "write the first and the last, for instance \"1..100\"; both are included";
    let ends = text.split_once("..").map(|(first, last)| (first.trim().parse::<i64>(), last.trim().parse::<i64>()));
    match ends {
        Some((Ok(first), Ok(last))) if first <= last => Ok((first, last)),
        Some((Ok(first), Ok(last))) => {
            let help = format!("write \"{last}..{first}\"");
            Err(Wrong::new("is an empty range", "the first is greater than the last", help))
        }
        _ => Err(Wrong::new("is not a range", "a range is two whole numbers with `..` between them", help)),
    }
}

/// Whether there is no minus before a text, and what follows the sign.
fn sign(text: &str) -> (bool, &str) {
    let text = text.trim();
    match text.strip_prefix('-') {
        Some(rest) => (false, rest),
        None => (true, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Splits `1.5ms` into the number and what follows it.
fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// A decimal number times `unit`, if that is a whole number of 64 bits.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let parts = u128::from(digits(fraction)?) * u128::from(unit);
    if !parts.is_multiple_of(u128::from(scale)) {
        return None;
    }
    let parts = u64::try_from(parts / u128::from(scale)).ok()?;
    digits(whole)?.checked_mul(unit)?.checked_add(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_exactly() {
        let cases = [
            ("30ms", 30_000_000),
            ("1.5s", 1_500_000_000),
            ("200us", 200_000),
            ("2m", 120_000_000_000),
            ("0s", 0),
            ("1 ms", 1_000_000),
            ("0.000000001s", 1),
        ];
        for (text, nanos) in cases {
            assert_eq!(duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
        for text in ["", "30", "ms", "1.2.3s", "1.s", "-1s", "1e3s", "30 parsecs", "0.1ns", "99999999999h", "1001h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_without_a_unit_is_told_the_units() {
        let wrong = duration("50").unwrap_err();
        assert_eq!(wrong.title, "needs a unit");
        assert!(wrong.help.unwrap().contains("\"50ms\""));
    }

    #[test]
    fn what_is_written_reads_back() {
        for nanos in [0, 1, 999, 1_000, 1_500_000, 2_000_000_000, 60_000_000_000, 61_000_000_001, 7_200_000_000_000] {
            let time = Duration::from_nanos(nanos);
            assert_eq!(duration(&write_duration(time)), Ok(time));
        }
        for ppm in [0, 1, 10, 5_000, 10_000, 123_456, 1_000_000] {
            assert_eq!(probability(&write_probability(Probability(ppm))), Ok(Probability(ppm)));
        }
        for milli in [1, 500, 1_000, 80_000, 80_250] {
            assert_eq!(rate(&write_rate(milli)), Ok(milli));
        }
    }

    #[test]
    fn signs_and_amounts_read_back() {
        for nanos in [5_000_000_000, -5_000_000_000, 1, -999] {
            assert_eq!(jump(&write_jump(nanos)), Ok(nanos));
        }
        for ppm in [1, -1, 100_000, -100_000] {
            assert_eq!(drift_change(&write_drift_change(ppm)), Ok(ppm));
        }
        for size in [1, 1023, 1024, 1536, 64 << 10, 10 << 20, 1 << 40] {
            assert_eq!(bytes(&write_bytes(size)), Ok(size));
            assert_eq!(bandwidth(&format!("{}/s", write_bytes(size))), Ok(size));
        }
        assert_eq!((jump("5s"), jump("- 5s").is_ok()), (Ok(5_000_000_000), true));
        assert_eq!(bytes("1.5KiB"), Ok(1536));
        for text in ["", "64", "64kb", "0B", "-1B", "0.3B"] {
            assert!(bytes(text).is_err() && bandwidth(text).is_err(), "{text}");
        }
        assert!(jump("0s").is_err() && drift_change("+0ppm").is_err() && jump("--5s").is_err());
    }

    #[test]
    fn ranges_include_both_ends_and_run_upwards() {
        assert_eq!(integer_range("1..5"), Ok((1, 5)));
        assert_eq!(integer_range("-5..-5"), Ok((-5, -5)));
        assert_eq!(integer_range("5..1").unwrap_err().title, "is an empty range");
        assert_eq!(duration_range("1s..500ms").unwrap_err().title, "is an empty range");
        assert!(integer_range("1...5").is_err());
        assert_eq!(moment("2s"), Ok((Duration::from_secs(2), Duration::from_secs(2))));
    }

    #[test]
    fn chances_and_drifts_have_bounds() {
        assert_eq!(probability("0.5%"), Ok(Probability(5_000)));
        assert_eq!(probability("101%").unwrap_err().title, "is more than certain");
        assert_eq!(probability("0.5").unwrap_err().title, "needs a unit");
        assert!(probability("0.00001%").is_err());
        assert_eq!(drift("200ppm"), Ok(200));
        assert!(drift("200000ppm").is_err());
    }
}
