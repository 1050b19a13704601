//! Users and groups from passwd and group files, without the C library
