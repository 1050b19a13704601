//! Control groups of Linux: v1, v2 and hybrid
