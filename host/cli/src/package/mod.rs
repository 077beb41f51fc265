//! What runs a pipeline on AWS, made of the pipeline for one target: the template, its policy, the state machines.

mod policy;
pub(crate) mod states;
pub(crate) mod template;
mod yaml;
