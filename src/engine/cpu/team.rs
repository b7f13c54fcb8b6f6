//! A team of threads that divides the work of an op: one leads, the others wait for pieces.
//!
//! The pieces of a region are claimed one after the other from a shared counter, by the leader too, so that a thread
//! that is slow, late or asleep only takes fewer of them. Between regions the others spin for a moment and then sleep;
//! the leader, which in a page also serves messages, never sleeps.

#[cfg_attr(target_arch = "wasm32", path = "team/workers.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "team/native.rs")]
mod members;

use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::mem::transmute;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use web_time::Instant;

use self::members::Members;
#[cfg(target_arch = "wasm32")]
pub use self::members::serve;

/// How long a thread looks for more work before it sleeps: longer than the leader works alone, also from one token to
/// the next, because to be woken takes as long as several regions do.
const PATIENCE: Duration = Duration::from_millis(1);
/// Looks for work between two looks at the clock.
const LOOKS: u32 = 500;
/// A piece takes milliseconds at most. A leader that has waited for one this long has lost a thread.
const LOST: Duration = Duration::from_secs(10);
/// What one look at the clock may add to the waiting: time in which the whole page was frozen counts as this.
const LONGEST_TICK: Duration = Duration::from_millis(100);

/// What a region's threads execute, called with the number of a piece and that of the thread, the leader's being 0.
type Work = dyn Fn(usize, usize) + Sync;

/// What the threads of a team share.
#[derive(Default)]
pub struct Shared {
    /// Pieces of the current region that nobody has claimed.
    unclaimed: AtomicUsize,
    /// Pieces of the current region that are finished.
    finished: AtomicUsize,
    /// The current region.
    region: UnsafeCell<Option<Region>>,
    /// Threads that sleep or are about to.
    asleep: AtomicU32,
    /// Set when the team is dissolved.
    over: AtomicBool,
    /// The others' handles.
    threads: Mutex<Vec<Thread>>,
}

#[derive(Clone, Copy)]
struct Region {
    pieces: usize,
    work: *const Work,
}

// SAFETY: `region` is written by the leader alone and only while no piece is unclaimed or in work; it is read only by
// threads that have claimed a piece, which happens after the write (release on `unclaimed`, acquire on the claim).
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `region` is only followed under the rule above, from any thread; `Work` is `Sync`.
unsafe impl Send for Shared {}

impl Shared {
    /// Claims a piece of the current region, if there is one left: what to do, and which piece.
    fn claim(&self) -> Option<(*const Work, usize)> {
        let claim = |unclaimed: usize| unclaimed.checked_sub(1);
        let before = self.unclaimed.fetch_update(Ordering::AcqRel, Ordering::Relaxed, claim).ok()?;
        // SAFETY: a piece of this region is ours, so the leader does not write before we have finished it.
        let region = unsafe { *self.region.get() };
        region.map(|region| (region.work, region.pieces - before))
    }

    /// Works on pieces of the current region until none is left, as thread `thread`. Returns whether there was any.
    fn work(&self, thread: usize) -> bool {
        let mut any = false;
        while let Some((work, piece)) = self.claim() {
            // SAFETY: the leader waits in `Team::split`, and with it what `work` borrows, until this piece is finished.
            unsafe { (*work)(piece, thread) };
            self.finished.fetch_add(1, Ordering::Release);
            any = true;
        }
        any
    }

