//! The body of an answer that is read while it is sent: a piece at a time, each in a thread that may block. Of a file of any
//! size a connection holds one piece, and a client that takes none has none read for it.

use axum::body::Bytes;
use console::Download;
use http_body::{Body, Frame};
use session::Whom;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::task::{JoinHandle, spawn_blocking};

type Piece = Result<Option<Vec<u8>>, console::Error>;

/// A body in pieces.
pub(crate) struct Pieces {
    state: State,
    /// Who asked for it.
    whom: Option<Whom>,
}

enum State {
    /// Nothing is read just now.
    Waiting(Box<Download>),
    /// The next piece is being read.
    Reading(JoinHandle<(Box<Download>, Piece)>),
    /// There are no more.
    Done,
}

impl Pieces {
    pub(crate) fn of(download: Download) -> Self {
        Self { state: State::Waiting(Box::new(download)), whom: Whom::at_work() }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let whom = self.whom;
        let _at_work = whom.map(Whom::work);
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Poll::Ready(None),
                State::Waiting(mut download) => {
                    self.state = State::Reading(spawn_blocking(move || {
                        let _at_work = whom.map(Whom::work);
                        let piece = download.next_piece();
                        (download, piece)
                    }));
                }
                State::Reading(mut reading) => {
                    let Poll::Ready(read) = Pin::new(&mut reading).poll(context) else {
                        self.state = State::Reading(reading);
                        return Poll::Pending;
                    };
                    let (download, piece) = read.map_err(io::Error::other)?;
                    // The client sees that the answer breaks off: half a file is not taken for a whole one.
                    let piece = piece.map_err(|error| {
                        tracing::error!(%error, "a download broke off");
                        io::Error::other(error.to_string())
                    })?;
                    let Some(piece) = piece else { return Poll::Ready(None) };
                    self.state = State::Waiting(download);
                    return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
                }
            }
        }
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pieces")
    }
}
