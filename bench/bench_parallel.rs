// The two loops of bench_parallel.py by Rayon; bench_parallel.c has the rest.
use rayon::prelude::*;
use std::sync::Mutex;
use std::time::Instant;

const COUNT: usize = 100_000_000;
const NUMBERS: usize = 20_000;

struct State {
    values: Vec<f64>,
    out: Vec<i64>,
    last_sum: f64,
}

static STATE: Mutex<State> = Mutex::new(State {
    values: Vec::new(),
    out: Vec::new(),
    last_sum: 0.0,
});

fn process(mut value: i64) -> i64 {
    for _ in 0..1000 {
        value = value.wrapping_add(1).wrapping_mul(2) % 1_000_000_007;
    }
    value
}

#[no_mangle]
pub extern "C" fn time_sum(count: i64) -> i64 {
    let mut state = STATE.lock().unwrap();
    if state.values.is_empty() {
        state.values = (0..COUNT).map(|i| (i % 1000) as f64).collect();
    }
    let start = Instant::now();
    let total: f64 = state.values[..count as usize].par_iter().sum();
    let time = start.elapsed();
    state.last_sum = total;
    time.as_nanos() as i64
}

#[no_mangle]
pub extern "C" fn time_process(count: i64) -> i64 {
    let mut state = STATE.lock().unwrap();
    let input: Vec<i64> = (0..NUMBERS as i64).map(|i| i * 7919).collect();
    let mut out = vec![0i64; NUMBERS];
    let start = Instant::now();
    out[..count as usize]
        .par_iter_mut()
        .zip(&input[..count as usize])
        .for_each(|(to, from)| *to = process(*from));
    let time = start.elapsed();
    state.out = out;
    time.as_nanos() as i64
}

#[no_mangle]
pub extern "C" fn check(count: i64) -> i64 {
    let state = STATE.lock().unwrap();
    let mut whole = state.last_sum as i64;
    for value in &state.out[..count as usize] {
        whole = (whole * 31 + value) % 1_000_000_007;
    }
    whole
}
