//! Sockets that listen at once and hand over connections only when the program is ready.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::thread;
//!
//! let (listener, activator) = listenbuffer::ListenBuffer::tcp("127.0.0.1:0")?;
//!
//! // Clients connect and send from now on; the kernel keeps what they say.
//! let mut client = TcpStream::connect(listener.local_addr()?).expect("it listens");
//! client.write_all(b"ping").expect("sent");
//!
//! thread::spawn(move || {
//!     // … load images, restore containers, open the database …
//!     activator.activate();
//! });
//!
//! let (mut stream, _) = listener.accept()?; // returns after the activation
//! let mut ping = [0; 4];
//! stream.read_exact(&mut ping).expect("it was kept");
//! assert_eq!(&ping, b"ping");
//! # Ok::<(), listenbuffer::Error>(())
//! ```
//!
//! A daemon that binds first and starts up afterwards can be restarted without a client ever being
//! refused. The sockets are the standard library's: [`accept`](ListenBuffer::accept) gives a
//! `TcpStream` or a `UnixStream`, and [`into_socket`](ListenBuffer::into_socket) the listener itself
//! or the `UdpSocket`, for whatever runtime one likes.
//!
//! # From 2014
//!
//! | Go, `pkg/listenbuffer` | here | what was wrong |
//! |---|---|---|
//! | `NewListenBuffer("tcp", addr, activate)` | [`listen`], [`ListenBuffer::tcp`] | |
//! | `NewListenBuffer("unix", path, activate)` | [`listen`], [`ListenBuffer::unix`] | the mode was set by changing the process's umask; a path left by a crash was in the way |
//! | `NewListenBuffer("udp", addr, activate)` | [`listen`], [`ListenBuffer::udp`] | documented, and failed always |
//! | `close(activate)`, `activate <- struct{}{}` | [`Activator::activate`] | one event woke one of several accepters; if none came, they hung |
//! | `l.Accept()` | [`ListenBuffer::accept`], [`Listener::accept`] | no deadline while waiting for the activation |
//! | `l.Close()` | [`ListenBuffer::close`], [`Listener::close`] | did not wake those who waited for the activation |
//! | `l.Addr()` | [`ListenBuffer::local_addr`] | |

mod activator;
mod error;
mod function;
mod listener;
mod options;
mod unix;
mod wait;

pub use activator::Activator;
pub use error::{Error, ErrorKind, Result};
pub use function::{Listener, Stream, listen};
pub use listener::{Accept, ListenBuffer};
pub use options::Options;
