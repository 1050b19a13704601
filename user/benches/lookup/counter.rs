//! An allocator that counts.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

static COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicI64 = AtomicI64::new(0);
static BYTES: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

/// What one run takes.
pub(crate) struct Count {
    pub(crate) allocations: i64,
    /// The most bytes that were allocated at a time, beyond those before.
    pub(crate) peak: i64,
}

/// Counts what all threads allocate meanwhile.
pub(crate) fn count<T>(run: impl FnOnce() -> T) -> (T, Count) {
    for number in [&ALLOCATIONS, &BYTES, &PEAK] {
        number.store(0, Relaxed);
    }
    COUNTING.store(true, Relaxed);
    let result = run();
    COUNTING.store(false, Relaxed);
    (result, Count { allocations: ALLOCATIONS.load(Relaxed), peak: PEAK.load(Relaxed) })
}

struct Counter;

#[global_allocator]
static COUNTER: Counter = Counter;

impl Counter {
    fn allocated(more: usize, less: usize) {
        if COUNTING.load(Relaxed) {
            ALLOCATIONS.fetch_add(1, Relaxed);
            let change = more as i64 - less as i64;
            PEAK.fetch_max(BYTES.fetch_add(change, Relaxed) + change, Relaxed);
        }
    }
}

// SAFETY: all of it is the system's allocator, with numbers counted up beside it.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Counter::allocated(layout.size(), 0);
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc(layout) }
    }

    // Or else zeroed memory would be written here, which the system's allocator has from the kernel.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Counter::allocated(layout.size(), 0);
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if COUNTING.load(Relaxed) {
            BYTES.fetch_sub(layout.size() as i64, Relaxed);
        }
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Counter::allocated(size, layout.size());
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
