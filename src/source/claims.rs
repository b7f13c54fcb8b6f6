//! Which bytes to ask a server for next: what a reader waits for first, then what it will want.

use std::ops::Range;

use super::chunks::chunks_of;

/// Requests for one file that run at once.
pub(super) const CONNECTIONS: usize = 4;
/// Smallest and largest piece that one request asks for, in chunks: 512 KiB and 8 MiB.
const PIECE: Range<u64> = 32..512;

/// What is wanted of a file, in chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Want {
    /// What a reader waits for.
    pub now: Range<u64>,
    /// What it will want afterwards, if anything, and how much of it there is room for.
    pub later: Option<(Range<u64>, u64)>,
}

/// The next chunks to ask for: missing, not asked for by another request in `claimed`, and in one run.
pub(super) fn next(want: &Want, claimed: &[Range<u64>], missing: &dyn Fn(u64) -> bool) -> Option<Range<u64>> {
    let free = |index: u64| missing(index) && !claimed.iter().any(|claim| claim.contains(&index));
    let run = |start: u64, end: u64| start..(start..end).find(|&index| !free(index)).unwrap_or(end);
    let (later, room) = want.later.clone().unwrap_or((0..0, 0));
    let idle = CONNECTIONS.saturating_sub(claimed.len()).max(1) as u64;
    let share = (later.end - later.start).div_ceil(CONNECTIONS as u64).min(room / idle);
    let piece = share.clamp(PIECE.start, PIECE.end);
    if let Some(start) = want.now.clone().find(|&index| free(index)) {
        let needed = want.now.end.min(start + PIECE.end);
        // On into what comes next anyway, if that is where this leads.
        let reach = if later.contains(&(needed - 1)) || needed == later.start {
            later.end.min(start + piece.min(room))
        } else {
            needed
        };
        return Some(run(start, needed.max(reach)));
    }
    let start = later.clone().find(|&index| free(index))?;
    // Half a piece is not worth a request, unless nothing else is under way.
    let most = piece.min(room);
    let claim = run(start, later.end.min(start + most));
    let worth =
        claim.end - claim.start >= PIECE.start || claim.end - claim.start < most || claimed.is_empty();
    (worth && !claim.is_empty()).then_some(claim)
}

/// The chunks of what will be read from byte `position` to byte `end`.
pub(super) fn rest(position: u64, end: u64) -> Range<u64> {
    chunks_of(&(position..end.max(position)))
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "a list of one claim")]
mod tests {
    use super::super::chunks::CHUNK_BYTES;
    use super::*;

    const ALL: fn(u64) -> bool = |_| true;

    fn ahead(range: Range<u64>, room: u64) -> Want {
        Want { now: 0..0, later: Some((range, room)) }
    }

    #[test]
    fn without_reading_ahead_only_what_is_asked_for() {
        let want = Want { now: 3..9, later: None };
        assert_eq!(next(&want, &[], &ALL), Some(3..9));
        assert_eq!(next(&want, &[3..9], &ALL), None);
        assert_eq!(next(&want, &[3..5], &|index| index > 6), Some(7..9));
        assert_eq!(next(&want, &[], &|index| index == 4 || index == 6), Some(4..5));
    }

    #[test]
    fn the_rest_is_shared_among_connections() {
        let want = ahead(0..4000, u64::MAX);
        let mut claimed = Vec::new();
        for expected in [0..512, 512..1024, 1024..1536, 1536..2048] {
            let claim = next(&want, &claimed, &ALL);
            assert_eq!(claim, Some(expected));
            claimed.extend(claim);
        }
        assert_eq!(next(&ahead(0..400, u64::MAX), &[], &ALL), Some(0..100), "a quarter of little");
        assert_eq!(next(&ahead(0..40, u64::MAX), &[], &ALL), Some(0..32), "but not too little");
    }

    #[test]
    fn what_is_waited_for_comes_first_and_reaches_on() {
        let want = Want { now: 100..116, later: Some((100..4000, u64::MAX)) };
        assert_eq!(next(&want, &[], &ALL), Some(100..612));
        assert_eq!(next(&want, &[100..612], &ALL), Some(612..1124));
        let look_up = Want { now: 3000..3001, later: Some((0..2000, u64::MAX)) };
        assert_eq!(next(&look_up, &[0..500], &ALL), Some(3000..3001));
    }

    #[test]
    fn room_limits_what_is_fetched_ahead_but_not_what_is_waited_for() {
        assert_eq!(next(&ahead(0..4000, 768), &[], &ALL), Some(0..192), "shared, too");
        assert_eq!(next(&ahead(0..4000, 576), &[0..192], &ALL), Some(192..384));
        assert_eq!(next(&ahead(0..4000, 0), &[], &ALL), None);
        let want = Want { now: 0..16, later: Some((0..4000, 0)) };
        assert_eq!(next(&want, &[], &ALL), Some(0..16));
        // A little room is worth no request while another is under way.
        assert_eq!(next(&ahead(100..4000, 8), &[90..100], &ALL), None);
        assert_eq!(next(&ahead(100..4000, 8), &[], &ALL), Some(100..108));
    }

    #[test]
    fn holes_are_filled_and_nothing_twice() {
        let missing = |index: u64| (200..210).contains(&index) || index >= 900;
        let want = ahead(0..1000, u64::MAX);
        assert_eq!(next(&want, &[], &missing), Some(200..210));
        assert_eq!(next(&want, &[200..210], &missing), Some(900..1000));
        assert_eq!(next(&want, &[200..210, 900..1000], &missing), None);
        assert_eq!(rest(CHUNK_BYTES - 1, CHUNK_BYTES + 1), 0..2);
    }
}
