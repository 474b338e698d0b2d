//! Durations as Compose writes them: `500ms`, `1m30s`, `1.5s`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de};

/// The units and their nanoseconds; a longer spelling comes before its prefix.
const UNITS: [(&str, u64); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
    ("d", 86_400 * 1_000_000_000),
    ("w", 7 * 86_400 * 1_000_000_000),
];

/// Reads a duration; `None` if it is not one.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanoseconds = 0_u64;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.is_empty() {
            return None;
        }
        let (unit, size) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
        let part = whole.parse::<u64>().ok()?.checked_mul(*size)?;
        nanoseconds = nanoseconds.checked_add(part)?;
        let mut place = *size;
        for digit in fraction.bytes() {
            place /= 10;
            nanoseconds = nanoseconds.checked_add(place.checked_mul(u64::from(digit - b'0'))?)?;
        }
        rest = after.strip_prefix(unit)?;
    }
    (!text.is_empty()).then(|| Duration::from_nanos(nanoseconds))
}

/// The leading ASCII digits, and what follows them.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Formats a duration as Go does, and therefore as `docker compose config` does.
pub(super) fn format(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let decimal = |size: u128| {
        let (whole, fraction) = (nanoseconds / size, nanoseconds % size);
        if fraction == 0 {
            return whole.to_string();
        }
        let digits = size.ilog10() as usize;
        format!("{whole}.{}", format!("{fraction:0digits$}").trim_end_matches('0'))
    };
    match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(1_000_000)),
        _ => {
            let seconds = duration.as_secs();
            let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
            let below = Duration::new(seconds % 60, duration.subsec_nanos());
            let below = match below.as_nanos() {
                0 => "0".to_owned(),
                nanoseconds => {
                    let fraction = format!("{:09}", nanoseconds % 1_000_000_000);
                    let fraction = fraction.trim_end_matches('0');
                    let dot = if fraction.is_empty() { "" } else { "." };
                    format!("{}{dot}{fraction}", below.as_secs())
                }
            };
            match (hours, minutes) {
                (0, 0) => format!("{below}s"),
                (0, _) => format!("{minutes}m{below}s"),
                _ => format!("{hours}h{minutes}m{below}s"),
            }
        }
    }
}

/// For `#[serde(with)]`: an optional duration.
pub(super) mod optional {
    use super::{Deserialize, Deserializer, Duration, Serializer, de};

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        super::parse(&text).map(Some).ok_or_else(|| {
            de::Error::custom(format!("`{text}` is not a duration such as `500ms` or `1m30s`"))
        })
    }

    // serde prescribes this signature.
    #[allow(clippy::ref_option)]
    pub(in super::super) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.serialize_str(&super::format(*duration)),
            None => serializer.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_and_written_as_in_go() {
        for (text, milliseconds, written) in [
            ("500ms", 500, "500ms"),
            ("2s", 2_000, "2s"),
            ("1.5s", 1_500, "1.5s"),
            ("1m30s", 90_000, "1m30s"),
            ("90s", 90_000, "1m30s"),
            ("1m", 60_000, "1m0s"),
            ("1h", 3_600_000, "1h0m0s"),
            ("1d", 86_400_000, "24h0m0s"),
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
        ] {
            let duration = parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(duration, Duration::from_millis(milliseconds), "{text}");
            assert_eq!(format(duration), written);
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "5", "s", ".5s", "-1s", "1x", "1 s", "1s ", "99999999999999999999s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_duration_reads_back(nanoseconds in 0_u64..u64::MAX / 2) {
            let duration = Duration::from_nanos(nanoseconds);
            prop_assert_eq!(parse(&format(duration)), Some(duration));
        }
    }
}
