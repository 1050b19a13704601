//! Network interfaces, addresses and routes by rtnetlink: synchronous, without a runtime
