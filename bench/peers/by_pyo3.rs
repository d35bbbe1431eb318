//! by_pyo3.rs - the work of bench_call.py, bound by PyO3.
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;

#[pyclass(name = "user", get_all, set_all, from_py_object)]
#[derive(Clone)]
pub struct User {
    id: i64,
    name: String,
    score: f64,
    active: bool,
    level: i32,
}

#[pymethods]
impl User {
    #[new]
    fn new(id: i64, name: String, score: f64, active: bool, level: i32) -> Self {
        User { id, name, score, active, level }
    }
}

#[pymodule]
mod by_pyo3 {
    use super::*;

    #[pymodule_export]
    use super::User;

    #[pyfunction]
    fn add(a: i64, b: i64) -> i64 {
        a.wrapping_add(b)
    }

    #[pyfunction]
    fn add_unlocked(py: Python<'_>, a: i64, b: i64) -> i64 {
        py.detach(|| a.wrapping_add(b))
    }

    #[pyfunction]
    fn multiply(a: f64, b: f64) -> f64 {
        a * b
    }

    #[pyfunction]
    fn text_length(text: &str) -> usize {
        text.len()
    }

    #[pyfunction]
    fn echo_text<'a>(text: &'a str) -> &'a str {
        text
    }

    #[pyfunction]
    fn echo_ints(values: Vec<i64>) -> Vec<i64> {
        values
    }

    #[pyfunction]
    fn count_reals(values: Vec<f64>) -> usize {
        values.len()
    }

    #[pyfunction]
    fn count_buffer(values: PyBuffer<f64>) -> usize {
        values.item_count()
    }

    #[pyfunction]
    fn echo_user(given: &User) -> User {
        given.clone()
    }
}
