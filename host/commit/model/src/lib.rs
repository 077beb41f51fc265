//! The commit protocol in every order, with every fault, within bounds.
//!
//! The decisions are not modelled: [`Process`](transom_commit::Process) is what runs. The model is the world around it
//! (`world`): a log, warehouses, files, a pointer, requests that are late or whose answers are lost, processes that are
//! killed or stand still for as long as they like. `runs` says within which bounds it holds, and that it does not with
//! each of the rules left out.

#![cfg(test)]

mod runs;
mod world;
