//! rayon, linked with the harness as a static library: `join`, and for more than two children a `join` of
//! halves of their range. The calling thread waits in `install`. Leaves are those of kernels.c.

use rayon::{join, ThreadPool, ThreadPoolBuilder};
use std::os::raw::{c_char, c_int, c_long, c_uint};
use std::sync::atomic::{AtomicPtr, Ordering};

/// What is used of the structs of bench.h.
#[repr(C)]
pub struct Setup {
    workers: c_uint,
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
    for_pools: [usize; 17], // `enter` and what follows it: NULL
}
unsafe impl Sync for Contender {}

/// The structs of suite.h.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Queens {
    n: c_int,
    row: c_int,
    column: [i8; 24],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Node {
    state: [u8; 20],
    depth: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Matmul {
    a: *const f64,
    b: *const f64,
    c: *mut f64,
    n: usize,
    stride: usize,
}
unsafe impl Send for Matmul {}
unsafe impl Sync for Matmul {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Merge {
    a: *const c_long,
    b: *const c_long,
    out: *mut c_long,
    n_a: usize,
    n_b: usize,
}
unsafe impl Send for Merge {}

#[derive(Clone, Copy)]
struct Sort {
    items: *mut c_long,
    scratch: *mut c_long,
    n: usize,
}
unsafe impl Send for Sort {}
unsafe impl Sync for Sort {}

type Leaf = extern "C" fn(c_long) -> c_long;

#[repr(C)]
pub struct Applications {
    fib: extern "C" fn(c_long) -> c_long,
    skynet: extern "C" fn(c_long, c_long, c_long) -> c_long,
    nqueens: extern "C" fn(Queens) -> c_long,
    uts: extern "C" fn(Node) -> c_long,
    matmul: extern "C" fn(Matmul),
    cilksort: extern "C" fn(*mut c_long, *mut c_long, usize),
    range: extern "C" fn(Leaf, c_long, c_long) -> c_long,
}

extern "C" {
    fn suite_is_safe(queens: *const Queens, column: c_int) -> bool;
    fn suite_count_children(node: *const Node) -> c_int;
    fn suite_child(parent: *const Node, index: c_int) -> Node;
    fn suite_matmul_base(m: *const Matmul);
    fn suite_sort_base(items: *mut c_long, n: usize);
    fn suite_merge_base(merge: *const Merge);
    fn suite_split(merge: *const Merge, low: *mut Merge, high: *mut Merge);
}
const MATMUL_BASE: usize = 64;
const SORT_BASE: usize = 1024;
const MERGE_BASE: usize = 1024;

static POOL: AtomicPtr<ThreadPool> = AtomicPtr::new(std::ptr::null_mut());

fn pool() -> &'static ThreadPool {
    unsafe { &*POOL.load(Ordering::Acquire) }
}

extern "C" fn open(setup: *const Setup) {
    let workers = unsafe { (*setup).workers as usize };
    let new = ThreadPoolBuilder::new().num_threads(workers).build().expect("ThreadPoolBuilder");
    POOL.store(Box::into_raw(Box::new(new)), Ordering::Release);
}

extern "C" fn close() {
    unsafe { drop(Box::from_raw(POOL.load(Ordering::Acquire))) }
}

fn fib(n: c_long) -> c_long {
    if n < 2 {
        return n;
    }
    let (a, b) = join(|| fib(n - 1), || fib(n - 2));
    a + b
}

/// The sum of `visit(first .. end-1)`, each of which may be a child of its own.
fn sum_children(first: c_long, end: c_long, visit: &(impl Fn(c_long) -> c_long + Sync)) -> c_long {
    if end - first == 1 {
        return visit(first);
    }
    let middle = first + (end - first) / 2;
    let (a, b) =
        join(|| sum_children(first, middle, visit), || sum_children(middle, end, visit));
    a + b
}

fn skynet(first: c_long, size: c_long, n_children: c_long) -> c_long {
    if size == 1 {
        return first;
    }
    let part = size / n_children;
    sum_children(0, n_children, &|i| skynet(first + i * part, part, n_children))
}

fn nqueens(queens: Queens) -> c_long {
    if queens.row == queens.n {
        return 1;
    }
    let mut safe = [0i8; 24];
    let mut n_children = 0;
    for column in 0..queens.n {
        if unsafe { suite_is_safe(&queens, column) } {
            safe[n_children] = column as i8;
            n_children += 1;
        }
    }
    if n_children == 0 {
        return 0;
    }
    sum_children(0, n_children as c_long, &|i| {
        let mut next = queens;
        next.column[next.row as usize] = safe[i as usize];
        next.row += 1;
        nqueens(next)
    })
}

fn uts(node: Node) -> c_long {
    let n = unsafe { suite_count_children(&node) } as c_long;
    if n == 0 {
        return 1;
    }
    1 + sum_children(0, n, &|i| uts(unsafe { suite_child(&node, i as c_int) }))
}

impl Matmul {
    /// suite_quarter
    fn quarter(&self, row: usize, column: usize, k: usize) -> Matmul {
        let half = self.n / 2;
        let down = half * self.stride;
        unsafe {
            Matmul {
                a: self.a.add(row * down + k * half),
                b: self.b.add(k * down + column * half),
                c: self.c.add(row * down + column * half),
                n: half,
                stride: self.stride,
            }
        }
    }
}

fn matmul(m: Matmul) {
    if m.n <= MATMUL_BASE {
        return unsafe { suite_matmul_base(&m) };
    }
    for k in 0..2 {
        join(
            || join(|| matmul(m.quarter(0, 0, k)), || matmul(m.quarter(0, 1, k))),
            || join(|| matmul(m.quarter(1, 0, k)), || matmul(m.quarter(1, 1, k))),
        );
    }
}

fn merge(m: Merge) {
    if m.n_a + m.n_b <= MERGE_BASE {
        return unsafe { suite_merge_base(&m) };
    }
    let (mut low, mut high) = (m, m);
    unsafe { suite_split(&m, &mut low, &mut high) };
    join(move || merge(low), move || merge(high));
}

impl Sort {
    fn part(self, at: usize, n: usize) -> Sort {
        unsafe { Sort { items: self.items.add(at), scratch: self.scratch.add(at), n } }
    }

    /// Its first n_a items and the rest, which are sorted, to `scratch`.
    fn merge_up(self, n_a: usize) -> Merge {
        merge_of(self.items, n_a, self.n, self.scratch)
    }
}

/// suite_merge_of
fn merge_of(from: *mut c_long, n_a: usize, n: usize, out: *mut c_long) -> Merge {
    Merge { a: from, b: unsafe { from.add(n_a) }, out, n_a, n_b: n - n_a }
}

fn cilksort(s: Sort) {
    if s.n <= SORT_BASE {
        return unsafe { suite_sort_base(s.items, s.n) };
    }
    let quarter = s.n / 4;
    let (low, high) = (s.part(0, 2 * quarter), s.part(2 * quarter, s.n - 2 * quarter));
    join(
        || join(|| cilksort(low.part(0, quarter)), || cilksort(low.part(quarter, quarter))),
        || {
            join(
                || cilksort(high.part(0, quarter)),
                || cilksort(high.part(quarter, high.n - quarter)),
            )
        },
    );
    join(|| merge(low.merge_up(quarter)), || merge(high.merge_up(quarter)));
    merge(merge_of(s.scratch, low.n, s.n, s.items));
}

extern "C" fn run_fib(n: c_long) -> c_long {
    pool().install(|| fib(n))
}

extern "C" fn run_skynet(first: c_long, size: c_long, n_children: c_long) -> c_long {
    pool().install(|| skynet(first, size, n_children))
}

extern "C" fn run_nqueens(queens: Queens) -> c_long {
    pool().install(|| nqueens(queens))
}

extern "C" fn run_uts(root: Node) -> c_long {
    pool().install(|| uts(root))
}

extern "C" fn run_matmul(m: Matmul) {
    pool().install(move || matmul(m))
}

extern "C" fn run_cilksort(items: *mut c_long, scratch: *mut c_long, n: usize) {
    let all = Sort { items, scratch, n };
    pool().install(move || cilksort(all))
}

extern "C" fn run_range(leaf: Leaf, first: c_long, end: c_long) -> c_long {
    pool().install(|| sum_children(first, end, &|i| leaf(i)))
}

extern "C" fn version() -> *const c_char {
    concat!(env!("BENCH_RAYON_VERSION"), "\0").as_ptr() as *const c_char
}

#[allow(non_upper_case_globals)]
#[no_mangle]
pub static bench_contender: Contender = Contender {
    name: b"rayon\0" as *const u8 as *const c_char,
    note: b"join\0" as *const u8 as *const c_char,
    flags: concat!(env!("BENCH_RAYON_FLAGS"), "\0") as *const str as *const c_char,
    version,
    can_spin: false,
    open,
    close,
    for_pools: [0; 17],
};

#[allow(non_upper_case_globals)]
#[no_mangle]
pub static suite_applications: Applications = Applications {
    fib: run_fib,
    skynet: run_skynet,
    nqueens: run_nqueens,
    uts: run_uts,
    matmul: run_matmul,
    cilksort: run_cilksort,
    range: run_range,
};
