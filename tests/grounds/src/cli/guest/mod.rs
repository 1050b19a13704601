//! A second kernel.
