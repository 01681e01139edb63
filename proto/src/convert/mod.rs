//! Each message to and from its domain type.
