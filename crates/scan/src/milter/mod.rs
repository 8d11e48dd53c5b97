//! Milters: Sendmail's protocol, version 6, as Postfix speaks it. There is no standard; what is done here is what libmilter's
//! `mfdef.h` names and Postfix's `milter8.c` is known to send.
//!
//! - [`talk`]: the conversation about one message, pure.
//! - [`packet`]: packets on the wire, pure.
//!
//! A milter is asked once the message is complete, with all that it would have heard step by step. So a recipient that it refuses
//! cannot be refused alone: the message is, if all of them are.

mod packet;
mod talk;

use crate::Question;
use crate::filters::{NoAnswer, Place};
use crate::opinion::Opinion;
use talk::{Next, Talk};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// Asks one about a message.
pub(crate) async fn ask(place: &Place, question: &Question) -> Result<Opinion, NoAnswer> {
    match place {
        Place::Inet(address) => converse(TcpStream::connect(address).await?, question).await,
        Place::Unix(path) => converse(UnixStream::connect(path).await?, question).await,
    }
}

pub(crate) async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    question: &Question,
) -> Result<Opinion, NoAnswer> {
    let mut talk = Talk::new(question);
    loop {
        match talk.next() {
            Next::Send(bytes) => stream.write_all(&bytes).await?,
            Next::Hear => {
                let mut length = [0; packet::LENGTH_BYTES];
                stream.read_exact(&mut length).await?;
                let mut packet = vec![0; packet::length(length)?];
                stream.read_exact(&mut packet).await?;
                talk.hear(&packet)?;
            }
            Next::Over(opinion) => {
                // It is over whether the other side hears so or not.
                let _heard = stream.write_all(&packet::packet(b'Q', &[])).await;
                return Ok(opinion);
            }
        }
    }
}

#[cfg(test)]
mod tests;