    /// The life of a thread other than the leader.
    fn serve(&self) {
        let number = {
            let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
            threads.push(thread::current());
            threads.len()
        };
        while !self.over.load(Ordering::Acquire) {
            if !self.work(number) && !self.spin() {
                self.asleep.fetch_add(1, Ordering::SeqCst);
                // Asked once more after the leader can see us asleep: it looks after it has published.
                if self.unclaimed.load(Ordering::SeqCst) == 0 && !self.over.load(Ordering::SeqCst) {
                    thread::park();
                }
                self.asleep.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    /// How many threads serve.
    fn members(&self) -> usize {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits a moment for the next region.
    fn spin(&self) -> bool {
        let mut end: Option<Instant> = None;
        loop {
            let look = |_| {
                spin_loop();
                self.unclaimed.load(Ordering::Relaxed) > 0
            };
            if (0..LOOKS).any(look) {
                return true;
            }
            let now = Instant::now();
            if now >= *end.get_or_insert(now + PATIENCE) {
                return false;
            }
        }
    }
}

/// The leader's end.
pub struct Team {
    shared: Arc<Shared>,
    others: Vec<Thread>,
    _members: Members,
}

impl Default for Team {
    /// A team of one.
    fn default() -> Self {
        Self::new(1)
    }
}

impl Team {
    /// A team of `size` threads, or of as many as there are.
    pub fn new(size: usize) -> Self {
        let (shared, members) = members::gather(size.saturating_sub(1));
        let others = shared.threads.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { shared, others, _members: members }
    }

    /// Threads, the leader included.
    pub fn size(&self) -> usize {
        1 + self.others.len()
    }

    /// Calls `work(piece, thread)` for every number below `pieces`, each once, on any thread, whose number is below
    /// [`Team::size`]; returns when all have returned.
    pub fn split(&self, pieces: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        if pieces <= 1 || self.others.is_empty() {
            (0..pieces).for_each(|piece| work(piece, 0));
            return;
        }
        let shared = &*self.shared;
        // SAFETY: the lifetime is only forgotten until the end of this function, which waits for all pieces.
        let work = unsafe { transmute::<*const (dyn Fn(usize, usize) + Sync + '_), *const Work>(work) };
        // SAFETY: no piece is unclaimed or in work, so nobody else reads or writes.
        unsafe { *shared.region.get() = Some(Region { pieces, work }) };
        shared.finished.store(0, Ordering::Relaxed);
        shared.unclaimed.store(pieces, Ordering::SeqCst);
        if shared.asleep.load(Ordering::SeqCst) > 0 {
            self.others.iter().for_each(Thread::unpark);
        }
        shared.work(0);
        self.wait(pieces);
    }

    /// Waits for the pieces that others have claimed.
    fn wait(&self, pieces: usize) {
        let mut waited = Duration::ZERO;
        let mut last: Option<Instant> = None;
        let mut rounds = 0u32;
        while self.shared.finished.load(Ordering::Acquire) < pieces {
            spin_loop();
            rounds = rounds.wrapping_add(1);
            if rounds.is_multiple_of(1 << 16) {
                let now = Instant::now();
                waited += last.map_or(Duration::ZERO, |last| (now - last).min(LONGEST_TICK));
                last = Some(now);
                // Nothing can be said about what that thread will still write: this engine is at its end.
                assert!(waited < LOST, "a thread of the engine has stopped in the middle of its work");
            }
        }
    }
}

/// A slice whose parts are written by several threads at once.
#[derive(Clone, Copy)]
pub struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    slice: std::marker::PhantomData<&'a UnsafeCell<[T]>>,
}

// SAFETY: it hands out parts only under the promise of `Parts::get`; elements are sent to other threads.
unsafe impl<T: Send> Sync for Parts<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    /// The parts of `slice`.
    pub fn of(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: std::marker::PhantomData }
    }

    /// Elements `start .. start + len`.
    ///
    /// # Safety
    /// As long as the part lives, nobody else holds a part that overlaps it.
    #[allow(clippy::mut_from_ref, reason = "the caller promises that parts are disjoint")]
    pub unsafe fn get(&self, start: usize, len: usize) -> &'a mut [T] {
        assert!(start <= self.len && len <= self.len - start, "a part lies inside its slice");
        // SAFETY: inside the slice, which is borrowed for 'a; disjoint by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_done_once() {
        for size in [1, 2, 5] {
            let team = Team::new(size);
            assert_eq!(team.size(), size);
            for pieces in (0..400).chain([10_000]) {
                let mut counts = vec![0u32; pieces];
                let parts = Parts::of(&mut counts);
                // SAFETY: a piece is its own element.
                team.split(pieces, &|piece, _| unsafe { parts.get(piece, 1)[0] += 1 });
                assert!(counts.iter().all(|&count| count == 1), "{size} threads, {pieces} pieces");
            }
        }
    }

    #[test]
    fn threads_sleep_and_wake() {
        let team = Team::new(3);
        for round in 0..50 {
            let done = AtomicUsize::new(0);
            team.split(8, &|_, _| {
                done.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(done.into_inner(), 8, "round {round}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn more_threads_than_processors_finish() {
        let team = Team::new(33);
        let done = AtomicUsize::new(0);
        for _ in 0..2000 {
            team.split(40, &|_, thread| {
                assert!(thread < team.size());
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        assert_eq!(done.into_inner(), 2000 * 40);
    }

    #[test]
    #[should_panic(expected = "inside its slice")]
    fn a_part_outside_its_slice_is_refused() {
        let mut values = [0; 4];
        // SAFETY: the only part.
        unsafe { Parts::of(&mut values).get(3, 2) };
    }
}
