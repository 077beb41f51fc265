//! The commit protocol: its documents, its stores, its runner, and a model of it that is searched exhaustively.

mod model;
