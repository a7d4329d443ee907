//! Fuzz.
fn main() {}
