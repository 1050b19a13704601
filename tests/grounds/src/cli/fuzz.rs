//! Runs the fuzz targets.
