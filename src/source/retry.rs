//! When a request is tried again, and when it is given up. Numbers only: who waits is not known here.

use std::time::Duration;

/// Tries after the first that bring nothing new.
const RETRIES: u32 = 4;
/// The same where the server has never answered: a wrong name or a refusal (CORS) looks like a dead network, and
/// its caller should not wait long to learn of it.
const RETRIES_UNKNOWN: u32 = 2;
/// Wait before the second try; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(400);
/// Servers that ask for a longer wait are not waited for: the caller is told instead.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Counts the tries since something new arrived.
#[derive(Debug, Default)]
pub(super) struct Retries(u32);

impl Retries {
    /// Something new arrived: the connection works.
    pub fn progress(&mut self) {
        self.0 = 0;
    }

    /// The wait before the next try; none to give up. `asked`: how long the server wants to be left alone; `answered`:
    /// whether it ever answered; `random`: evenly from 0 to 1, so that tabs that failed together do not return together.
    pub fn next(&mut self, asked: Option<Duration>, answered: bool, random: f64) -> Option<Duration> {
        if self.0 >= if answered { RETRIES } else { RETRIES_UNKNOWN } {
            return None;
        }
        let backed_off = FIRST_WAIT * 2_u32.pow(self.0);
        self.0 += 1;
        let wait = asked.unwrap_or_default().max(backed_off.mul_f64(0.75 + random / 2.0));
        (wait <= LONGEST_WAIT).then_some(wait)
    }
}

/// Whether the same request may be answered otherwise a little later.
pub(super) fn is_transient(status: u16) -> bool {
    status == 429 || (500..=599).contains(&status)
}

/// How long `Retry-After`, in seconds or as a date, asks to wait. `now` and what `date` reads are milliseconds
/// since 1970; NaN for what is no date.
pub(super) fn retry_after(header: &str, now: f64, date: impl Fn(&str) -> f64) -> Option<Duration> {
    let seconds = match header.trim().parse::<u32>() {
        Ok(seconds) => f64::from(seconds),
        Err(_) => (date(header) - now) / 1000.0,
    };
    if seconds.is_nan() { None } else { Duration::try_from_secs_f64(seconds.max(0.0)).ok() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn waits(answered: bool, random: f64) -> Vec<u128> {
        let mut retries = Retries::default();
        std::iter::from_fn(|| retries.next(None, answered, random)).map(|wait| wait.as_millis()).collect()
    }

    #[test]
    fn waits_double_and_end() {
        assert_eq!(waits(true, 0.5), [400, 800, 1600, 3200]);
        assert_eq!(waits(true, 0.0), [300, 600, 1200, 2400]);
        assert_eq!(waits(false, 1.0), [500, 1000]);
    }

    #[test]
    fn progress_starts_the_count_anew() {
        let mut retries = Retries::default();
        for _ in 0..100 {
            assert!(retries.next(None, true, 0.5).unwrap() < Duration::from_secs(1));
            retries.progress();
        }
    }

    #[test]
    fn servers_are_left_alone_for_as_long_as_they_ask() {
        let asked = |seconds| Retries::default().next(Some(Duration::from_secs(seconds)), true, 0.5);
        assert_eq!(asked(7), Some(Duration::from_secs(7)));
        assert_eq!(asked(0), Some(FIRST_WAIT), "never at once");
        assert_eq!(asked(31), None, "too long to wait for");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let date =
            |text: &str| if text == "Fri, 31 Dec 1999 23:59:59 GMT" { 946_684_799_000.0 } else { f64::NAN };
        let read = |header| retry_after(header, 946_684_790_000.0, date).map(|wait| wait.as_secs());
        assert_eq!(read("120"), Some(120));
        assert_eq!(read(" 3 "), Some(3));
        assert_eq!(read("Fri, 31 Dec 1999 23:59:59 GMT"), Some(9));
        assert_eq!(
            retry_after("Fri, 31 Dec 1999 23:59:59 GMT", 1e12, date),
            Some(Duration::ZERO),
            "in the past"
        );
        for nonsense in ["", "soon", "-1"] {
            assert_eq!(read(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn only_what_passes_is_tried_again() {
        let transient: Vec<u16> = (100..700).filter(|&status| is_transient(status)).collect();
        assert_eq!(transient, [429].into_iter().chain(500..600).collect::<Vec<u16>>());
    }
}
