//! Linux containers from any thread of any program: namespaces, mounts, limits, network and user
