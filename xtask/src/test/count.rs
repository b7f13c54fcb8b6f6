//! How many tests passed, failed and were skipped, read from what the test runners print.

/// The line, after any indentation, that a native test prints when shared test data are absent.
const SKIP_MARK: &str = "skipped: ";

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Count {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl Count {
    /// A step that is one check, and its outcome.
    pub const PASSED: Self = Self { passed: 1, failed: 0, skipped: 0 };
    pub const FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };

    pub fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }

    /// A runner that failed without a failed test (it did not compile, it crashed) counts as one failure.
    pub fn with_exit(self, success: bool) -> Self {
        if !success && self.failed == 0 { self.plus(Self::FAILED) } else { self }
    }

    /// A native test cannot say that it was skipped: it passes and prints why, perhaps for several files.
    fn with_skips_in(self, text: &str) -> Self {
        let mut skips = 0;
        let mut counted = false;
        for line in text.lines().map(str::trim_start) {
            // What follows is the output of the next test: nextest's line, then cargo test's.
            if line.starts_with("PASS [") || line.starts_with("---- ") {
                counted = false;
            } else if line.starts_with(SKIP_MARK) && !counted {
                skips += 1;
                counted = true;
            }
        }
        Self { passed: self.passed.saturating_sub(skips), skipped: self.skipped + skips, ..self }
    }
}

/// `Summary [  1.2s] 12 tests run: 11 passed, 1 failed, 2 skipped`
pub fn nextest(text: &str) -> Count {
    let summary = text.lines().rfind(|line| line.trim_start().starts_with("Summary [")).unwrap_or("");
    let counts = summary.rsplit_once(" run: ").map_or("", |(_, counts)| counts);
    let number = |word| number_before(counts, word);
    let count = Count {
        // "3 passed (1 slow, 1 flaky)" are three; a test that timed out or broke off has failed.
        passed: number(" passed"),
        failed: number(" failed") + number(" timed out") + number(" exec failed"),
        skipped: number(" skipped"),
    };
    count.with_skips_in(text)
}

/// `test result: ok. 11 passed; 1 failed; 2 ignored; …`, once for each test program.
pub fn cargo_test(text: &str) -> Count {
    let results = text.lines().filter(|line| line.starts_with("test result:"));
    let each = results.map(|line| Count {
        passed: number_before(line, " passed"),
        failed: number_before(line, " failed"),
        skipped: number_before(line, " ignored"),
    });
    each.fold(Count::default(), Count::plus).with_skips_in(text)
}

/// `ℹ pass 11`, `ℹ fail 1`, `ℹ cancelled 1`, `ℹ skipped 2`
pub fn node(text: &str) -> Count {
    let number = |word: &str| {
        let value = |line: &str| line.strip_prefix("ℹ ")?.strip_prefix(word)?.parse().ok();
        text.lines().filter_map(value).next_back().unwrap_or(0)
    };
    Count {
        passed: number("pass "),
        failed: number("fail ") + number("cancelled "),
        skipped: number("skipped ") + number("todo "),
    }
}

/// The number that ends where `word` starts.
fn number_before(text: &str, word: &str) -> u64 {
    let before = text.find(word).map_or("", |at| &text[..at]);
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or("");
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(passed: u64, failed: u64, skipped: u64) -> Count {
        Count { passed, failed, skipped }
    }

    #[test]
    fn nextest_summaries() {
        let all = "     Summary [   0.012s] 12 tests run: 12 passed (1 slow), 3 skipped\n";
        assert_eq!(nextest(all), count(12, 0, 3));
        let some = "     Summary [   0.012s] 5/12 tests run: 2 passed, 1 failed, 2 timed out, 0 skipped\n";
        assert_eq!(nextest(some), count(2, 3, 0));
        assert_eq!(nextest("error: could not compile"), count(0, 0, 0));
        assert_eq!(nextest("").with_exit(false), count(0, 1, 0));
    }

    #[test]
    fn a_native_skip_is_no_pass() {
        let text =
            "    skipped: no shared assets\n     Summary [   0.012s] 2 tests run: 2 passed, 0 skipped\n";
        assert_eq!(nextest(text), count(1, 0, 1));
    }

    #[test]
    fn cargo_test_programs_are_summed() {
        let text = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
                    test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(cargo_test(text), count(7, 2, 1));
        assert_eq!(cargo_test(text).with_exit(false), count(7, 2, 1));
    }

    #[test]
    fn node_summary() {
        let text = "✔ passes (1 ms)\nℹ tests 6\nℹ suites 0\nℹ pass 3\nℹ fail 1\nℹ cancelled 1\nℹ skipped 1\nℹ todo 0\n";
        assert_eq!(node(text), count(3, 2, 1));
    }
}
