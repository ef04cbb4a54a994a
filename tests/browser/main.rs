//! The endpoint's pages in a real browser: how they look, what axe-core finds, and what their policies let happen.

mod answers;
mod flow;
mod gallery;
mod looks;
mod server;
mod shop;
mod spa;
mod trust;
mod web;
