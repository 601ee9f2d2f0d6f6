//! Crash scenarios: a kernel panics, its kdump kernel takes the dump.
