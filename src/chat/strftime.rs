//! Python's `strftime`, for the dates in system prompts.

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A moment, taken apart.
struct Moment {
    seconds: i64,
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    weekday: i64,
    day_of_year: i64,
}

/// Python's `strftime` of a time in seconds since 1970, in the C locale. What it does not know it prints as it is.
pub(super) fn strftime(format: &str, seconds: i64) -> String {
    let moment = Moment::new(seconds);
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut code = chars.next();
        // %-d: without the leading zero
        let bare = code == Some('-');
        if bare {
            code = chars.next();
        }
        match code {
            Some(code) => moment.write(code, bare, &mut out),
            None => out.push('%'),
        }
    }
    out
}

impl Moment {
    fn new(seconds: i64) -> Self {
        let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        Self {
            seconds,
            year,
            month,
            day,
            hour: time / 3600,
            minute: time / 60 % 60,
            second: time % 60,
            weekday: (days + 4).rem_euclid(7),
            day_of_year: days - days_from_civil(year) + 1,
        }
    }

    fn write(&self, code: char, bare: bool, out: &mut String) {
        let name = |names: &[&'static str], index: i64| {
            usize::try_from(index).ok().and_then(|i| names.get(i).copied()).unwrap_or("")
        };
        let year2 = self.year.rem_euclid(100);
        let padded = |value: i64, width: usize| {
            if bare { value.to_string() } else { format!("{value:0width$}") }
        };
        let text = match code {
            'd' => padded(self.day, 2),
            'm' => padded(self.month, 2),
            'y' => padded(year2, 2),
            'H' => padded(self.hour, 2),
            'I' => padded((self.hour + 11) % 12 + 1, 2),
            'M' => padded(self.minute, 2),
            'S' => padded(self.second, 2),
            'j' => padded(self.day_of_year, 3),
            'Y' => self.year.to_string(),
            'e' => format!("{:2}", self.day),
            'B' => name(&MONTHS, self.month - 1).to_owned(),
            'b' | 'h' => name(&MONTHS, self.month - 1).chars().take(3).collect(),
            'A' => name(&DAYS, self.weekday).to_owned(),
            'a' => name(&DAYS, self.weekday).chars().take(3).collect(),
            'w' => self.weekday.to_string(),
            'p' => if self.hour < 12 { "AM" } else { "PM" }.to_owned(),
            'F' => format!("{}-{:02}-{:02}", self.year, self.month, self.day),
            'T' => format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second),
            'R' => format!("{:02}:{:02}", self.hour, self.minute),
            'D' | 'x' => format!("{:02}/{:02}/{year2:02}", self.month, self.day),
            's' => self.seconds.to_string(),
            'Z' => "UTC".to_owned(),
            'z' => "+0000".to_owned(),
            '%' => "%".to_owned(),
            other => format!("%{other}"),
        };
        out.push_str(&text);
    }
}

/// Year, month and day of a day since 1970-01-01 (Howard Hinnant's algorithm).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The first day of `year`, since 1970-01-01.
fn days_from_civil(year: i64) -> i64 {
    let before = year - 1;
    before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 719_162
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strftime_is_pythons() {
        // 2026-08-22 12:34:56, a Saturday, day 234
        let now = 1_787_402_096;
        assert_eq!(strftime("%Y-%m-%d %H:%M:%S %A %a %j", now), "2026-08-22 12:34:56 Saturday Sat 234");
        assert_eq!(
            strftime("%d %b %Y, %-d %B, %I:%M %p, %y %% %q", now),
            "22 Aug 2026, 22 August, 12:34 PM, 26 % %q"
        );
        assert_eq!(strftime("%F %T %w", 0), "1970-01-01 00:00:00 4");
        assert_eq!(strftime("%F %j", 951_782_400), "2000-02-29 060");
        assert_eq!(strftime("%F", -1), "1969-12-31");
        assert_eq!(strftime("%", 0), "%");
        let _ = strftime("%Y %j", i64::MAX / 2_000_000);
    }
}
