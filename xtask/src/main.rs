//! `cargo xtask`: everything a developer does with this repository.
fn main() {}
