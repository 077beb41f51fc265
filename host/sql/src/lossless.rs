//! Casts that lose nothing, and the type that two columns have in common.
