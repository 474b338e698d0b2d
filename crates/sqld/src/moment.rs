//! Formats times relative to now: "in 23 hours 59 minutes", "3 hours ago".

use std::time::Duration;

use jiff::Timestamp;
use timeago::Formatter;

/// The distance of `moment` from `now`, as the end of a sentence.
pub fn relative(moment: Timestamp, now: Timestamp) -> String {
    let seconds = moment.as_second().saturating_sub(now.as_second());
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let mut formatter = Formatter::new();
    match seconds {
        0 => "just now".to_owned(),
        // Two units, since the remaining lifetime of a token is planned with.
        1.. => format!("in {}", formatter.num_items(2).ago("").convert(distance)),
        // One unit, since the exact time does not matter once it has passed.
        _ => formatter.convert(distance),
    }
}

/// "expires in 23 hours 59 minutes" or "expired 3 hours ago".
pub fn expiry(moment: Timestamp, now: Timestamp) -> String {
    let verb = if moment > now { "expires" } else { "expired" };
    format!("{verb} {}", relative(moment, now))
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
            (12, "in 12 seconds"),
            (60, "in 1 minute"),
            (86_340, "in 23 hours 59 minutes"),
            (86_400, "in 1 day"),
            (30 * 86_400 - 1, "in 4 weeks 1 day"),
            (400 * 86_400, "in 1 year 1 month"),
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
        assert_eq!(expiry(later, now), "expires in 1 minute 15 seconds");
        assert_eq!(expiry(now, later), "expired 1 minute ago");
    }
}
