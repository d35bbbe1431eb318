// Functions of Rust that C could call, and what C has no form for.
#![allow(non_camel_case_types, improper_ctypes_definitions, dead_code)]
use std::os::raw::c_char;

#[repr(C)]
pub struct inlay_str {
    ptr: *const u8,
    len: usize,
}
#[repr(C)]
pub struct inlay_len(usize);
#[repr(C)]
pub struct inlay_owned(usize);
#[repr(C)]
pub struct inlay_has(bool);
#[repr(C)]
pub struct inlay_html(inlay_str);
#[repr(C)]
pub struct point {
    x: f64,
    y: f64,
}
#[repr(C)]
pub struct points {
    ptr: *const point,
    len: inlay_len,
}
#[repr(C)]
pub struct reals {
    ptr: *mut f64,
    len: inlay_owned,
}
#[repr(C)]
pub struct maybe {
    has: inlay_has,
    value: i64,
}
#[repr(C)]
pub struct cells {
    a: [i32; 3],
    p: point,
    next: *const cells,
}
#[repr(C)]
pub enum color {
    Red,
    Green = 7,
}
pub struct loose {
    a: u8,
    b: u64,
    c: u8,
}
pub enum valued {
    A(i32),
    B(f64),
}
pub struct counter {
    n: i64,
    all: Vec<i64>,
}

/// Adds.
#[no_mangle]
pub extern "C" fn ok_add(v: i64, w: i64) -> i64 {
    v + w
}
#[no_mangle]
pub extern "C" fn ok_unit() {}
#[no_mangle]
pub extern "C" fn ok_bool(v: bool) -> bool {
    !v
}
#[no_mangle]
pub extern "C" fn ok_float(v: f32) -> f32 {
    v
}
#[no_mangle]
pub extern "C" fn ok_point(v: point) -> point {
    v
}
#[no_mangle]
pub extern "C" fn ok_pointer(v: *const point) -> *mut point {
    v as *mut point
}
#[no_mangle]
pub extern "C" fn ok_points(v: points) -> usize {
    v.len.0
}
#[no_mangle]
pub extern "C" fn ok_reals() -> reals {
    reals { ptr: std::ptr::null_mut(), len: inlay_owned(0) }
}
#[no_mangle]
pub extern "C" fn ok_maybe(v: maybe) -> i64 {
    v.value
}
#[no_mangle]
pub extern "C" fn ok_cells(v: cells) -> i32 {
    v.a[0]
}
#[no_mangle]
pub extern "C" fn ok_color(v: color) -> color {
    v
}
#[no_mangle]
pub extern "C" fn ok_text(v: *const c_char) -> *const c_char {
    v
}
#[no_mangle]
pub extern "C" fn ok_str(v: inlay_str) -> inlay_str {
    v
}
#[no_mangle]
pub extern "C" fn ok_html(v: inlay_html) -> inlay_html {
    v
}
#[no_mangle]
pub extern "C" fn ok_callback(v: extern "C" fn(i64) -> i64) -> i64 {
    v(3)
}
#[no_mangle]
pub extern "C" fn counter_new(n: i64) -> *mut counter {
    Box::into_raw(Box::new(counter { n, all: vec![] }))
}
#[no_mangle]
pub unsafe extern "C" fn counter_free(this: *mut counter) {
    drop(Box::from_raw(this))
}
#[no_mangle]
pub unsafe extern "C" fn counter_get(this: *const counter) -> i64 {
    (*this).n + (*this).all.len() as i64
}
#[no_mangle]
pub extern "C" fn no_reference(v: &point) -> f64 {
    v.x
}
#[no_mangle]
pub extern "C" fn no_loose(v: loose) -> u64 {
    v.b
}
#[no_mangle]
pub extern "C" fn no_valued(v: valued) -> i32 {
    match v {
        valued::A(a) => a,
        valued::B(b) => b as i32,
    }
}
#[no_mangle]
pub extern "C" fn no_option(v: Option<i64>) -> i64 {
    v.unwrap_or(5)
}
#[no_mangle]
pub extern "C" fn no_option_reference(v: Option<&point>) -> bool {
    v.is_none()
}
#[no_mangle]
pub extern "C" fn no_option_function(v: Option<extern "C" fn()>) -> bool {
    v.is_some()
}
#[no_mangle]
pub extern "C" fn no_slice(v: &[point]) -> usize {
    v.len()
}
#[no_mangle]
pub extern "C" fn no_string(v: String) -> usize {
    v.len()
}
#[no_mangle]
pub extern "C" fn no_char(v: char) -> u32 {
    v as u32
}
#[no_mangle]
pub extern "C" fn no_bytes(v: *const u8) -> bool {
    v.is_null()
}
#[no_mangle]
pub extern "C" fn no_tuple(v: (i32, i64)) -> i64 {
    v.1
}
