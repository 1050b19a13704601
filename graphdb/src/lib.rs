//! A small graph of named entities in SQLite, in the format of Docker's link database
