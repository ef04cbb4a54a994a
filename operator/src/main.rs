//! `mintage-operator`.

fn main() {}
