//! `mintage dev` and the commands around it, as processes.

mod commands;
mod issuers;
mod lint;
mod manifests;
mod state;
mod why;
