//! Condition types and reasons. (skeleton)
