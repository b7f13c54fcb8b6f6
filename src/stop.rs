//! Stop strings in a stream: nothing is shown that might turn out to be the beginning of one.

/// Looks for the first of several strings in text that arrives in pieces.
#[derive(Debug, Clone, Default)]
pub struct StopMatcher {
    stops: Vec<String>,
    /// Text held back: it may be the beginning of a stop string.
    held: String,
}

/// What a piece of text led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Text that can be shown.
    pub text: String,
    /// A stop string was found; it and what follows are dropped.
    pub stop: bool,
}

impl StopMatcher {
    /// A matcher for `stops`; empty ones are ignored.
    pub fn new(stops: Vec<String>) -> Self {
        Self { stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(), held: String::new() }
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: &str) -> Stopped {
        self.held.push_str(piece);
        let found = self.stops.iter().filter_map(|stop| self.held.find(stop)).min();
        if let Some(at) = found {
            let text = self.held[..at].to_string();
            self.held.clear();
            return Stopped { text, stop: true };
        }
        let keep = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        Stopped { text: std::mem::replace(&mut self.held, rest), stop: false }
    }

    /// What was held back, when nothing follows.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// Length of the longest end of `text` that is a true beginning of `stop`.
pub fn overlap(text: &str, stop: &str) -> usize {
    stop.char_indices()
        .map(|(at, _)| at)
        .filter(|&at| at > 0 && text.ends_with(&stop[..at]))
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However a text is cut into pieces, the same is shown.
    #[test]
    fn pieces_do_not_matter() {
        let cases = [
            ("hello END world", vec!["END"], "hello ", true),
            ("hello EN world", vec!["END"], "hello EN world", false),
            ("aab", vec!["ab"], "a", true),
            ("ababac", vec!["abac"], "ab", true),
            ("x é y ü", vec!["é y é", "ü"], "x é y ", true),
            ("tail E", vec!["END"], "tail E", false),
            ("one two", vec!["two", "one"], "", true),
            ("anything", vec![""], "anything", false),
        ];
        for (text, stops, shown, stopped) in cases {
            let chars: Vec<char> = text.chars().collect();
            for size in 1..=chars.len() {
                let mut matcher = StopMatcher::new(stops.iter().map(ToString::to_string).collect());
                let mut found = String::new();
                let stop = chars.chunks(size).any(|piece| {
                    let Stopped { text, stop } = matcher.push(&piece.iter().collect::<String>());
                    found.push_str(&text);
                    stop
                });
                if !stop {
                    found.push_str(&matcher.finish());
                }
                assert_eq!((found.as_str(), stop), (shown, stopped), "{text:?} in pieces of {size}");
            }
        }
    }
}
