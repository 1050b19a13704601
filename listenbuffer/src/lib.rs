//! Sockets that listen at once and hand over connections only when the program is ready
