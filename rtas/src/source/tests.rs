//! The four interrupt calls against the sequential specification of LoPAR 7.3.10, with servers that
//! come and go; then with calls interleaved, with callers that die, and with threads.

mod interleaved;
mod sequential;
