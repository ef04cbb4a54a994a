//! Messages of Protocol Buffers on a gRPC call.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Reads `T` and writes `U`.
#[derive(Debug)]
pub struct Proto<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Proto<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for Proto<T, U>
where
    T: Message + Default + 'static,
    U: Message + 'static,
{
    type Encode = U;
    type Decode = T;
    type Encoder = Writer<U>;
    type Decoder = Reader<T>;

    fn encoder(&mut self) -> Self::Encoder {
        Writer(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        Reader(PhantomData)
    }
}

/// Writes messages.
#[derive(Debug)]
pub struct Writer<U>(PhantomData<U>);

impl<U: Message> Encoder for Writer<U> {
    type Item = U;
    type Error = Status;

    fn encode(&mut self, message: U, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let written = message.encode(buffer);
        written.map_err(|error| Status::internal(error.to_string()))
    }
}

/// Reads messages. What is none is the client's fault, and it is told so.
#[derive(Debug)]
pub struct Reader<T>(PhantomData<T>);

impl<T: Message + Default> Decoder for Reader<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        let read = T::decode(buffer).map(Some);
        read.map_err(|error| Status::invalid_argument(format!("the message is malformed: {error}")))
    }
}
