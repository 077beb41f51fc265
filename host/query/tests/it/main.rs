//! Plugins in SQL and in plans.
