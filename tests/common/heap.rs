//! An allocator that counts, for each thread, its allocations, the bytes in use and their peak.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static IN_USE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counted.
pub struct Counting;

/// Allocations of this thread so far.
pub fn allocations() -> usize {
    ALLOCATIONS.get()
}

fn add(bytes: usize) {
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
    // A thread that ends frees its last memory after its counters are gone.
    let _ = IN_USE.try_with(|in_use| {
        in_use.set(in_use.get().wrapping_add(bytes));
        // What another thread allocated and this one freed makes the count negative: no peak.
        let now = in_use.get();
        let _ = PEAK.try_with(|peak| {
            if now < usize::MAX / 2 {
                peak.set(peak.get().max(now))
            }
        });
    });
}

fn remove(bytes: usize) {
    let _ = IN_USE.try_with(|in_use| in_use.set(in_use.get().wrapping_sub(bytes)));
}

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps `alloc_zeroed`'s contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        remove(layout.size());
        // SAFETY: `pointer` came from the system's allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        add(new_size);
        remove(layout.size());
        // SAFETY: `pointer` came from the system's allocator, with this layout.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// Bytes that this thread has allocated and not freed.
pub fn in_use() -> usize {
    IN_USE.with(Cell::get)
}

/// Most bytes in use since [`reset_peak`].
pub fn peak() -> usize {
    PEAK.with(Cell::get)
}

/// Starts a new measurement.
pub fn reset_peak() {
    PEAK.with(|peak| peak.set(in_use()));
}
