//! OCI bundles.
