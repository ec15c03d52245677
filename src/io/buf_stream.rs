//! `BufStream`: a `BufReader` around a `BufWriter` around a stream.

use std::pin::Pin;

use pin_project_lite::pin_project;

use super::traits::delegate;
use super::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, BufReader, BufWriter, buf_reader};

pin_project! {
    /// Buffers a stream in both directions, as [`BufReader`] and [`BufWriter`] do in one.
    ///
    /// **Dropping it loses what was written and not flushed.**
    #[derive(Debug)]
    pub struct BufStream<RW> {
        #[pin]
        inner: BufReader<BufWriter<RW>>,
    }
}

impl<RW: AsyncRead + AsyncWrite> BufStream<RW> {
    /// Puts a buffer of 8 KiB before each direction of a stream.
    pub fn new(stream: RW) -> BufStream<RW> {
        BufStream { inner: BufReader::new(BufWriter::new(stream)) }
    }

    /// Puts buffers of the given capacities, in bytes, before a stream.
    ///
    /// # Panics
    ///
    /// When `reader_capacity` is zero.
    #[track_caller]
    pub fn with_capacity(reader_capacity: usize, writer_capacity: usize, stream: RW) -> BufStream<RW> {
        let writer = BufWriter::with_capacity(writer_capacity, stream);
        BufStream { inner: BufReader::with_capacity(reader_capacity, writer) }
    }

    /// The stream behind.
    pub fn get_ref(&self) -> &RW {
        self.inner.get_ref().get_ref()
    }

    /// The stream behind. Using it directly skips or overtakes what is buffered.
    pub fn get_mut(&mut self) -> &mut RW {
        self.inner.get_mut().get_mut()
    }

    /// The stream behind, pinned. Using it directly skips or overtakes what is buffered.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut RW> {
        self.project().inner.get_pin_mut().get_pin_mut()
    }

    /// Gives the stream behind back. What is buffered is lost.
    pub fn into_inner(self) -> RW {
        self.inner.into_inner().into_inner()
    }
}

impl<RW> From<BufReader<BufWriter<RW>>> for BufStream<RW> {
    fn from(inner: BufReader<BufWriter<RW>>) -> Self {
        BufStream { inner }
    }
}

impl<RW> From<BufWriter<BufReader<RW>>> for BufStream<RW> {
    fn from(writer: BufWriter<BufReader<RW>>) -> Self {
        let BufWriter { inner: reader, buf, written, seek } = writer;
        let BufReader { inner, buf: ahead, start, end, seek: _ } = reader;
        let writer = BufWriter { inner, buf, written, seek };
        BufStream { inner: BufReader { inner: writer, buf: ahead, start, end, seek: buf_reader::Seek::Idle } }
    }
}

impl<RW: AsyncRead + AsyncWrite> AsyncRead for BufStream<RW> {
    delegate!(AsyncRead, self => self.project().inner);
}

impl<RW: AsyncRead + AsyncWrite> AsyncBufRead for BufStream<RW> {
    delegate!(AsyncBufRead, self => self.project().inner);
}

impl<RW: AsyncRead + AsyncWrite> AsyncWrite for BufStream<RW> {
    delegate!(AsyncWrite, self => self.project().inner, &self.inner);
}

impl<RW: AsyncRead + AsyncWrite + AsyncSeek> AsyncSeek for BufStream<RW> {
    delegate!(AsyncSeek, self => self.project().inner);
}
