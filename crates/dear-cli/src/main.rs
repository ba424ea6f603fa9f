//! The command `dear`.
fn main() {}
