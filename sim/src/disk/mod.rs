//! Disk: under construction.
