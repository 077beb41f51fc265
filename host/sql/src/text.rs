//! The value that a text stands for, exactly, or why it is none.
