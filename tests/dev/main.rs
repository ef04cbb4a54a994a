//! `mintage dev` and the commands around it, as processes.

mod commands;
mod issuers;
mod keys;
mod lint;
mod manifests;
mod shell;
mod state;
mod users;
mod welcome;
mod why;
