//! Mounting, unmounting and reading the mount table of Linux
