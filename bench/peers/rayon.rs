//! rayon, linked with the harness as a static library. It has no futures for single tasks:
//! `ThreadPool::spawn` from a thread that is none of its workers, results in an array, and a
//! countdown for each lane. map is `par_iter().map().collect()` and a serial sum, loop is
//! `par_iter_mut().zip()`, both inside `install`, for which the caller waits.

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::os::raw::{c_char, c_long, c_uint};
use std::sync::atomic::{AtomicPtr, Ordering};

/// The structs of bench.h.
#[repr(C)]
pub struct Setup {
    workers: c_uint,
    submitters: c_uint,
    spin_s: f64,
    size: usize,
    bytes: usize,
}

#[repr(C, align(128))]
struct Countdown {
    words: [u64; 32],
}

#[repr(C)]
pub struct Contender {
    name: *const c_char,
    note: *const c_char,
    flags: *const c_char,
    version: extern "C" fn() -> *const c_char,
    can_spin: bool,
    open: extern "C" fn(*const Setup),
    close: extern "C" fn(),
    enter: Option<extern "C" fn(extern "C" fn())>,
    submit: extern "C" fn(c_uint, usize),
    collect: extern "C" fn(c_uint, usize) -> c_long,
    submit_shared: extern "C" fn(c_uint, usize),
    collect_shared: extern "C" fn(c_uint, usize) -> c_long,
    submit_wide: extern "C" fn(usize),
    hold: extern "C" fn(),
    roundtrip: extern "C" fn(c_long) -> c_long,
    burst: extern "C" fn(usize) -> c_long,
    map: extern "C" fn(*const c_long, usize) -> c_long,
    r#loop: extern "C" fn(*const c_long, *mut c_long, usize),
    for_processes: [usize; 6], // `argument` and what follows it: NULL
}
unsafe impl Sync for Contender {}

extern "C" {
    fn bench_busy(i: c_long) -> c_long;
    fn bench_gate_pass();
    fn bench_alloc(size: usize) -> *mut u8;
    fn countdown_start(countdown: *mut Countdown, n: usize);
    fn countdown_wait(countdown: *mut Countdown);
    fn bench_futex_wake(word: *mut u32);
}

#[inline(never)]
fn small(i: c_long) -> c_long {
    2 * i + 1
}

#[inline(never)]
fn wide(a: c_long, b: c_long, c: c_long, d: c_long, e: c_long) -> c_long {
    a + b + c + d + e
}

/// The inline function countdown_finish of bench.h.
unsafe fn countdown_finish(countdown: *mut Countdown) {
    use std::sync::atomic::{AtomicI64, AtomicU32};
    let left = &*(countdown as *const AtomicI64);
    let word = (countdown as *mut u8).add(128) as *mut u32;
    if left.fetch_sub(1, Ordering::AcqRel) == 1 {
        (*(word as *const AtomicU32)).store(1, Ordering::Release);
        bench_futex_wake(word);
    }
}

struct State {
    pool: ThreadPool,
    size: usize,
    results: *mut c_long, // `size` of each lane
    countdowns: *mut Countdown,
}
static STATE: AtomicPtr<State> = AtomicPtr::new(std::ptr::null_mut());

fn state() -> &'static State {
    unsafe { &*STATE.load(Ordering::Acquire) }
}

/// Where a task puts its result, and whom it tells.
#[derive(Clone, Copy)]
struct Place {
    result: *mut c_long,
    countdown: *mut Countdown,
}
unsafe impl Send for Place {}

impl Place {
    fn put(self, value: c_long) {
        unsafe {
            *self.result = value;
            countdown_finish(self.countdown);
        }
    }
}

fn place(lane: c_uint, i: usize) -> Place {
    let s = state();
    unsafe {
        Place {
            result: s.results.add(lane as usize * s.size + i),
            countdown: s.countdowns.add(lane as usize),
        }
    }
}

extern "C" fn open(setup: *const Setup) {
    unsafe {
        let n = (*setup).submitters as usize;
        let new = State {
            pool: ThreadPoolBuilder::new()
                .num_threads((*setup).workers as usize)
                .build()
                .expect("ThreadPoolBuilder"),
            size: (*setup).size,
            results: bench_alloc(n * (*setup).size * std::mem::size_of::<c_long>()) as *mut c_long,
            countdowns: bench_alloc(n * std::mem::size_of::<Countdown>()) as *mut Countdown,
        };
        STATE.store(Box::into_raw(Box::new(new)), Ordering::Release);
    }
}

extern "C" fn close() {
    unsafe { drop(Box::from_raw(STATE.load(Ordering::Acquire))) }
}

extern "C" fn submit(lane: c_uint, n: usize) {
    let s = state();
    unsafe { countdown_start(s.countdowns.add(lane as usize), n) }
    for i in 0..n {
        let to = place(lane, i);
        s.pool.spawn(move || to.put(small(i as c_long)));
    }
}

extern "C" fn submit_wide(n: usize) {
    let s = state();
    unsafe { countdown_start(s.countdowns, n) }
    for i in 0..n {
        let (to, a, c) = (place(0, i), i as c_long, 1);
        let (b, d, e) = (a, 0, 0);
        s.pool.spawn(move || to.put(wide(a, b, c, d, e)));
    }
}

extern "C" fn collect(lane: c_uint, n: usize) -> c_long {
    let s = state();
    unsafe {
        countdown_wait(s.countdowns.add(lane as usize));
        std::slice::from_raw_parts(s.results.add(lane as usize * s.size), n).iter().sum()
    }
}

extern "C" fn roundtrip(i: c_long) -> c_long {
    let to = place(0, 0);
    unsafe { countdown_start(to.countdown, 1) }
    state().pool.spawn(move || to.put(small(i)));
    collect(0, 1)
}

extern "C" fn burst(n: usize) -> c_long {
    unsafe { countdown_start(state().countdowns, n) }
    for i in 0..n {
        let to = place(0, i);
        state().pool.spawn(move || to.put(unsafe { bench_busy(i as c_long) }));
    }
    collect(0, n)
}

extern "C" fn hold() {
    state().pool.spawn(|| unsafe { bench_gate_pass() });
}

extern "C" fn map(items: *const c_long, n: usize) -> c_long {
    let items = unsafe { std::slice::from_raw_parts(items, n) };
    let results: Vec<c_long> =
        state().pool.install(|| items.par_iter().map(|&item| small(item)).collect());
    results.iter().sum()
}

extern "C" fn par_loop(items: *const c_long, results: *mut c_long, n: usize) {
    let items = unsafe { std::slice::from_raw_parts(items, n) };
    let results = unsafe { std::slice::from_raw_parts_mut(results, n) };
    state().pool.install(|| {
        results.par_iter_mut().zip(items.par_iter()).for_each(|(to, &item)| *to = small(item))
    });
}

extern "C" fn version() -> *const c_char {
    concat!(env!("BENCH_RAYON_VERSION"), "\0").as_ptr() as *const c_char
}

#[allow(non_upper_case_globals)]
#[no_mangle]
pub static bench_contender: Contender = Contender {
    name: b"rayon\0" as *const u8 as *const c_char,
    note: b"no futures: spawn, results in an array and a countdown\0" as *const u8 as *const c_char,
    flags: concat!(env!("BENCH_RAYON_FLAGS"), "\0") as *const str as *const c_char,
    version,
    can_spin: false,
    open,
    close,
    enter: None,
    submit,
    collect,
    submit_shared: submit,
    collect_shared: collect,
    submit_wide,
    hold,
    roundtrip,
    burst,
    map,
    r#loop: par_loop,
    for_processes: [0; 6],
};
