//! Formats times relative to now: "in 23h 59m", "3 hours ago".

use jiff::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// The distance of `moment` from `now`, as the end of a sentence.
pub fn relative(moment: Timestamp, now: Timestamp) -> String {
    let seconds = moment.as_second().saturating_sub(now.as_second());
    let distance = seconds.unsigned_abs();
    match seconds {
        0 => "just now".to_owned(),
        1.. => format!("in {}", ahead(distance)),
        _ => format!("{} ago", behind(distance)),
    }
}

/// "expires in 23h 59m" or "expired 3 hours ago".
pub fn expiry(moment: Timestamp, now: Timestamp) -> String {
    let verb = if moment > now { "expires" } else { "expired" };
    format!("{verb} {}", relative(moment, now))
}

/// Two units, since the remaining lifetime of a token is planned with.
fn ahead(seconds: u64) -> String {
    let (whole, rest) = match seconds {
        YEAR.. => ((seconds / YEAR, "y"), (seconds % YEAR / DAY, "d")),
        DAY.. => ((seconds / DAY, "d"), (seconds % DAY / HOUR, "h")),
        HOUR.. => ((seconds / HOUR, "h"), (seconds % HOUR / MINUTE, "m")),
        MINUTE.. => ((seconds / MINUTE, "m"), (seconds % MINUTE, "s")),
        _ => ((seconds, "s"), (0, "")),
    };
    if rest.0 == 0 {
        format!("{}{}", whole.0, whole.1)
    } else {
        format!("{}{} {}{}", whole.0, whole.1, rest.0, rest.1)
    }
}

/// One unit, since the exact time does not matter once it has passed.
fn behind(seconds: u64) -> String {
    let (count, unit) = match seconds {
        YEAR.. => (seconds / YEAR, "year"),
        DAY.. => (seconds / DAY, "day"),
        HOUR.. => (seconds / HOUR, "hour"),
        MINUTE.. => (seconds / MINUTE, "minute"),
        _ => (seconds, "second"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_read_like_speech() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let at =
            |seconds: i64| relative(Timestamp::from_second(1_800_000_000 + seconds).unwrap(), now);
        for (seconds, text) in [
            (0, "just now"),
            (12, "in 12s"),
            (60, "in 1m"),
            (86_340, "in 23h 59m"),
            (86_400, "in 1d"),
            (30 * 86_400 - 1, "in 29d 23h"),
            (400 * 86_400, "in 1y 35d"),
            (-1, "1 second ago"),
            (-10_900, "3 hours ago"),
            (-90_000, "1 day ago"),
        ] {
            assert_eq!(at(seconds), text);
        }
    }

    #[test]
    fn the_verb_follows_the_clock() {
        let now = Timestamp::from_second(1000).unwrap();
        let later = Timestamp::from_second(1075).unwrap();
        assert_eq!(expiry(later, now), "expires in 1m 15s");
        assert_eq!(expiry(now, later), "expired 1 minute ago");
    }
}
